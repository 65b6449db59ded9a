"""Says where a run stands: what `train` yields, and all that a terminal or a page needs to show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from guppylm.training.replies import Said

Stage = Literal["preparing", "learning", "saving", "done"]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands.

    Attributes:
        note: what is going on, in a few words; empty while learning.
        step, n_steps: batches learned from, and how many there will be; None where the clock decides.
        fraction: how much of the learning is done, 0 to 1.
        n_tokens: tokens read so far, messages included, padding not.
        loss: of the last batch, in nats a reply token.
        held_out_loss: the latest on phrasings that are never trained; None for a pack that has none.
        tokens_per_second: over the last steps.
        elapsed_seconds: of learning; preparing and saving are not in it.
        seconds_left: of learning, if it goes on as it went.
        replies: what it says now to the pack's starters, at the few steps where it is asked.
        metrics: at the end, what metrics.json holds.
    """

    stage: Stage
    note: str = ""
    step: int = 0
    n_steps: int | None = None
    fraction: float = 0.0
    n_tokens: int = 0
    loss: float | None = None
    held_out_loss: float | None = None
    tokens_per_second: float = 0.0
    elapsed_seconds: float = 0.0
    seconds_left: float | None = None
    replies: tuple[Said, ...] = ()
    metrics: Mapping[str, Any] | None = field(default=None, repr=False)


def passed(before: float, now: float, n_marks: int) -> bool:
    """Say whether one of n_marks evenly spaced marks lies between two fractions of a run."""
    return int(before * n_marks) < int(now * n_marks)


def is_one_or_three(step: int) -> bool:
    """Say whether a step is 1, 3, 10, 30, 100, 300, …: most happens early."""
    return str(step).rstrip("0") in ("1", "3")
