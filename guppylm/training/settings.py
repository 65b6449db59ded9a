"""Turns the name of a preset, and what somebody asked for instead, into the settings of one run.

The one source for every default, its type, its flag and its help: train.py builds its flags from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from guppylm.errors import TrainingError
from guppylm.model.transformer import PRESETS
from guppylm.training.device import DEVICES, PRECISIONS, find_kind
from guppylm.training.optimizer import OptimizerSettings
from guppylm.training.weights import Emphasis

# What fits a size, in a quarter of an hour on two cores with bf16: 3m reads 15 million tokens in it, 9m seven. Batches
# are small because more steps teach more: for the same tokens, 4,096 a step beat 8,192 by far; 2,048 taught no more,
# and the optimizer's own work would weigh a third. smoke is for tests; its model learns to speak but not to listen.
RECIPES: dict[str, dict[str, Any]] = {
    "9m": {"n_rows": 60_000, "n_steps": 1750, "batch_tokens": 4096, "vocab_size": 4096},
    "3m": {"n_rows": 240_000, "n_steps": 3900, "batch_tokens": 4096, "vocab_size": 4096},
    "smoke": {"n_rows": 3_000, "n_steps": 150, "batch_tokens": 2048, "vocab_size": 1536},
}

# A CPU teaches the small model more, because it reads two and a half times as many tokens, until there is time for the
# large one to need its size. After 5 minutes on two cores their held-out losses were 1.02 and 2.03, after 15 minutes
# 0.58 and 0.76 (docs/benchmarks.md).
LONG_MINUTES = 60.0
ROWS_A_MINUTE = 24_000  # more than a CPU can read with 3m; the rest would only be waited for


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """One run. Settings that exist make sense; those that do not raise TrainingError.

    Use `TrainSettings.of` to fill in what a preset brings.
    """

    preset: str = field(
        default="9m",
        metadata={
            "help": f"size of the model; 3m on a CPU for less than {LONG_MINUTES:g} minutes; smoke tries things out",
            "choices": list(PRESETS),
        },
    )
    n_rows: int = field(default=60_000, metadata={"flag": "rows", "help": "conversations to make from the pack"})
    n_steps: int = field(default=1800, metadata={"flag": "steps", "help": "batches to learn from"})
    minutes: float | None = field(default=None, metadata={"help": "learn for so long instead of a number of steps"})
    seed: int = field(default=0, metadata={"help": "same seed, same rows, same first weights"})
    device: str = field(default="auto", metadata={"help": "auto takes the fastest there is", "choices": list(DEVICES)})
    precision: str = field(
        default="auto",
        metadata={"help": "of matrix products; auto measures what pays", "choices": ["auto", *PRECISIONS]},
    )
    batch_tokens: int = 4096  # about what a step learns from
    vocab_size: int = 4096  # entries to aim for in the tokenizer; few texts give fewer
    emphasis: Emphasis = field(default_factory=Emphasis)
    dropout: float = 0.0  # of no use where rows are many and seen a few times; see benchmarks/train.py
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise TrainingError(f"There is no preset called {self.preset}.", f"Choose one of: {', '.join(PRESETS)}.")
        for name, least in (
            ("n_rows", 1),
            ("n_steps", 1),
            ("seed", 0),
            ("batch_tokens", 1),
            ("vocab_size", 1),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**63:
                raise TrainingError(f"{_flag(name)} is {value!r}.", f"Give a whole number from {least} up.")
        if self.minutes is not None and not 0 < self.minutes < 1e6:
            raise TrainingError(f"--minutes is {self.minutes:g}.", "Give a number above 0.")
        if not 0 <= self.dropout < 1:
            raise TrainingError(f"dropout is {self.dropout:g}.", "Give a number from 0 up to, not including, 1.")

    @classmethod
    def of(cls, preset: str | None = None, **asked: Any) -> TrainSettings:
        """Return the preset's settings with those that were asked for in their place.

        Without a preset it is 9m, or 3m on a CPU that has less than LONG_MINUTES. A CPU that has but a few gets no
        more rows than it can read.
        """
        minutes = asked.get("minutes")
        is_cpu = find_kind(asked.get("device", "auto")) == "cpu"
        if preset is None:
            preset = "3m" if is_cpu and (minutes is None or minutes < LONG_MINUTES) else "9m"
        recipe = dict(RECIPES.get(preset, {}))
        if is_cpu and recipe and minutes is not None and 0 < minutes < LONG_MINUTES:
            recipe["n_rows"] = min(recipe["n_rows"], round(ROWS_A_MINUTE * max(1, minutes)))
        return cls(**{**recipe, **asked, "preset": preset})

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> TrainSettings:
        """Return what `to_dict` was made from."""
        optimizer = {**found["optimizer"], "betas": tuple(found["optimizer"]["betas"])}
        parts = {"optimizer": OptimizerSettings(**optimizer), "emphasis": Emphasis(**found["emphasis"])}
        return cls(**{**found, **parts})


def _flag(name: str) -> str:
    """Return what a field is called on the command line."""
    flags = {f.name: f.metadata.get("flag", f.name) for f in fields(TrainSettings)}
    return f"--{flags[name]}"
