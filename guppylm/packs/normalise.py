"""Turns a text into what is left of it when only its words matter.

Two prompts that differ in case, punctuation or apostrophes are one prompt to a person, so the comparisons that keep
the examination honest (does a held-out prompt stand in the training set? can a starter be asked? do two topics share
a prompt?) are made on normalised text: compatibility forms unified (NFKC), case folded, apostrophes dropped, every
other mark, symbol and emoji a space, spaces collapsed, accents on Latin letters dropped, as people do who type in a
hurry. In scripts that put no spaces between words every character
counts as a word, so that a comma or a space more or less makes no other text.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

APOSTROPHES = "'’‘ʼ＇`´"
# Thai and Lao, Burmese, Khmer, Japanese, Chinese: a class of characters for regular expressions.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
)
IS_UNSPACED = re.compile(f"[{UNSPACED}]")
_ACCENTS = re.compile("(?<=[a-z])[\u0300-\u036f]+")
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
    >>> normalise("早，iPhone")
    '早 iphone'
    >>> normalise("¿Cómo estás?")
    'como estas'
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
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", folded))
    return "".join(map(_kept, unicodedata.normalize("NFC", plain)))


def _kept(character: str) -> str:
    if character in APOSTROPHES:
        return ""
    if unicodedata.category(character)[0] not in "LNM":
        return " "
    return f" {character} " if IS_UNSPACED.match(character) else character
