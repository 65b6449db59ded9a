"""Turns a message into exchanges that grow, and exchanges into what the chat shows.

One visitor's talk with one persona is a tuple of frozen exchanges. It lives in the visitor's own session
and nowhere else, so two visitors can never see each other's words. Nothing here knows gradio, a server or a
model's insides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

N_EXCHANGES_KEPT = 200
N_CHARACTERS_SENT = 20_000


@dataclass(frozen=True, kw_only=True)
class Knobs:
    """How the next token is picked.

    The defaults are those of `guppylm.model.sampling.Sampling`; a test holds them equal.
    """

    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.95


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One message and as much of the reply as has been said.

    Attributes:
        knobs: how its tokens were picked; with them and the seed the same reply can be had again.
        stopped: "" while the reply grows, then "end", "length" or "cancelled".
        note: what the engine has to say about the message, as that its start was cut; mostly empty.
    """

    message: str
    reply: str = ""
    seed: int = 0
    knobs: Knobs = Knobs()
    n_tokens: int = 0
    stopped: str = ""
    note: str = ""


Talk = tuple[Exchange, ...]


def speak(chat: Any, talk: Talk, message: str, *, knobs: Knobs, seed: int) -> Iterator[Exchange]:
    """Yield the new exchange, first without a word of the reply, then after every token.

    Closing this iterator closes the engine's, so a reply that nobody waits for is not computed further.
    """
    # The engine cuts a long message at its front and says so; no session need keep a whole book for that.
    exchange = Exchange(message=message[-N_CHARACTERS_SENT:], seed=seed, knobs=knobs)
    yield exchange
    stream = chat.stream(
        exchange.message,
        history=history(talk, max_turns=chat.max_turns),
        seed=seed,
        temperature=knobs.temperature,
        top_k=knobs.top_k,
        top_p=knobs.top_p,
    )
    try:
        for token in stream:
            exchange = replace(exchange, reply=token.text_so_far, n_tokens=exchange.n_tokens + 1)
            yield exchange
        final = stream.reply
    finally:
        stream.close()
    yield replace(exchange, reply=final.text, n_tokens=final.n_tokens, stopped=final.stopped, note=final.note)


def history(talk: Talk, *, max_turns: int) -> list[tuple[str, str]]:
    """Return the exchanges before the new one that the persona was raised to see, oldest first.

    A reply that was stopped counts as far as it went.
    """
    return [(exchange.message, exchange.reply) for exchange in talk[-(max_turns - 1) :]] if max_turns > 1 else []


def with_exchange(talk: Talk, exchange: Exchange) -> Talk:
    return (*talk, exchange)[-N_EXCHANGES_KEPT:]


def stopped_now(talk: Talk) -> Talk:
    """Mark a last exchange that was still growing as cancelled."""
    if talk and not talk[-1].stopped:
        return (*talk[:-1], replace(talk[-1], stopped="cancelled"))
    return talk


def as_messages(talk: Talk) -> list[dict[str, str]]:
    """Return the talk as gradio's Chatbot takes it: message i belongs to exchange i // 2."""
    messages = []
    for exchange in talk:
        messages.append({"role": "user", "content": as_text(exchange.message) or "(silence)"})
        if exchange.reply or exchange.stopped:
            messages.append({"role": "assistant", "content": as_text(exchange.reply) or "…"})
    return messages


def as_text(words: str) -> str:
    """Escape what the Chatbot would take for markup: with markdown off it still shows content as HTML."""
    return re.sub(r"&(?=[#\w])", "&amp;", words).replace("<", "&lt;")


def exchange_at(talk: Talk, message_index: int | Sequence[int]) -> int:
    """Return which exchange a Chatbot index points into, the last one where it points nowhere."""
    index = message_index if isinstance(message_index, int) else message_index[0]
    return min(max(index // 2, 0), max(len(talk) - 1, 0))
