"""Finds characters nobody can see.

A bidirectional mark can make a line read differently from what is trained; a zero-width space in the middle
of a word makes another word of it; a tag character carries text that no reviewer sees. None of them has a
place in a pack. Joiners that a script or an emoji needs (Persian, Hindi, 👩‍🚀) stay: they stand after a
character that is itself not ASCII.
"""

from __future__ import annotations

import re
import unicodedata

_NEVER = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control characters; tab and line ends are left
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e"  # soft hyphen, fillers without a shape
    "\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"  # zero-width space, bidirectional marks, line separators
    "\u3164\ufeff\uffa0\ufff9-\ufffb"  # fillers, byte order mark, annotations
    "\ud800-\udfff"  # halves of a character, which no file can hold
    "\U000e0000-\U000e0fff"  # tags and selectors
)
_JOINERS = "\u200c\u200d"
_HIDDEN = re.compile(f"[{_NEVER}]")
_LOOSE_JOINER = re.compile(f"(?:^|(?<=[\x00-\x7f]))[{_JOINERS}]", re.MULTILINE)


def find_hidden(text: str) -> list[tuple[int, str]]:
    """Return the offset and the name of every hidden character of `text`."""
    if text.isascii() and text.replace("\n", " ").isprintable():
        return []
    found = [match.start() for match in _HIDDEN.finditer(text)]
    if any(joiner in text for joiner in _JOINERS):
        found = sorted(found + [match.start() for match in _LOOSE_JOINER.finditer(text)])
    return [(at, _name(text[at])) for at in found]


def _name(character: str) -> str:
    name = unicodedata.name(character, "control character").lower()
    return f"U+{ord(character):04X} {name}"
