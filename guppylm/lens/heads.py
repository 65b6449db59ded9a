"""Turns attention weights into a few plain facts: which head does something that one can name.

A head is a (T, T) table: in each row, who is looked at from there; a row sums to 1. Most heads do nothing that has a
name. Some do, in every model of this kind, and a count over a few conversations finds them:

    previous    the token just before it
    first       the very first token, where heads look that have nothing to do
    same        an earlier place where the token itself stands
    copy        a place in the message where the very token stands that is said next
    gist        the token that names the topic, while the reply is being said
    message     the message, from the place where the topic is decided

A score is the mean share of attention over the places where the pattern is possible at all. Beside it stands what a
head would get that looks everywhere alike, so that a short message does not make every head look attentive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from guppylm.lens.inside import Inside

Wanted = Callable[[Inside, int], Sequence[int]]  # (conversation, position) -> the positions that would count


@dataclass(frozen=True, kw_only=True)
class Habit:
    """How strongly one head does one thing.

    Attributes:
        layer, head: from 0.
        share: the mean share of its attention, where it could.
        by_chance: the same for a head that looks at everything alike.
        n_places: over how many places the mean was taken.
    """

    name: str
    layer: int
    head: int
    share: float
    by_chance: float
    n_places: int


def _previous(inside: Inside, at: int) -> Sequence[int]:
    return [at - 1] if at > 1 else []  # from position 1 the previous token is the first one as well


def _first(inside: Inside, at: int) -> Sequence[int]:
    return [0] if at > 1 else []


def _same(inside: Inside, at: int) -> Sequence[int]:
    return [earlier for earlier in range(at) if inside.ids[earlier] == inside.ids[at]]


def _copy(inside: Inside, at: int) -> Sequence[int]:
    if not inside.first <= at + 1 < len(inside.ids):
        return []
    said = inside.ids[at + 1]
    return [place for place in _message(inside) if inside.ids[place] == said]


def _gist(inside: Inside, at: int) -> Sequence[int]:
    return [inside.first - 1] if inside.reply.gist and at >= inside.first else []


def _listening(inside: Inside, at: int) -> Sequence[int]:
    decides = inside.first - 2 if inside.reply.gist else inside.first - 1
    return _message(inside) if at == decides else []


def _message(inside: Inside) -> list[int]:
    return [place for place, role in enumerate(inside.roles) if role == "message"]


PATTERNS: dict[str, Wanted] = {
    "previous": _previous,
    "first": _first,
    "same": _same,
    "copy": _copy,
    "gist": _gist,
    "message": _listening,
}


def habits(conversations: Iterable[Inside]) -> list[Habit]:
    """Return how strongly every head follows every pattern that was possible somewhere. Empty without conversations."""
    sums: dict[str, Tensor] = {}  # (L, H)
    chance: dict[str, float] = {}
    n_places: dict[str, int] = {}
    for inside in conversations:
        weights = torch.stack([layer[0] for layer in inside.trace.attention])  # (L, H, T, T)
        for name, wanted in PATTERNS.items():
            for at in range(len(inside.ids)):
                places = wanted(inside, at)
                if places:
                    sums[name] = sums.get(name, 0) + weights[:, :, at, list(places)].sum(dim=-1)
                    chance[name] = chance.get(name, 0.0) + len(places) / (at + 1)
                    n_places[name] = n_places.get(name, 0) + 1
    return [
        Habit(
            name=name,
            layer=layer,
            head=head,
            share=float(total[layer, head]) / n_places[name],
            by_chance=chance[name] / n_places[name],
            n_places=n_places[name],
        )
        for name, total in sums.items()
        for layer in range(total.shape[0])
        for head in range(total.shape[1])
    ]


def strongest(found: Iterable[Habit]) -> dict[str, Habit]:
    """Return, for each pattern, the head that follows it most, where it does so far more than by chance."""
    best: dict[str, Habit] = {}
    for habit in found:
        clearly = habit.share >= min(0.9, max(0.3, 2 * habit.by_chance))
        if clearly and (habit.name not in best or habit.share > best[habit.name].share):
            best[habit.name] = habit
    return {name: best[name] for name in PATTERNS if name in best}
