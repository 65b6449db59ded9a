"""Turns a word into one of its forms by the rules of English: `.s`, `.a`, and `.cap` in any language.

An author who wants something else writes the form beside the word, and that always comes first. The rules are the
regular ones; they do not try to know irregular nouns.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_SIBILANT = re.compile(r"(s|x|z|ch|sh)$", re.IGNORECASE)
_CONSONANT_Y = re.compile(r"[^aeiou\W]y$", re.IGNORECASE)
# Spelled with a vowel but said with a consonant, and the other way round.
_SAYS_CONSONANT = re.compile(r"(uni(?!n|m)|use|usu|uto|eu|ewe|one\b|once)", re.IGNORECASE)
_SAYS_VOWEL = re.compile(r"(hour|heir|honest|honou?r)", re.IGNORECASE)


def plural(word: str) -> str:
    """Return the regular plural: snail -> snails, fly -> flies, box -> boxes."""
    if _SIBILANT.search(word):
        return word + "es"
    if _CONSONANT_Y.search(word):
        return word[:-1] + "ies"
    return word + "s"


def with_article(word: str) -> str:
    """Return the word behind `a` or `an`: a snail, an egg, an hour, a unicorn."""
    vowel = word[:1].lower() in tuple("aeiou") and not _SAYS_CONSONANT.match(word)
    return ("an " if vowel or _SAYS_VOWEL.match(word) else "a ") + word


def capitalised(word: str) -> str:
    """Return the word with its first letter large and the rest as it was."""
    return word[:1].upper() + word[1:]


def rule_for(form: str, language: str) -> Callable[[str], str] | None:
    """Return the rule that makes this form in this language, or None where there is none."""
    if form == "cap":
        return capitalised
    if language.split("-")[0] == "en":
        return {"s": plural, "a": with_article}.get(form)
    return None
