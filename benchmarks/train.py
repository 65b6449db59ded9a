"""Measures what the choices made in training are worth: the same run, with one thing changed at a time.

    python benchmarks/train.py                              every variant, 3m, 100 steps each
    python benchmarks/train.py --only default "adamw 0.003" --preset 9m --steps 300
    python benchmarks/train.py --json > train.json

All variants take their steps in turn, one each, so that whatever else the machine is doing slows all of
them alike. Losses are exact; of the times only the ratios mean something, and processor time more than
time on the wall. A learning rate that is best for a short run is too high for a long one.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
os.environ.setdefault("LRU_CACHE_CAPACITY", "128")

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from guppylm.errors import GuppyError
from guppylm.packs.generate import generate
from guppylm.packs.load import load_pack
from guppylm.training.device import pick
from guppylm.training.loop import Run
from guppylm.training.optimizer import OptimizerSettings
from guppylm.training.prepare import make_tokenizer
from guppylm.training.settings import RECIPES, TrainSettings

# What each variant changes. "adamw" and "averaged" are no settings; see `measure`.
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "adamw 0.001": {"adamw": 0.001},  # AdamW for the matrices too, at this learning rate
    "adamw 0.003": {"adamw": 0.003},
    "adamw 0.01": {"adamw": 0.01},
    "averaged": {},  # the default's weights, an average in which the last fiftieth of the run counts most
    "dropout": {"dropout": 0.1},
    "fp32": {"precision": "fp32"},
    "half batches": {"batch_tokens": 0.5},  # half the tokens a step, twice the steps
    "double batches": {"batch_tokens": 2.0},
    "matrix lr / 2": {"matrix_lr": 0.5},
    "matrix lr x 2": {"matrix_lr": 2.0},
    "other lr / 3": {"other_lr": 1 / 3},
    "other lr x 3": {"other_lr": 3.0},
}


@dataclass
class Contestant:
    """A run, and what its steps have cost."""

    name: str
    run: Run
    average: AveragedModel | None = None
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0

    def step_to(self, fraction: float) -> None:
        """Take the steps that are due."""
        while self.run.fraction < fraction:
            wall, cpu = time.perf_counter(), time.process_time()
            self.run.learn_from(self.run.batches[self.run.step])
            if self.average is not None:
                self.average.update_parameters(self.run.model)
            self.wall_seconds += time.perf_counter() - wall
            self.cpu_seconds += time.process_time() - cpu

    def result(self) -> dict[str, Any]:
        if self.average is not None:
            self.run.model.load_state_dict(self.average.module.state_dict())
        losses = {f"{name}_loss": self.run.exam_loss(name) for name in ("held_out", "seen")}
        n = self.run.n_tokens
        return {
            "variant": self.name,
            **losses,
            "n_steps": self.run.step,
            "n_tokens": n,
            "cpu_seconds_per_million_tokens": 1e6 * self.cpu_seconds / n,
            "wall_seconds_per_million_tokens": 1e6 * self.wall_seconds / n,
        }


def main() -> int:
    args = _parser().parse_args()
    try:
        results = measure(args)
    except GuppyError as error:
        print(error, file=sys.stderr)
        return 2
    if args.json:
        json.dump({"command": sys.argv, "torch": torch.__version__, "results": results}, sys.stdout, indent=2)
        print()
    else:
        print(table(results))
    return 0


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return one result a variant."""
    pack = load_pack(args.persona)
    dataset = generate(pack, n_rows=args.rows, seed=args.seed)
    tokenizer = make_tokenizer(pack, dataset, vocab_size=RECIPES[args.preset]["vocab_size"])
    usual = TrainSettings.of(args.preset, n_rows=args.rows, n_steps=args.steps, seed=args.seed, device=args.device)

    def contestant(name: str) -> Contestant:
        changes = dict(VARIANTS[name])
        adamw_lr = changes.pop("adamw", None)
        settings = changed(usual, changes)
        device = pick(settings.device, precision=settings.precision)
        run = Run(pack, settings, device, dataset, tokenizer, out=Path("nowhere"))
        if adamw_lr is not None:
            betas, decay = settings.optimizer.betas, settings.optimizer.weight_decay
            adamw = torch.optim.AdamW(run.model.parameters(), lr=adamw_lr, betas=betas, weight_decay=decay)
            adamw.param_groups[0]["full_lr"] = adamw_lr
            run.optimizers = [adamw]
        decay = 1 - 50 / settings.n_steps
        average = AveragedModel(run.model, multi_avg_fn=get_ema_multi_avg_fn(decay)) if name == "averaged" else None
        return Contestant(name, run, average)

    contestants = [contestant(name) for name in args.only]
    for step in range(1, args.steps + 1):
        for one in contestants:
            one.step_to(step / args.steps)
        print(f"\rstep {step} of {args.steps}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return [one.result() for one in contestants]


def changed(usual: TrainSettings, changes: dict[str, Any]) -> TrainSettings:
    """Return the settings of a variant; learning rates and the batch size are given as factors."""
    changes = dict(changes)
    rates = {
        name: getattr(usual.optimizer, name) * changes.pop(name)
        for name in ("matrix_lr", "other_lr")
        if name in changes
    }
    if factor := changes.pop("batch_tokens", None):
        changes["batch_tokens"] = round(usual.batch_tokens * factor)
        changes["n_steps"] = round(usual.n_steps / factor)
    optimizer: OptimizerSettings = replace(usual.optimizer, **rates)
    return replace(usual, optimizer=optimizer, **changes)


def table(results: list[dict[str, Any]]) -> str:
    """Return the results as a Markdown table, times relative to the first."""
    first = results[0]
    lines = [
        "| variant | held-out loss | seen loss | steps | processor time a token | time a token |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for one in results:
        cpu, wall = (
            one[f"{kind}_seconds_per_million_tokens"] / first[f"{kind}_seconds_per_million_tokens"]
            for kind in ("cpu", "wall")
        )
        lines.append(
            f"| {one['variant']} | {one['held_out_loss']:.3f} | {one['seen_loss']:.3f} | {one['n_steps']} "
            f"| {cpu:.2f} | {wall:.2f} |"
        )
    lines.append(
        f"\n1.00 is {first['cpu_seconds_per_million_tokens']:.0f} s of processor time and "
        f"{first['wall_seconds_per_million_tokens']:.0f} s on the wall for a million tokens."
    )
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persona", default="guppy", metavar="NAME")
    parser.add_argument("--preset", default="3m", choices=list(RECIPES))
    parser.add_argument("--rows", type=int, default=60_000, metavar="N")
    parser.add_argument("--steps", type=int, default=100, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", nargs="+", default=list(VARIANTS), choices=list(VARIANTS), metavar="VARIANT")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
