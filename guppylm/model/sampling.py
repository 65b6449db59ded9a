"""Turns logits (V,) into a Step: the token that comes next, and every number on the way to it.

    logits ─▶ control tokens and repeats out ─▶ ÷ temperature ─▶ top-k ─▶ top-p ─▶ probabilities ─▶ drawn

A Step keeps the logits and the one random number that was drawn, and does the sum again when somebody
asks (`Step.trail`, `Step.candidates`). So a slider can show what another temperature would have chosen
(`Step.again`), over the whole vocabulary, without running the model.

Deliberately not: beam search, penalties on words already said, or any list of words. What a persona
says is decided by its training; here the dice are only made more or less bold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from torch import Tensor

from guppylm.errors import ChatError

Fate = Literal["kept", "control", "repeat", "temperature", "top_k", "top_p"]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How boldly to choose. A Sampling that exists makes sense.

    Raises:
        ChatError: a setting is no number, or out of range.
    """

    temperature: float = 0.7  # below 1 the likely gets likelier, above 1 the unlikely; 0 takes the likeliest
    top_k: int = 40  # only so many of the likeliest tokens stay in; 0 keeps all
    top_p: float = 0.95  # of those, the likeliest that together reach this probability; 1 keeps all
    no_repeat: int = 8  # no run of so many tokens twice in one reply, which ends loops; 0 allows it

    def __post_init__(self) -> None:
        t = _number("temperature", self.temperature)
        if not (t == 0 or 0.001 <= t <= 100):
            raise ChatError(f"temperature is {t:g}.", "Give 0 for always the likeliest token, or 0.001 to 100.")
        p = _number("top_p", self.top_p)
        if not 0 < p <= 1:
            raise ChatError(f"top_p is {p:g}.", "Give a number above 0 and up to 1; 1 keeps every token.")
        _count("top_k", self.top_k, "0 keeps every token")
        _count("no_repeat", self.no_repeat, "0 allows every repetition")

    def changed(self, **settings: float | None) -> Sampling:
        """Return a copy with those settings that are not None."""
        return replace(self, **{name: value for name, value in settings.items() if value is not None})

    def to_dict(self) -> dict[str, float | int]:
        """Return the settings as a plain dict, in the order of this class."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True, kw_only=True)
class Trail:
    """The sum, line by line, each (V,) in double precision; -inf stands where a token has fallen out."""

    logits: Tensor  # what the model said
    allowed: Tensor  # without control tokens, and without what would repeat
    tempered: Tensor  # divided by the temperature; at 0, only the likeliest is left
    within_top_k: Tensor
    within_top_p: Tensor
    probabilities: Tensor  # softmax of that; sums to 1


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One token's way through the sum, for showing.

    Attributes:
        rank: 1 for the token with the largest logit.
        p_model: its probability before anything was done to it.
        p_drawn: its probability in the draw; 0 where it fell out.
        fate: "kept", or what took it out.
    """

    id: int
    rank: int
    logit: float
    p_model: float
    p_drawn: float
    fate: Fate


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One token and why it was that one.

    Attributes:
        id: the token that was drawn.
        p: its probability in that draw.
        logits: (V,) what the model said, on the CPU.
        said: the reply's tokens before this one.
        uniform: the random number from 0 up to 1 that decided.
        never: control tokens that are not drawn; Tokenizer.never_said.
    """

    id: int
    p: float
    logits: Tensor
    said: tuple[int, ...]
    sampling: Sampling
    uniform: float
    never: tuple[int, ...]

    def again(self, sampling: Sampling) -> Step:
        """Return what the same logits and the same random number give under other settings."""
        return choose(self.logits, self.said, sampling, self.uniform, self.never)

    def instead(self, id: int) -> Step:
        """Return the step in which somebody took this token out of turn, whatever the random number says."""
        return replace(self, id=id, p=float(self.trail().probabilities[id]))

    def trail(self) -> Trail:
        """Return every number of the sum over the whole vocabulary."""
        return follow(self.logits, self.said, self.sampling, self.never)

    def candidates(self, n: int = 10) -> list[Candidate]:
        """Return the n tokens with the largest logits, largest first, and in any case the drawn one."""
        trail = self.trail()
        order = trail.logits.argsort(descending=True, stable=True).tolist()
        p_model = trail.logits.softmax(dim=0)
        shown = [(rank, id) for rank, id in enumerate(order, start=1) if rank <= n or id == self.id]
        return [
            Candidate(
                id=id,
                rank=rank,
                logit=float(trail.logits[id]),
                p_model=float(p_model[id]),
                p_drawn=float(trail.probabilities[id]),
                fate="control" if id in self.never else _fate(trail, id),
            )
            for rank, id in shown
        ]


def sample(
    logits: Tensor,
    said: tuple[int, ...],
    sampling: Sampling,
    generator: torch.Generator,
    never: tuple[int, ...],
) -> Step:
    """Draw the next token from logits (V,), using up exactly one number of `generator` (on the CPU).

    One number a token whatever the settings, so that the same seed stays in step under other settings.
    """
    uniform = float(torch.rand((), generator=generator, dtype=torch.float64))
    return choose(logits, said, sampling, uniform, never)


def choose(logits: Tensor, said: tuple[int, ...], sampling: Sampling, uniform: float, never: tuple[int, ...]) -> Step:
    """Return the Step that `uniform` picks. Raises ChatError where the logits are not numbers."""
    logits = logits.detach().float().cpu()
    if not torch.isfinite(logits).all():
        raise ChatError(
            "the model's numbers have run over.", "Its weights are damaged; fetch or train the bundle again."
        )
    probabilities = follow(logits, said, sampling, never).probabilities
    id = draw(probabilities, uniform)
    p = float(probabilities[id])
    return Step(id=id, p=p, logits=logits, said=said, sampling=sampling, uniform=uniform, never=never)


def follow(logits: Tensor, said: tuple[int, ...], sampling: Sampling, never: tuple[int, ...]) -> Trail:
    """Do the sum from logits (V,) to probabilities (V,), keeping every line of it."""
    logits = logits.double()
    allowed = logits.index_fill(0, torch.tensor(never), -math.inf)
    repeats = would_repeat(said, sampling.no_repeat)
    if repeats:
        allowed = allowed.index_fill(0, torch.tensor(sorted(repeats)), -math.inf)
    if sampling.temperature == 0:
        tempered = _keep(allowed, allowed.argmax().unsqueeze(0))
    else:
        tempered = allowed / sampling.temperature
    within_top_k = keep_top_k(tempered, sampling.top_k)
    within_top_p = keep_top_p(within_top_k, sampling.top_p)
    return Trail(
        logits=logits,
        allowed=allowed,
        tempered=tempered,
        within_top_k=within_top_k,
        within_top_p=within_top_p,
        probabilities=within_top_p.softmax(dim=0),
    )


def would_repeat(said: tuple[int, ...], n: int) -> set[int]:
    """Return the tokens that would make the last n tokens of a reply a run of n that it already holds.

    With n = 3, after `a b c a b` that is `c`.
    """
    if n == 0 or len(said) < n:
        return set()
    tail = said[len(said) - n + 1 :]  # the n - 1 tokens before the next one
    starts = range(len(said) - n + 1)
    return {said[start + n - 1] for start in starts if said[start : start + n - 1] == tail}


def keep_top_k(scores: Tensor, k: int) -> Tensor:
    """Return scores (V,) with -inf for all but the k largest; of equals, the lower id stays."""
    if k == 0 or k >= len(scores):
        return scores
    return _keep(scores, scores.argsort(descending=True, stable=True)[:k])


def keep_top_p(scores: Tensor, p: float) -> Tensor:
    """Return scores (V,) with -inf outside the smallest set of likeliest tokens whose probability reaches p.

    "The curious case of neural text degeneration", section 3.1. The likeliest token always stays.
    """
    if p == 1:
        return scores
    order = scores.argsort(descending=True, stable=True)  # (V,)
    reached_before = scores.softmax(dim=0)[order].cumsum(dim=0).roll(1)  # (V,)
    reached_before[0] = 0
    return _keep(scores, order[reached_before < p])


def draw(probabilities: Tensor, uniform: float) -> int:
    """Lay the probabilities (V,) end to end, likeliest first, and return the one that `uniform` falls on."""
    ordered, order = probabilities.sort(descending=True, stable=True)
    reached = ordered.cumsum(dim=0)  # (V,)
    place = int(torch.searchsorted(reached, uniform * float(reached[-1]), right=True))
    last = int((ordered > 0).sum()) - 1  # where rounding pushed `uniform` over the end
    return int(order[min(place, last)])


def _keep(scores: Tensor, ids: Tensor) -> Tensor:
    return torch.full_like(scores, -math.inf).index_copy(0, ids, scores[ids])


def _fate(trail: Trail, id: int) -> Fate:
    """Say where a token fell out."""
    lines: tuple[tuple[Tensor, Fate], ...] = (
        (trail.allowed, "repeat"),
        (trail.tempered, "temperature"),
        (trail.within_top_k, "top_k"),
        (trail.within_top_p, "top_p"),
    )
    return next((fate for line, fate in lines if line[id] == -math.inf), "kept")


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ChatError(f"{name} is {value!r}, which is no number.", f"Give {name} as a plain number.")
    return float(value)


def _count(name: str, value: object, at_zero: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ChatError(f"{name} is {value!r}.", f"Give a whole number from 0 up; {at_zero}.")
