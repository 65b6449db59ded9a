"""Turns a conversation into the tokens that the model can see, and says honestly what it cannot.

A tiny model has a short context, and most personas are trained on single exchanges. So earlier turns
may not be sent at all, and of a message that is too long only the end is. Both go into `Window.note`,
because a reply that ignores half of what was said should not look like a stupid one.

Deliberately not: summaries, sliding caches or any other way to pretend to a longer memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guppylm.model.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class Window:
    """What is handed to the model before it replies.

    Attributes:
        ids: the whole prompt, up to where the reply starts.
        n_turns_seen: how many of the earlier turns are in it.
        n_tokens_cut: how many tokens the front of the message lost. A message of many thousand characters is
            not counted to its beginning: then it is at least so many.
        note: what the model does not see, in one or two sentences; empty when it sees everything.
    """

    ids: tuple[int, ...]
    n_turns_seen: int
    n_tokens_cut: int
    note: str


def visible(
    turns: Sequence[tuple[str, str]],
    message: str,
    tokenizer: Tokenizer,
    context: int,
    reserve: int,
    *,
    max_turns: int | None = None,
) -> Window:
    """Return what fits in front of a reply of `reserve` tokens.

    The message comes first and keeps its end; then as many earlier turns as fit, the latest first.

    Args:
        turns: earlier (message, reply) pairs, oldest first.
        message: the new one. Spaces around it do not count; all spaces is silence, the empty message.
        context: tokens the model can see, prompt and reply together.
        max_turns: how many exchanges, the new one included, the model was trained on; None for any number.
    """
    room = context - reserve - len(tokenizer.prompt((), ""))
    words, n_tokens_cut = _last_tokens(message.strip(), tokenizer, max(room, 0))
    allowed = len(turns) if max_turns is None else min(len(turns), max_turns - 1)
    n_turns_seen, ids = 0, tokenizer.prompt((), words)
    for n_turns in range(1, allowed + 1):
        longer = tokenizer.prompt(turns[-n_turns:], words)
        if len(longer) + reserve > context:
            break
        n_turns_seen, ids = n_turns, longer
    notes = (_about_cut(n_tokens_cut), _about_turns(len(turns), n_turns_seen))
    note = " ".join(filter(None, notes))
    return Window(ids=tuple(ids), n_turns_seen=n_turns_seen, n_tokens_cut=n_tokens_cut, note=note)


def _last_tokens(text: str, tokenizer: Tokenizer, n: int) -> tuple[list[int], int]:
    """Return the last n tokens of a text, and how many were cut before them.

    n tokens stand for at most n * longest bytes, and a character takes at least one. So what stands further
    from the end is not even encoded, and a megabyte costs no more than a page. Twice that much is, because
    the first cut may split a word, and the first word of what is left is then encoded in another way.
    """
    tail = text[-2 * n * tokenizer.longest :] if n else ""
    ids = tokenizer.encode(tail)
    n_uncounted = 0 if len(tail) == len(text) else 1
    kept = ids[len(ids) - n :] if len(ids) > n else ids
    while kept and len(kept) < len(ids) and _starts_inside_a_character(kept[0], tokenizer):
        kept = kept[1:]
    return kept, len(ids) - len(kept) + n_uncounted


def _starts_inside_a_character(id: int, tokenizer: Tokenizer) -> bool:
    (piece,) = tokenizer.pieces([id])
    return 0x80 <= piece.bytes[0] <= 0xBF


def _about_cut(n_tokens_cut: int) -> str:
    return "That message is too long to be seen whole: only its end was read." if n_tokens_cut else ""


def _about_turns(n_turns: int, n_turns_seen: int) -> str:
    if n_turns_seen == n_turns:
        return ""
    if n_turns_seen == 0:
        return "Only your last message was read; what was said before is not remembered."
    exchanges = "exchange" if n_turns_seen == 1 else f"{n_turns_seen} exchanges"
    return f"Only your last message and the {exchanges} before it were read."
