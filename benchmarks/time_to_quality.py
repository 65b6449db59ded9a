"""Measures how much sooner our training reaches what the plain recipe reaches, both on this machine and at once.

    python benchmarks/time_to_quality.py                           whole: 10,000 plain steps; hours on two cores
    python benchmarks/time_to_quality.py --ours 9m:1400 3m:1800    two of ours, with so many steps each
    python benchmarks/time_to_quality.py --plain-steps 400 --ours 9m:40    shortened: both schedules end sooner
    python benchmarks/time_to_quality.py --precision fp32          ours without bf16
    python benchmarks/time_to_quality.py --json > time.json

All take turns, so that whatever else the machine does slows all alike, and only their own steps are timed. The
quality is the held-out loss of the same rows: the mean surprise at a token of a reply. The goal is the plain recipe's
loss at its end, and its time the first at which it was there; in between two looks it is found on the straight line.

The peak is the best of many products of 4,096 rows with the weights of a layer, measured in the same run in the same
format. What a step has to multiply is counted as 6 a weight and a token (2 forward, 4 backward), and 12 · D a layer for
each pair of tokens of a row; the head only where there is loss.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
os.environ.setdefault("LRU_CACHE_CAPACITY", "128")

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

import torch
from plain_recipe import N_STEPS, PlainRun

from guppylm.errors import GuppyError
from guppylm.model.tokenizer import Tokenizer
from guppylm.model.transformer import ModelConfig
from guppylm.packs.generate import Dataset, generate
from guppylm.packs.load import load_pack
from guppylm.packs.pack import Pack
from guppylm.training.batches import encode
from guppylm.training.device import Device, pick
from guppylm.training.loop import Run
from guppylm.training.metrics import peak_memory_bytes
from guppylm.training.prepare import ear, make_tokenizer
from guppylm.training.settings import RECIPES, TrainSettings

SHAPES = ((384, 4096), (384, 1152), (384, 768), (768, 384))  # of the weights of 9m: head, qkv, up, down
N_LOOKS = 25  # at the held-out loss, over each run


@dataclass
class Contestant:
    """One of those that take turns, and what its steps have cost.

    Attributes:
        fraction: how much of its run is done.
        learn: takes one step.
        look: returns the held-out loss.
        read: returns how many steps it took and tokens it read.
        looks: (seconds, loss), first to last.
    """

    name: str
    fraction: Callable[[], float]
    learn: Callable[[], None]
    look: Callable[[], float]
    read: Callable[[], tuple[int, int]]
    seconds: float = 0.0
    looks: list[tuple[float, float]] = field(default_factory=list)

    def step_to(self, fraction: float, synchronize: Callable[[], None]) -> None:
        """Take the steps that are due, and look at what came of them."""
        while self.fraction() < fraction:
            synchronize()
            began = time.perf_counter()
            self.learn()
            synchronize()
            self.seconds += time.perf_counter() - began
        self.looks.append((self.seconds, self.look()))

    def seconds_to(self, loss: float) -> float | None:
        """Return when it first reached a loss, or None."""
        before: tuple[float, float] | None = None
        for seconds, reached in self.looks:
            if reached <= loss:
                if before is None or before[1] == reached:
                    return seconds
                share = (before[1] - loss) / (before[1] - reached)
                return before[0] + share * (seconds - before[0])
            before = (seconds, reached)
        return None

    def result(self, goal: float) -> dict[str, Any]:
        """Return what it did, and when it reached the goal."""
        steps, tokens = self.read()
        numbers = {"steps": steps, "tokens": tokens, "seconds": self.seconds, "looks": self.looks}
        return {"name": self.name, **numbers, "reached_goal_after": self.seconds_to(goal)}


class Ours(Contestant):
    """Our training, of one preset; counts what it multiplies."""

    def __init__(self, preset: str, n_steps: int, material: Material, args: argparse.Namespace) -> None:
        tokenizer = material.tokenizer
        settings = TrainSettings.of(
            preset, n_rows=args.rows, n_steps=n_steps, seed=args.seed, device=args.device, precision=args.precision
        )
        run = Run(material.pack, settings, material.device, material.dataset, tokenizer, out=Path("nowhere"))
        self.flops = 0.0

        def learn() -> None:
            batch = run.batches[run.step]
            self.flops += flops_of(run.config, tuple(batch.ids.shape), batch.n_learned)
            run.learn_from(batch)

        def look() -> float:
            return run.exam_loss("held_out") or math.inf

        super().__init__(f"ours, {preset}", lambda: run.fraction, learn, look, lambda: (run.step, run.n_tokens))


@dataclass(frozen=True, kw_only=True)
class Material:
    """What all of them learn from, and on what."""

    pack: Pack
    dataset: Dataset
    tokenizer: Tokenizer
    device: Device


def main() -> int:
    args = _parser().parse_args()
    try:
        result = measure(args)
    except GuppyError as error:
        print(error, file=sys.stderr)
        return 2
    if args.json:
        json.dump(result, sys.stdout, indent=2)
        print()
    else:
        print(table(result))
    return 0


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Let all run, in turns, and return what they reached and when."""
    pack = load_pack(args.persona)
    dataset = generate(pack, n_rows=args.rows, seed=args.seed)
    tokenizer = make_tokenizer(pack, dataset, vocab_size=TrainSettings.of(args.preset).vocab_size)
    device = pick(args.device, precision=args.precision)
    material = Material(pack=pack, dataset=dataset, tokenizer=tokenizer, device=device)
    theirs = _plain(material, args)
    all_ours = [Ours(preset, n_steps, material, args) for preset, n_steps in args.ours]

    synchronize = torch.cuda.synchronize if device.kind == "cuda" else lambda: None
    for look in range(N_LOOKS + 1):
        for one in (theirs, *all_ours):
            one.step_to(look / N_LOOKS, synchronize)
        so_far = "; ".join(
            f"{one.name} {one.looks[-1][1]:.3f} after {one.seconds:,.0f} s" for one in (theirs, *all_ours)
        )
        print(f"{look / N_LOOKS:4.0%}  {so_far}", file=sys.stderr, flush=True)
    goal = theirs.looks[-1][1]
    best = peak(device)
    plain = theirs.result(goal)
    ours = []
    for one in all_ours:
        found = one.result(goal)
        took, reached = plain["reached_goal_after"], found["reached_goal_after"]
        times = took / reached if took and reached else None
        ours.append({**found, "times_faster": times, "share_of_peak": one.flops / one.seconds / best})
    return {
        "command": sys.argv,
        "torch": torch.__version__,
        "device": device.describe(),
        "goal": goal,
        "plain": plain,
        "ours": ours,
        "peak_tflops": best / 1e12,
        "peak_memory_bytes": peak_memory_bytes(),
    }


def _plain(material: Material, args: argparse.Namespace) -> Contestant:
    """Return the plain recipe, ready to begin."""
    config = ModelConfig.preset(args.preset, vocab_size=material.tokenizer.vocab_size)
    rows, exam = (
        encode(part, material.tokenizer, context=config.context, hear=ear(material.pack))
        for part in (material.dataset.train, material.dataset.held_out)
    )
    run = PlainRun(config, rows, exam, n_steps=args.plain_steps, device=args.device, seed=args.seed)
    name = f"plain, {args.preset}"
    return Contestant(name, lambda: run.fraction, run.learn, run.exam_loss, lambda: (run.step, run.n_tokens))


def flops_of(config: ModelConfig, shape: tuple[int, int], n_kept: int) -> float:
    """Return the multiplications and additions that one step on a batch (B, T) has to do, padding included."""
    n_rows, length = shape
    D, V = config.d_model, config.vocab_size
    weights = config.n_layers * (4 * D * D + 2 * D * config.d_ff)
    attention = 12 * config.n_layers * D * n_rows * length * length
    return 6 * weights * n_rows * length + attention + 6 * V * D * n_kept


def peak(device: Device, n_tries: int = 60) -> float:
    """Return the operations a second of that product of a step which is the quickest here, at its best."""
    place = device.torch_device
    synchronize = torch.cuda.synchronize if device.kind == "cuda" else lambda: None
    best = 0.0
    for n_in, n_out in SHAPES:
        x = torch.randn(4096, n_in, dtype=device.dtype, device=place)
        weight = torch.randn(n_in, n_out, dtype=device.dtype, device=place)
        for _ in range(n_tries):
            synchronize()
            began = time.perf_counter()
            x @ weight
            synchronize()
            best = max(best, 2 * 4096 * n_in * n_out / (time.perf_counter() - began))
    return best


def table(result: dict[str, Any]) -> str:
    """Return the result as Markdown."""
    lines = [
        "| | steps | tokens | seconds | tokens/s | held-out loss | at the plain one's after | times faster |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in (result["plain"], *result["ours"]):
        reached, times = one["reached_goal_after"], one.get("times_faster")
        lines.append(
            f"| {one['name']} | {one['steps']:,} | {one['tokens']:,} | {one['seconds']:,.1f} "
            f"| {one['tokens'] / one['seconds']:,.0f} | {one['looks'][-1][1]:.3f} "
            f"| {f'{reached:,.1f} s' if reached else 'never'} | {f'{times:.1f}' if times else ''} |"
        )
    shares = ", ".join(f"{one['share_of_peak']:.0%} by {one['name']}" for one in result["ours"])
    lines.append(
        f"\n{result['device']['name']}, {result['device']['precision']}: best product "
        f"{result['peak_tflops']:.2f} TFLOP/s, of which used: {shares}. "
        f"Memory of all together {(result['peak_memory_bytes'] or 0) / 1e9:.1f} GB."
    )
    return "\n".join(lines)


def _preset_and_steps(text: str) -> tuple[str, int]:
    preset, _, n_steps = text.partition(":")
    if preset not in RECIPES:
        raise argparse.ArgumentTypeError(f"there is no preset called {preset}; choose of {', '.join(RECIPES)}")
    if n_steps and not (n_steps.isdecimal() and int(n_steps)):
        raise argparse.ArgumentTypeError(f"{n_steps} is no number of steps")
    return preset, int(n_steps or RECIPES[preset]["n_steps"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persona", default="guppy", metavar="NAME")
    parser.add_argument("--preset", default="9m", choices=list(RECIPES), help="of the plain recipe")
    parser.add_argument("--rows", type=int, default=60_000, metavar="N")
    parser.add_argument("--plain-steps", type=int, default=N_STEPS, metavar="N")
    parser.add_argument(
        "--ours",
        type=_preset_and_steps,
        nargs="+",
        default=[("9m", 1400)],
        metavar="PRESET:STEPS",
        help="our training, once or more; the steps are a guess at what it needs",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
