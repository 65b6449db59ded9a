"""Turns the prompts and replies of a scene into exchanges: which of its replies may answer which of its prompts.

    ask    i am <person>      it is me again        reply    <person>. i like that name.      hello, you.
           \\__________________________________ may be answered with ___/                     /
                              \\_____________________________________________________________/

Any reply of a scene fits any of its prompts, with one exception. Where prompts and replies share a slot, a reply that
says its word answers only lines that say it: a word that nobody has said cannot be repeated. Otherwise half of the rows
would teach a persona to greet people by a name that they do not have. A prompt for which there is no other reply gets
them all, and the word is the persona's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

from guppylm.packs.count import Counter, Variables
from guppylm.packs.grammar import Bound
from guppylm.packs.lang import Choice, Option, Sequence


def exchanges(ask: Choice, reply: Choice, counter: Counter, *, trained: Choice | None = None) -> tuple[Sequence, ...]:
    """Return pairs of trees, prompts and replies, in which every reply fits every prompt.

    Together they hold each prompt of `ask` once. Prompts that may be answered alike stay together, so that most scenes
    are one exchange.

    Args:
        trained: where `ask` are held-out prompts, the others of the scene; a slot of theirs is shared as well.
    """
    prompts: dict[int, tuple[Choice, list[Option]]] = {}  # by the replies that they may have
    for option, fitting in _fitting(ask, reply, trained or ask, counter):
        replies = fitting or reply
        prompts.setdefault(id(replies), (replies, []))[1].append(option)
    if list(prompts) == [id(reply)]:
        return (Sequence((ask, reply)),)
    return tuple(Sequence((Choice(tuple(asked)), replies)) for replies, asked in prompts.values())


def unanswered(ask: Choice, reply: Choice, counter: Counter) -> list[Option]:
    """Return the prompts for which every reply repeats a word that they do not say."""
    return [option for option, fitting in _fitting(ask, reply, ask, counter) if fitting is None]


def without(node: Bound, unsaid: Variables, counter: Counter) -> Bound | None:
    """Return the tree of those texts of a tree that use none of these variables; None where all of them do.

    What does not change stays the same object, and so what is known about it stays known.
    """
    if not _variables(node, counter) & unsaid:
        return node
    match node:
        case Choice(options):
            kept = ((option, without(option.node, unsaid, counter)) for option in options)
            left = tuple(replace(option, node=node) for option, node in kept if node is not None)
            return Choice(left) if left else None
        case Sequence(parts):
            trimmed = tuple(without(part, unsaid, counter) for part in parts)
            return None if None in trimmed else Sequence(trimmed)
        case _:
            return None


def _fitting(ask: Choice, reply: Choice, trained: Choice, counter: Counter) -> Iterator[tuple[Option, Choice | None]]:
    """Yield each prompt with the replies that repeat nothing but what it says; None where there are none."""
    shared = (_variables(ask, counter) | _variables(trained, counter)) & _variables(reply, counter)
    known: dict[Variables, Choice | None] = {}
    for option in ask.options:
        unsaid = shared - _variables(option.node, counter)
        if unsaid not in known:
            known[unsaid] = cast("Choice | None", without(reply, unsaid, counter))
        yield option, known[unsaid]


def _variables(node: Bound, counter: Counter) -> Variables:
    """Return the variables that some text of this tree uses."""
    return frozenset().union(*counter.poly(node))
