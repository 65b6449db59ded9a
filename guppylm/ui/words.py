"""Turns facts about a persona and a reply into the sentences the page shows. Plain English, no markup."""

from __future__ import annotations

from guppylm.ui.conversation import Exchange

OUR_FAULT = "Something broke while it was answering. That is a fault of this program, not of your message."


def what_it_sees(title: str, max_turns: int) -> str:
    """Say honestly how much of the talk a persona can see."""
    if max_turns <= 1:
        return f"{title} answers your last message only: it was raised on single exchanges."
    return f"{title} sees your last {max_turns} exchanges: it was raised on talks of that length."


def about_reply(exchange: Exchange) -> str:
    """Say how a reply came about: its seed, its length, and what was out of the ordinary."""
    n_tokens = f"{exchange.n_tokens} token" + ("" if exchange.n_tokens == 1 else "s")
    said = f"Seed {exchange.seed}, {n_tokens}."
    if exchange.stopped == "cancelled":
        said = f"Stopped after {n_tokens}. Seed {exchange.seed}."
    elif exchange.stopped == "length":
        said += " It ran out of room before it came to an end."
    return f"{exchange.note} {said}" if exchange.note else said


def invitation(title: str) -> str:
    return f"Talk to {title}"


def not_ready(title: str) -> str:
    return f"{title} cannot talk yet"
