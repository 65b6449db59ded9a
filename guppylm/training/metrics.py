"""Turns a run into metrics.json: what a bundle tells about how it was made.

Every number in it was counted or measured in that run; nothing is copied from a plan.
"""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from guppylm.packs.generate import SETS, Dataset

if TYPE_CHECKING:
    from guppylm.training.loop import Run

N_LAST = 10  # points of the curve that make up the training loss
LIBRARIES = ("torch", "tokenizers", "safetensors", "pydantic")


def describe(run: Run, *, finished: bool, exams: Mapping[str, float | None]) -> dict[str, Any]:
    """Return metrics.json for a run as it stands; the bundle adds the digests of its own files.

    Args:
        exams: losses by set.
    """
    seconds = run.elapsed_seconds
    learned = [point["loss"] for point in run.curve[-N_LAST:] if point["loss"] is not None]
    return {
        "persona": run.pack.name,
        "title": run.pack.title,
        "language": run.pack.language,
        "finished": finished,
        "max_turns": 1,
        "hears": run.pack.voice.case,  # how chat shows a message to the model; see model/ear.py
        # Chat shows the model no more than this. Every position has been learned (see batches.P_MOVED), but a message
        # much longer than any that was trained muddles it.
        "n_positions_trained": min(run.config.context, 7 * run.batches.longest // 5),
        "seed": run.settings.seed,
        "command": run.command,
        "model": {"n_parameters": run.model.n_parameters, **run.config.to_dict()},
        "data": {**run.data, "n_tokens": run.batches.n_tokens},
        "training": {
            "n_steps": run.step,
            "n_tokens": run.n_tokens,
            "n_processes": run.world.size,
            "n_epochs": run.n_tokens / run.batches.n_tokens,
            "learning_seconds": seconds,
            "tokens_per_second": run.n_tokens / seconds if seconds else 0.0,
            "peak_memory_bytes": peak_memory_bytes(),
        },
        "loss": describe_loss({"train": mean(learned), **exams}, vocab_size=run.config.vocab_size),
        "curve": run.curve,
        "settings": run.settings.to_dict(),
        "device": run.device.describe(),
        "versions": versions(),
        "digests": {"data": run.digest},
    }


def describe_data(dataset: Dataset) -> dict[str, Any]:
    """Return how many rows there are, and how many of them are different."""
    return {
        **{f"n_{what}": n for what, n in dataset.counts().items()},
        "n_rows_by_set": {name: len(getattr(dataset, name)) for name in SETS},
        "n_rows_by_topic": _count(row.category for row in dataset.train),
        "short_of": dict(dataset.short_of),
    }


def describe_loss(losses: Mapping[str, float | None], *, vocab_size: int) -> dict[str, Any]:
    """Return losses by set, and beside the held-out one what it means.

    A loss of x nats is as if the model had to guess among exp(x) equally likely tokens each time (its
    perplexity); one that knows nothing guesses among all of them, and has ln(V).
    """
    held_out = losses.get("held_out")
    return {
        **losses,
        "held_out_perplexity": None if held_out is None else math.exp(min(held_out, 700)),
        "knows_nothing": math.log(vocab_size),
    }


def versions() -> dict[str, str]:
    """Return the versions that the numbers depend on."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def peak_memory_bytes() -> int | None:
    """Return the most memory this process has held at once, or None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _count(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))


def mean(values: Sequence[float]) -> float | None:
    """Return the mean, or None of nothing."""
    return sum(values) / len(values) if values else None
