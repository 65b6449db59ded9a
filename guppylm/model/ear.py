"""Turns a message into what the model is shown of it."""

from __future__ import annotations


def heard(message: str) -> str:
    """Return a message as a persona hears it that speaks in lower case only: whoever shouts, says the same.

    To the model a word in capitals is another word. It could be taught every word twice, and would still know half
    of what it knows of the quiet ones. The message itself is not changed; this is what the model is shown of it, in
    training as in chat.
    """
    return message.lower()
