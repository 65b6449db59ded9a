"""Measures how much sooner our training reaches what the plain recipe reaches, both on this machine and at once.

    python benchmarks/time_to_quality.py                                whole: 10,000 plain steps; hours on two cores
    python benchmarks/time_to_quality.py --plain-steps 400 --steps 40   shortened: both schedules end sooner
    python benchmarks/time_to_quality.py --precision fp32               ours without bf16
    python benchmarks/time_to_quality.py --json > time.json

The two take turns, so that whatever else the machine does slows both alike, and only their own steps are timed. The
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
from guppylm.model.transformer import ModelConfig
from guppylm.packs.generate import generate
from guppylm.packs.load import load_pack
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
    """One of the two, and what its steps have cost.

    Attributes:
        fraction: how much of its run is done.
        learn: takes one step.
        look: returns the held-out loss.
        looks: (seconds, loss), first to last.
    """

    name: str
    fraction: Callable[[], float]
    learn: Callable[[], None]
    look: Callable[[], float]
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
    """Let both run, in turns, and return what they reached and when."""
    pack = load_pack(args.persona)
    dataset = generate(pack, n_rows=args.rows, seed=args.seed)
    settings = TrainSettings.of(
        args.preset, n_rows=args.rows, n_steps=args.steps, seed=args.seed, device=args.device, precision=args.precision
    )
    tokenizer = make_tokenizer(pack, dataset, vocab_size=settings.vocab_size)
    device = pick(settings.device, precision=settings.precision)
    run = Run(pack, settings, device, dataset, tokenizer, out=Path("nowhere"))
    config = ModelConfig.preset(args.preset, vocab_size=tokenizer.vocab_size)
    rows, exam = (
        encode(part, tokenizer, context=config.context, hear=ear(pack)) for part in (dataset.train, dataset.held_out)
    )
    plain = PlainRun(config, rows, exam, n_steps=args.plain_steps, device=args.device, seed=args.seed)
    flops = 0.0

    def learn() -> None:
        nonlocal flops
        batch = run.batches[run.step]
        flops += flops_of(config, tuple(batch.ids.shape), batch.n_learned)
        run.learn_from(batch)

    ours = Contestant("ours", lambda: run.fraction, learn, lambda: run.exam_loss("held_out") or math.inf)
    theirs = Contestant("plain", lambda: plain.fraction, plain.learn, plain.exam_loss)
    synchronize = torch.cuda.synchronize if device.kind == "cuda" else lambda: None
    for look in range(N_LOOKS + 1):
        for one in (theirs, ours):
            one.step_to(look / N_LOOKS, synchronize)
        print(
            f"\r{look / N_LOOKS:4.0%}  plain {theirs.looks[-1][1]:.3f} after {theirs.seconds:,.0f} s, "
            f"ours {ours.looks[-1][1]:.3f} after {ours.seconds:,.0f} s",
            end="",
            file=sys.stderr,
            flush=True,
        )
    print(file=sys.stderr)
    goal = theirs.looks[-1][1]
    reached, took = ours.seconds_to(goal), theirs.seconds_to(goal)
    best = peak(device)
    return {
        "command": sys.argv,
        "torch": torch.__version__,
        "device": device.describe(),
        "goal": goal,
        "plain": {"steps": plain.step, "tokens": plain.n_tokens, "seconds": theirs.seconds, "looks": theirs.looks},
        "ours": {"steps": run.step, "tokens": run.n_tokens, "seconds": ours.seconds, "looks": ours.looks},
        "plain_reached_it_after": took,
        "ours_reached_it_after": reached,
        "times_faster": took / reached if took and reached else None,
        "peak_tflops": best / 1e12,
        "share_of_peak": flops / ours.seconds / best,
        "peak_memory_bytes": peak_memory_bytes(),
    }


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
    lines = ["| | steps | tokens | seconds | tokens/s | held-out loss at the end |", "|---|---:|---:|---:|---:|---:|"]
    for name in ("plain", "ours"):
        one = result[name]
        lines.append(
            f"| {name} | {one['steps']:,} | {one['tokens']:,} | {one['seconds']:,.1f} "
            f"| {one['tokens'] / one['seconds']:,.0f} | {one['looks'][-1][1]:.3f} |"
        )
    reached, times = result["ours_reached_it_after"], result["times_faster"]
    if reached:
        lines.append(f"\nOurs reached {result['goal']:.3f} after {reached:,.1f} s: **{times:.1f} times faster**.")
    else:
        lines.append(f"\nOurs did not reach {result['goal']:.3f} in its {result['ours']['steps']:,} steps.")
    lines.append(
        f"{result['device']['name']}, {result['device']['precision']}: best product "
        f"{result['peak_tflops']:.2f} TFLOP/s, of which ours used {result['share_of_peak']:.0%}. "
        f"Memory of both together {(result['peak_memory_bytes'] or 0) / 1e9:.1f} GB."
    )
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persona", default="guppy", metavar="NAME")
    parser.add_argument("--preset", default="9m", choices=list(RECIPES))
    parser.add_argument("--rows", type=int, default=60_000, metavar="N")
    parser.add_argument("--plain-steps", type=int, default=N_STEPS, metavar="N")
    parser.add_argument("--steps", type=int, default=1000, metavar="N", help="of ours; a guess at what it needs")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
