"""Turns a text into what is left of it when only its words matter.

Two prompts that differ in case, punctuation or apostrophes are one prompt to a person, so the comparisons that keep
the examination honest (does a held-out prompt stand in the training set? can a starter be asked? do two topics share
a prompt?) are made on normalised text: compatibility forms unified (NFKC), case folded, apostrophes dropped, every
other mark, symbol and emoji a space, spaces collapsed.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

APOSTROPHES = "'’‘ʼ＇`´"
_SPACES = re.compile(" {2,}")
_ASCII = {code: chr(code) if chr(code).isalnum() else " " for code in range(128)} | {
    ord("'"): "",
    ord("`"): "",
}


def squeeze(text: str) -> str:
    """Return the text as a row shows it: runs of spaces made one, ends trimmed, nothing else changed."""
    return (_SPACES.sub(" ", text) if "  " in text else text).strip(" ")


def normalise(text: str) -> str:
    """Return the text normalised for comparison.

    >>> normalise("  I'm HUNGRY!! (very) 🐟")
    'im hungry very'
    """
    return " ".join(_spaced(text).split())


@lru_cache(maxsize=1 << 16)
def spaced(piece: str) -> str:
    """Return a piece of a longer text normalised, but with its spaces as they fall. Pieces come back; texts do not."""
    return _spaced(piece)


def _spaced(text: str) -> str:
    if text.isascii():
        return text.lower().translate(_ASCII)
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(map(_kept, unicodedata.normalize("NFKC", folded)))


def _kept(character: str) -> str:
    if character in APOSTROPHES:
        return ""
    return character if unicodedata.category(character)[0] in "LNM" else " "
