"""Turns a message into what the model is shown of it.

To the model a word in capitals is another word. It could be taught every word twice, and would still know half of what
it knows of the quiet ones. So a persona that speaks in lower case only hears in lower case only; and one that has
capitals hears them too, but of somebody who shouts it hears the words. The message itself is not changed: this is what
the model is shown of it, in training as in chat.
"""

from __future__ import annotations

from collections.abc import Callable

N_LETTERS_SHOUTED = 4  # OK, TV and USA are words


def ear_of(case: object) -> Callable[[str], str]:
    """Return how a persona hears whose voice has this `case`: "lower" or "any". Any other hears all as it is."""
    return {"lower": str.lower, "any": quietened}.get(str(case), str)


def quietened(message: str) -> str:
    """Return a message in lower case where all of it is in capitals, else as it is."""
    n_letters = sum(map(str.isupper, message))
    return message.lower() if message.isupper() and n_letters >= N_LETTERS_SHOUTED else message
