"""Trains a persona: `python train.py --persona guppy` reads personas/guppy/ and writes models/guppy/.

Turns flags into settings and Progress into lines on a terminal. What training is stands in
guppylm/training/loop.py.
"""

from __future__ import annotations

import os

# Before torch is imported: a thread that waits for another sleeps instead of spinning. On cores that are
# shared with others, spinning has cost a factor of fifty.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
# torch's matrix library prepares code for every size of matrix and keeps a thousand of them. Batches come in
# hundreds of sizes: that is more than half a gigabyte, to save some hundredths of a second a step.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
os.environ.setdefault("LRU_CACHE_CAPACITY", "128")

import argparse
import json
import math
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TextIO

from guppylm.errors import GuppyError, TrainingError

if TYPE_CHECKING:
    from guppylm.training.loop import Progress

EXAMPLES = """\
examples:
  python train.py --persona guppy                     the real thing; a quarter of an hour on two cores
  python train.py --persona guppy --preset smoke --out models/little
                                                      a little one in seconds, to see that all works
  python train.py --persona guppy --minutes 5         as good as it gets in five minutes; on a CPU that is a 3m
  python train.py --persona my-packs/moth --seed 7 --out models/moth-7
  python train.py --persona guppy --resume            go on where Ctrl-C stopped it
  torchrun --nproc_per_node=2 train.py --persona guppy
                                                      two processes, or as many as there are GPUs
"""


def main(argv: list[str] | None = None) -> int:
    """Train. Returns the exit code: 0, 2 for a mistake of the user, 130 when stopped by Ctrl-C."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        args = _parser().parse_args(argv)
        return _train(args, command=shlex.join(["python", "train.py", *argv]))
    except GuppyError as error:
        _tell(error)
        return 2
    except OSError as error:
        _tell(f"{error.filename or 'A file'}: {error.strerror or error}.")
        _tell("See that there is room, and that you may read and write it.")
        return 2
    except KeyboardInterrupt:
        _tell("\nStopped.")
        return 130


def _tell(what: object) -> None:
    """Say what went wrong. Of several processes on a machine, which have all met the same, one is enough."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(what, file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with a flag in one sentence, without the page of usage before it."""

    def error(self, message: str) -> NoReturn:
        _tell(f"{message}\n--help shows every flag, and examples.")
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    from guppylm.training.settings import RECIPES, TrainSettings

    parser = _Parser(
        prog="train.py",
        description="Train a persona from its pack and write a bundle that can chat.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,  # so that a preset can tell what was asked for
    )
    parser.add_argument("--persona", required=True, metavar="NAME", help="a folder of personas/, or a path to one")
    for field in fields(TrainSettings):
        if not field.metadata:
            continue
        flag = field.metadata.get("flag", field.name)
        kind = {"str": str, "int": int, "float | None": float}[str(field.type)]
        choices = field.metadata.get("choices")
        by_preset = {preset: recipe[field.name] for preset, recipe in RECIPES.items() if field.name in recipe}
        usual = ", ".join(f"{n} for {preset}" for preset, n in by_preset.items()) or field.default
        help = field.metadata["help"] + (f" ({usual})" if usual is not None else "")
        metavar = None if choices else flag[0].upper()
        parser.add_argument(f"--{flag}", dest=field.name, type=kind, choices=choices, metavar=metavar, help=help)
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="the bundle to write (models/NAME)")
    parser.add_argument("--resume", action="store_true", default=False, help="go on with a run that was stopped")
    parser.add_argument(
        "--json",
        action="store_true",
        default=False,
        help="metrics on standard output, progress as JSON lines on standard error",
    )
    return parser


def _train(args: argparse.Namespace, *, command: str) -> int:
    from guppylm.packs.load import load_pack
    from guppylm.training.checkpoint import unfinished_settings
    from guppylm.training.loop import train
    from guppylm.training.settings import TrainSettings
    from guppylm.training.world import join

    asked = {name: value for name, value in vars(args).items() if name in {f.name for f in fields(TrainSettings)}}
    if "n_steps" in asked and "minutes" in asked:
        raise TrainingError("--steps and --minutes are two ways to say when to stop.", "Give one of them.")
    pack = load_pack(args.persona)
    out = args.out or Path("models") / pack.name
    settings = replace(unfinished_settings(out), **asked) if args.resume else TrainSettings.of(**asked)
    if not args.json and not args.resume and "preset" not in asked and settings.preset != TrainSettings.preset:
        print(f"In this time a CPU teaches {settings.preset}, the small model, more than 9m; --preset 9m insists.")
    show = _JsonLines(sys.stderr) if args.json else _Screen(sys.stdout)
    stop, stopped, last = _StopSign(), False, None
    with (
        stop,
        join(device=settings.device) as world,
        closing(show),
        closing(train(pack, settings, out, resume=args.resume, command=command, world=world)) as run,
    ):
        for last in run:
            if world.is_first:
                show(last)
            # All processes stop behind the same step, whichever of them was told to.
            if stopped := world.total(bool(stop.seen)) > 0:
                break
    if stopped and (last is None or last.stage != "done"):
        return _stopped(stop, last, args, out) if world.is_first else 128 + signal.SIGINT
    if not world.is_first:
        return 0
    assert last is not None
    assert last.metrics is not None
    if args.json:
        json.dump({"bundle": str(out), **last.metrics}, sys.stdout, indent=2, ensure_ascii=False)
        print()
    else:
        _summary(last, out)
    return 0


def _stopped(stop: _StopSign, last: Progress | None, args: argparse.Namespace, out: Path) -> int:
    from guppylm.model.folder import previous_of

    if last is not None and last.step > 0:
        again = f"python train.py --persona {args.persona}" + (f" --out {out}" if args.out else "") + " --resume"
        print(f"Stopped after step {last.step:,}; {out} holds what it has learned so far.", file=sys.stderr)
        if (kept := previous_of(out)).is_dir():
            print(f"The bundle that was there before is kept in {kept}.", file=sys.stderr)
        print(f"Go on:  {again}", file=sys.stderr)
    else:
        print("Stopped before it had learned anything; nothing was written.", file=sys.stderr)
    return 128 + (stop.seen or signal.SIGINT)


class _StopSign:
    """Notes the first Ctrl-C or polite kill, so that a step is finished; the second one means it."""

    def __init__(self) -> None:
        self.seen: int = 0

    def __enter__(self) -> _StopSign:
        self._before = {kind: signal.signal(kind, self._note) for kind in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for kind, handler in self._before.items():
            signal.signal(kind, handler)

    def _note(self, kind: int, _frame: FrameType | None) -> None:
        self.seen = kind
        self.__exit__()


class _JsonLines:
    """Progress as JSON, one object a line; at most two a second, but every one that says something new."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = -math.inf

    def __call__(self, progress: Progress) -> None:
        if progress.stage == "learning" and not progress.replies and time.monotonic() - self._last < 0.5:
            return
        self._last = time.monotonic()
        found = {name: value for name, value in asdict(progress).items() if name != "metrics"}
        print(json.dumps(found, ensure_ascii=False), file=self._stream, flush=True)

    def close(self) -> None:
        pass


class _Screen:
    """Progress for people: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        # Elsewhere than on a terminal nothing is wrapped: a file has no width.
        console = Console(file=stream, highlight=False, soft_wrap=True)
        columns = (BarColumn(bar_width=None), TaskProgressColumn(), TextColumn("{task.description}"))
        self._bar = Progress(*columns, console=console, transient=True, auto_refresh=False)
        self._task = self._bar.add_task("", total=1.0, visible=False)
        self._is_terminal = console.is_terminal
        self._last = -math.inf

    def __call__(self, progress: Progress) -> None:
        if progress.note:
            self._line(progress.note[0].upper() + progress.note[1:] + (" …" if progress.stage != "done" else "."))
        if progress.stage == "learning":
            self._learning(progress)

    def _learning(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.replies and progress.step:
            first = progress.replies[0]
            self._line(f"  step {progress.step:>5,}   {first.prompt!r} -> {_one_line(first.reply, 60)!r}")
        if now - self._last < (0.2 if self._is_terminal else 15.0) and progress.fraction < 1:
            return
        self._last = now
        if self._is_terminal:
            self._bar.start()
            status = _status(progress, sep=" ")
            self._bar.update(self._task, completed=progress.fraction, description=status, visible=True, refresh=True)
        else:
            self._line(f"{progress.fraction:4.0%}  {_status(progress, sep='  ')}")

    def _line(self, text: str) -> None:
        """Print a line that stays, above the bar."""
        self._bar.console.print(text, markup=False)

    def close(self) -> None:
        if self._bar.live.is_started:
            self._bar.stop()


def _status(progress: Progress, *, sep: str) -> str:
    """Return a few words about a run that is learning. With the bar they fit into 80 columns."""
    parts = [f"step {progress.step:,}" + (f"/{progress.n_steps:,}" if progress.n_steps else "")]
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.2f}")
    if progress.held_out_loss is not None:
        parts.append(f"held out {progress.held_out_loss:.2f}")
    parts.append(f"{progress.tokens_per_second:,.0f} tok/s")
    if progress.seconds_left is not None:
        parts.append(f"{_clock(progress.seconds_left)} left")
    return sep.join(parts)


def _summary(last: Progress, out: Path) -> None:
    from guppylm.model.folder import previous_of

    assert last.metrics is not None
    model, learned, loss = (last.metrics[part] for part in ("model", "training", "loss"))
    print(
        f"\n{last.metrics['title']} has {model['n_parameters'] / 1e6:.1f} million parameters and read "
        f"{learned['n_tokens']:,} tokens in {_clock(learned['learning_seconds'])} "
        f"({learned['tokens_per_second']:,.0f} a second)."
    )
    if loss["held_out"] is not None:
        print(
            f"Held-out loss {loss['held_out']:.3f}: at each token of a reply to a phrasing it never saw, it\n"
            f"hesitates between about {loss['held_out_perplexity']:.1f} of {model['vocab_size']:,} tokens. "
            f"Knowing nothing would be ln({model['vocab_size']:,}) = {loss['knows_nothing']:.2f}."
        )
    losses = [point["loss"] for point in last.metrics["curve"] if point["loss"] is not None]
    if len(losses) > 1:
        print(f"The loss, from {losses[0]:.1f} to {losses[-1]:.2f}:  {_sparkline(losses)}  ({out / 'loss.png'})")
    print()
    for said in last.replies[:4]:
        print(f"  you  {said.prompt}\n  {last.metrics['persona']}  {_one_line(said.reply, 150)}\n")
    if (kept := previous_of(out)).is_dir():
        print(f"The bundle that was there before is kept in {kept}.")
    print(f"Chat:  python -m guppylm chat {out.name if out.parent == Path('models') else out}")


def _sparkline(values: Sequence[float], width: int = 32) -> str:
    """Return values as a row of bars, low to high."""
    bars = "▁▂▃▄▅▆▇█"
    picked = [values[i * (len(values) - 1) // (width - 1)] for i in range(width)] if len(values) > width else values
    low, high = min(picked), max(picked)
    return "".join(bars[round((value - low) / ((high - low) or 1) * (len(bars) - 1))] for value in picked)


def _one_line(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


if __name__ == "__main__":
    sys.exit(main())
