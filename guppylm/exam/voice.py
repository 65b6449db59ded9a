"""Turns a reply into what is wrong with how it sounds.

    broken    the rules of the pack's voice: capitals, length, forbidden words
    residue   a character that no training reply holds, such as the marks of the line language
    loop      the same words again and again

A reply that the grammar can say is none of these; `check` has proved that. What is looked for here is what a model
makes up by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from guppylm.packs.normalise import IS_UNSPACED, UNSPACED, normalise
from guppylm.packs.pack import Voice

_LOOP = re.compile(r"\b(\S+(?: \S+){3,})(?: \1)+(?!\S)|\b(\S+(?: \S+){0,2})(?: \2){3,}(?!\S)")
# In scripts without spaces: eight characters, which are some four words, and shorter ones that are no laughter.
_LOOP_UNSPACED = re.compile(rf"([{UNSPACED}][^\s]{{7,}})\1|([{UNSPACED}][^\s]{{1,6}})\2{{3,}}|([{UNSPACED}])\3{{9,}}")


def broken_rule(reply: str, voice: Voice) -> str:
    """Say which rule of the voice a reply breaks; empty when it keeps them all."""
    words = reply.split()
    if voice.case == "lower" and reply != reply.lower():
        return "a capital letter"
    if voice.max_words is not None and len(words) > voice.max_words:
        return f"{len(words)} words"
    if voice.max_chars is not None and len(reply) > voice.max_chars:
        return f"{len(reply)} characters"
    return next((f"says {phrase}" for phrase in voice.forbid if _says(reply, phrase)), "")


def _says(reply: str, phrase: str) -> bool:
    """Tell whether a reply contains a phrase: as whole words in any case, or as it stands when it has no letters."""
    if not any(map(str.isalnum, phrase)):
        return phrase in reply
    return f" {normalise(phrase)} " in f" {normalise(reply)} "


class Residue:
    """Knows which characters the training replies hold, and so which do not belong.

    Args:
        replies: of the training rows.
    """

    def __init__(self, replies: Iterable[str]) -> None:
        self.known = {character for reply in replies for character in reply}

    def in_(self, reply: str) -> str:
        """Return what does not belong into a reply; empty when all does."""
        return "".join(dict.fromkeys(character for character in reply if character not in self.known))


def loops(reply: str) -> bool:
    """Tell whether four or more words come twice in a row, or fewer four times."""
    if IS_UNSPACED.search(reply):
        return _LOOP_UNSPACED.search("".join(reply.split())) is not None
    return _LOOP.search(" ".join(reply.split())) is not None
