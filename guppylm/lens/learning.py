"""Turns what a bundle kept of its training into frames: what it said to the same messages, from noise to sense.

A bundle may come from anywhere, so what does not hold together is left out rather than shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A moment of training.

    Attributes:
        loss: of the rows just learned from, in nats a token; None before the first step.
        replies: (message, reply), the same messages in every frame.
    """

    step: int
    n_tokens: int
    loss: float | None
    replies: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How a model learned.

    Attributes:
        frames: in order.
        curve: (step, loss), the loss of the rows just learned from.
        held_out: (step, loss) on phrasings that were never trained.
        knows_nothing: ln of the vocabulary, the loss of a model that guesses.
    """

    frames: tuple[Frame, ...]
    curve: tuple[tuple[int, float], ...]
    held_out: tuple[tuple[int, float], ...]
    knows_nothing: float


def learning(replay: Any, metrics: Mapping[str, Any], *, vocab_size: int) -> Learning:
    """Return what can be shown of a training. Frames and points that make no sense are left out."""
    frames = [frame for frame in map(_frame, replay if isinstance(replay, list) else []) if frame]
    points = metrics.get("curve")
    points = [point for point in points if isinstance(point, Mapping)] if isinstance(points, list) else []
    return Learning(
        frames=tuple(sorted(frames, key=lambda frame: frame.step)),
        curve=_points(points, "loss"),
        held_out=_points(points, "held_out_loss"),
        knows_nothing=math.log(vocab_size),
    )


def _frame(found: Any) -> Frame | None:
    try:
        replies = tuple((str(said["prompt"]), str(said["reply"])) for said in found["replies"])
        loss = found["loss"]
        ok = all(isinstance(found[key], int) for key in ("step", "n_tokens")) and (loss is None or _is_loss(loss))
        return Frame(step=found["step"], n_tokens=found["n_tokens"], loss=loss, replies=replies) if ok else None
    except (KeyError, TypeError):
        return None


def _points(points: Sequence[Mapping[str, Any]], key: str) -> tuple[tuple[int, float], ...]:
    return tuple(
        (point["step"], float(point[key]))
        for point in points
        if isinstance(point.get("step"), int) and _is_loss(point.get(key))
    )


def _is_loss(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
