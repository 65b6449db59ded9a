"""Turns the replies of a topic and the rules of a voice into the lines that break them, each with a witness.

The rules are proved over trees (see style.py), so what is found is a text that can come out, and what is
not found cannot. The line that is blamed is the innermost one that breaks the rule all by itself: a
phrase's, if it is the phrase.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import cast

from guppylm.errors import Finding
from guppylm.packs.document import finding_at
from guppylm.packs.grammar import Bound
from guppylm.packs.lang import Choice, Option, Sequence
from guppylm.packs.pack import Voice
from guppylm.packs.place import Place
from guppylm.packs.real import Realist, Test
from guppylm.packs.sift import Sieve
from guppylm.packs.style import find_capital, find_characters, find_phrase, longest

CONTROL_TOKENS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<pad>")

_CONTROL = ("<",)  # no other text of a pack is likely to hold one, so one needle serves for all tokens
_LOOSE_MARKS = (" .", " ,")


class VoiceRules:
    """The rules of one pack's voice, for all its topics."""

    def __init__(self, voice: Voice) -> None:
        self.voice = voice
        self._forbidden = Sieve(voice.forbid)
        self._marks = Sieve([*_LOOSE_MARKS, *_CONTROL])
        self._realist = Realist()

    def may_be_broken_by(self, replies: Choice) -> bool:
        """Tell whether any of these replies could break a rule; `broken_by` says which line does."""
        limits = ((self.voice.max_words, "words"), (self.voice.max_chars, "characters"))
        return (
            (self.voice.case == "lower" and find_capital(replies) is not None)
            or bool(self._forbidden.find(replies))
            or any(most is not None and longest(replies, unit=unit)[0] > most for most, unit in limits)
        )

    def may_hold_loose_marks(self, tree: Choice) -> bool:
        """Tell whether `loose_marks_in` could find anything in this tree."""
        return bool(self._marks.find(tree))

    def broken_by(self, replies: Choice) -> Iterator[Finding]:
        """Yield an error for every line of these replies that can break a rule of the voice."""
        if self.voice.case == "lower":
            for place, witness in _culprits(replies, find_capital):
                help = "the voice is case: lower"
                yield finding_at(place, "E151", f"a capital letter: {_short(witness)}", help)
        for phrase in sorted(self._forbidden.find(replies)):
            for place, witness in _culprits(replies, self._realist.real(partial(find_phrase, phrase=phrase))):
                message = f"a reply with {phrase}, which the voice forbids"
                yield finding_at(place, "E151", message, f"as in: {_short(witness)}")
        yield from _too_long(replies, self.voice, self._realist)

    def loose_marks_in(self, tree: Choice) -> Iterator[Finding]:
        """Yield what no text may hold, prompt or reply.

        An error for a mark by which a chat model is steered; a warning for a space before a full stop.
        """
        for found in sorted(self._marks.find(tree)):
            if found in _LOOSE_MARKS:
                yield from _loose_mark(tree, found)
                continue
            for token in CONTROL_TOKENS:
                for place, witness in _culprits(tree, partial(find_characters, characters=token)):
                    message = f"a text with the control token {token}"
                    yield finding_at(place, "E156", message, f"as in: {_short(witness)}")


def _too_long(replies: Choice, voice: Voice, realist: Realist) -> Iterator[Finding]:
    limits = (("words", voice.max_words), ("characters", voice.max_chars))
    for unit, most in limits:
        if most is None or longest(replies, unit=unit)[0] <= most:
            continue
        for option in replies.options:
            size, witness = realist.longest(option.node, unit)
            if size > most and isinstance(option.place, Place):
                message = f"a reply of {size} {unit}; the voice allows {most}"
                yield finding_at(option.place, "E152", message, f"as in: {_short(witness, 160)}")


def _loose_mark(tree: Choice, mark: str) -> Iterator[Finding]:
    for place, witness in _culprits(tree, partial(find_characters, characters=mark)):
        if f"{mark}{mark.strip()}" not in witness:
            help = f"as in: {_short(witness)}; put the space inside the choice"
            yield finding_at(place, "W215", f"a space can come before '{mark.strip()}'", help)


def _culprits(tree: Bound, test: Test) -> Iterator[tuple[Place, str]]:
    """Yield the innermost lines that fail the test, with their witnesses; nothing when the tree passes."""
    if test(tree) is not None:
        yield from _culprits_below(tree, test, set())


def _culprits_below(tree: Bound, test: Test, seen: set[int]) -> Iterator[tuple[Place, str]]:
    """Yield the lines below a tree that fail. A line that many others use is looked at once."""
    for option in _lines_below(tree):
        if id(option.node) in seen:
            continue
        seen.add(id(option.node))
        witness = test(option.node)
        if witness is None:
            continue
        if any(test(line.node) is not None for line in _lines_below(option.node)):
            yield from _culprits_below(option.node, test, seen)
        else:
            yield cast(Place, option.place), witness


def _lines_below(tree: Bound) -> list[Option]:
    """Return the nearest options below a tree that are lines of their own, each once."""
    lines: list[Option] = []
    seen: set[int] = set()
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Choice):
            lines += [option for option in node.options if option.place is not None]
            waiting += [option.node for option in node.options if option.place is None]
        elif isinstance(node, Sequence):
            waiting += node.parts
    return lines


def _short(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
