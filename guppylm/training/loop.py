"""Turns a persona pack into a trained bundle: makes data, lets a model learn from it, tells how it goes.

    pack ─▶ conversations ─▶ tokenizer ─▶ batches ─▶ predict ─▶ loss ─▶ gradient ─▶ step ─▶ bundle
                                                        ▲                             │
                                                        └──────── again, n times ─────┘

`train` is a generator. Each `Progress` it yields says where it stands; whoever reads them may print them,
draw them, or stop reading. Stopping early, by Ctrl-C or by closing the generator, is no accident: what has
been learned so far becomes a bundle like any other, and a checkpoint beside it lets the run go on.

The loss is the mean surprise, in nats, at each token of the replies. The messages carry none: the persona
has to learn to answer people and not to imitate them.

Deliberately not: dropout. Every row of the data is different and is seen a handful of times, so there is
little to memorise; it cost a third of the time and gave nothing (benchmarks/train.py).
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import torch
from torch.nn import functional as F

from guppylm.errors import TrainingError
from guppylm.model.bundle import Bundle
from guppylm.model.folder import check_place
from guppylm.model.tokenizer import Tokenizer
from guppylm.model.transformer import ModelConfig, Transformer
from guppylm.packs.generate import SETS, Dataset, generate
from guppylm.packs.pack import Pack
from guppylm.training import metrics
from guppylm.training.batches import Batch, Batches, encode
from guppylm.training.checkpoint import Checkpoint, checkpoint_path, pack_optimizers, unpack_optimizers
from guppylm.training.curve import loss_png
from guppylm.training.device import Device, pick
from guppylm.training.optimizer import build, learning_rate_at, set_learning_rate
from guppylm.training.replies import Said, replies
from guppylm.training.settings import TrainSettings

N_CURVE_POINTS = 200  # of the loss curve over a whole run
N_EXAMS = 20  # how often a whole run stops to measure the held-out loss
N_STARTERS = 8  # messages to try it on now and then
CHECKPOINT_SECONDS = 60.0  # what a power cut may cost

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
        held_out_loss: the latest on phrasings that are never trained.
        tokens_per_second: over the last steps.
        seconds_left: what is still to learn, at that speed.
        replies: what it says now, at the few steps where it is asked.
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


def train(
    pack: Pack,
    settings: TrainSettings,
    out: Path | str,
    *,
    resume: bool = False,
    command: str = "",
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Progress]:
    """Train a persona, write its bundle to `out`, and yield Progress all the while.

    Seeds torch's own dice. The same pack and settings give the same weights on the same CPU.

    Args:
        resume: go on with the run that was stopped on its way to `out`, with its own settings.
        command: what somebody typed to get here, for metrics.json.
        clock: seconds, from any start.

    Raises:
        TrainingError, BundleError: the run cannot start or go on; says why and what to do.
        KeyboardInterrupt: passed on, once the bundle is written.
    """
    out = Path(out)
    check_place(out)
    checkpoint = Checkpoint.load(checkpoint_path(out)) if resume else None
    if checkpoint:
        settings = _settings_to_resume(checkpoint, pack, settings)
    device = pick(settings.device, precision=settings.precision)

    yield Progress(stage="preparing", note=f"making {settings.n_rows:,} conversations")
    dataset = generate(pack, n_rows=settings.n_rows, seed=settings.seed)
    yield Progress(stage="preparing", note=f"training the tokenizer on {len(dataset.train):,} conversations")
    texts = chain.from_iterable((row.input, row.output) for row in dataset.train)
    tokenizer = Tokenizer.train(texts, vocab_size=settings.vocab_size)
    yield Progress(stage="preparing", note=f"turning them into numbers with {tokenizer.vocab_size:,} tokens")
    run = Run(pack, settings, device, dataset, tokenizer, out=out, command=command, clock=clock)
    if checkpoint:
        run.restore(checkpoint)

    try:
        yield from run.learn()
    except KeyboardInterrupt:  # in the middle of a step: good enough to talk to, but not to go on from
        run.save(finished=False)
        raise
    except GeneratorExit:  # between two steps
        run.save(finished=False)
        run.write_checkpoint()
        raise
    yield run.progress(stage="saving", note=f"writing {out}")
    found = run.save(finished=True)
    checkpoint_path(out).unlink(missing_ok=True)
    yield run.progress(stage="done", note=f"wrote {out}", metrics=found)


class Run:
    """One model on its way: what changes from step to step, and how."""

    def __init__(
        self,
        pack: Pack,
        settings: TrainSettings,
        device: Device,
        dataset: Dataset,
        tokenizer: Tokenizer,
        *,
        out: Path,
        command: str,
        clock: Callable[[], float],
    ) -> None:
        self.pack, self.settings, self.device, self.dataset, self.tokenizer = (
            pack,
            settings,
            device,
            dataset,
            tokenizer,
        )
        self.out, self.command, self.clock = out, command, clock

        config = ModelConfig.preset(settings.preset, vocab_size=tokenizer.vocab_size)
        self.config = dataclasses.replace(config, dropout=settings.dropout)
        torch.manual_seed(settings.seed)
        first_weights = torch.Generator().manual_seed(settings.seed)
        self.model = Transformer(self.config, generator=first_weights).to(device.torch_device)
        self.optimizers = build(self.model, settings.optimizer, dtype=device.dtype)
        self.scaler = device.scaler()

        self.batches = self._batches(dataset.train)
        self.exams = {name: self._batches(rows) for name in SETS[1:] if (rows := getattr(dataset, name))}

        self.step = 0
        self.n_tokens = 0
        self.elapsed_seconds = 0.0
        self.losses: list[float] = []  # since the last point of the curve
        self.curve: list[dict[str, Any]] = []
        self.replay: list[dict[str, Any]] = []
        self.speed: deque[tuple[int, float]] = deque(maxlen=20)  # tokens and seconds of the last steps

    def _batches(self, rows: Sequence[Any]) -> Batches:
        encoded = encode(rows, self.tokenizer, context=self.config.context)
        return Batches(encoded, batch_tokens=self.settings.batch_tokens, seed=self.settings.seed)

    @property
    def fraction(self) -> float:
        """How much of the run is done, 0 to 1: by steps, or by the clock."""
        if self.settings.minutes is None:
            return min(1.0, self.step / self.settings.n_steps)
        return min(1.0, self.elapsed_seconds / (60 * self.settings.minutes))

    # ---- learning --------------------------------------------------------------------------------------

    def learn(self) -> Iterator[Progress]:
        """Step until the run is done, looking up now and then to see how it goes."""
        resumed_at = self.clock() - self.elapsed_seconds
        saved_at = self.clock()
        if self.step == 0:
            self.mark_curve(with_exam=True)
            yield self.progress(replies=self.speak())
        while self.fraction < 1:
            before = self.fraction
            started = self.clock()
            batch = self.batches[self.step].to(self.device.torch_device)
            loss = self.learn_from(batch)
            self.speed.append((batch.n_tokens, self.clock() - started))
            self.step += 1
            self.n_tokens += batch.n_tokens
            self.losses.append(loss)
            self.elapsed_seconds = self.clock() - resumed_at

            is_last = self.fraction >= 1
            if _passed(before, self.fraction, N_CURVE_POINTS):
                self.mark_curve(with_exam=_passed(before, self.fraction, N_EXAMS))
            said = self.speak() if is_last or _is_one_or_three(self.step) else ()
            if self.clock() - saved_at > CHECKPOINT_SECONDS and not is_last:
                self.write_checkpoint()
                saved_at = self.clock()
            yield self.progress(replies=said)

    def learn_from(self, batch: Batch) -> float:
        """Take one step and return the loss before it: predict, measure, find the gradient, move."""
        self.model.train()
        share = learning_rate_at(self.fraction, warm_up=self.settings.optimizer.warm_up)
        set_learning_rate(self.optimizers, share)
        loss = self.loss_of(batch)
        self.scaler.scale(loss).backward()
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
            optimizer.zero_grad()
        self.scaler.update()
        found = loss.item()
        if not found < float("inf"):  # also what is no number
            raise TrainingError(
                f"The loss is {found} at step {self.step}: the model has come apart.",
                "Train with --precision fp32, or lower learning rates.",
            )
        return found

    def loss_of(self, batch: Batch) -> torch.Tensor:
        """Return the mean surprise at the tokens of a batch that the model has to learn."""
        with self.device.autocast():
            logits = self.model(batch.ids, keep=batch.learned)  # (N, V)
        return F.cross_entropy(logits.float(), batch.targets[batch.learned])

    # ---- looking up ------------------------------------------------------------------------------------

    @torch.inference_mode()
    def exam_loss(self, name: str) -> float | None:
        """Return the mean loss on the replies of one set; None where the pack has no such rows."""
        if name not in self.exams:
            return None
        self.model.eval()
        total, n_learned = 0.0, 0
        for batch in self.exams[name].epoch():
            batch = batch.to(self.device.torch_device)
            n = int(batch.learned.sum())
            total += self.loss_of(batch).item() * n
            n_learned += n
        return total / n_learned

    def mark_curve(self, *, with_exam: bool) -> None:
        """Add a point to the loss curve."""
        self.curve.append(
            {
                "step": self.step,
                "n_tokens": self.n_tokens,
                "loss": metrics.mean(self.losses),
                "held_out_loss": self.exam_loss("held_out") if with_exam else None,
            }
        )
        self.losses = []

    def speak(self) -> tuple[Said, ...]:
        """Try it on the pack's starters, and keep what it says."""
        said = replies(self.model, self.tokenizer, self.pack.starters[:N_STARTERS], seed=self.settings.seed)
        self.replay.append(
            {
                "step": self.step,
                "n_tokens": self.n_tokens,
                "held_out_loss": self.held_out_loss,
                "replies": [dataclasses.asdict(one) for one in said],
            }
        )
        return said

    @property
    def held_out_loss(self) -> float | None:
        """The latest there is."""
        measured = (point["held_out_loss"] for point in reversed(self.curve))
        return next((loss for loss in measured if loss is not None), None)

    def progress(
        self,
        *,
        stage: Stage = "learning",
        note: str = "",
        replies: tuple[Said, ...] = (),
        metrics: Mapping[str, Any] | None = None,
    ) -> Progress:
        """Return where the run stands."""
        by_clock = self.settings.minutes is not None
        fraction = self.fraction
        seconds_left = self.elapsed_seconds / fraction * (1 - fraction) if fraction else None
        last = self.losses[-1] if self.losses else self.curve[-1]["loss"] if self.curve else None
        return Progress(
            stage=stage,
            note=note,
            step=self.step,
            n_steps=None if by_clock else self.settings.n_steps,
            fraction=fraction,
            n_tokens=self.n_tokens,
            loss=last,
            held_out_loss=self.held_out_loss,
            tokens_per_second=self.tokens_per_second,
            elapsed_seconds=self.elapsed_seconds,
            seconds_left=seconds_left,
            replies=replies,
            metrics=metrics,
        )

    @property
    def tokens_per_second(self) -> float:
        seconds = sum(took for _, took in self.speed)
        return sum(n for n, _ in self.speed) / seconds if seconds else 0.0

    # ---- leaving ---------------------------------------------------------------------------------------

    def save(self, *, finished: bool) -> dict[str, Any]:
        """Write the bundle and return its metrics."""
        found = self.describe(finished=finished)
        title = (
            f"{self.pack.title}: {found['model']['n_parameters'] / 1e6:.1f}M parameters, {self.step:,} steps"
        )
        picture = loss_png(self.curve, vocab_size=self.config.vocab_size, title=title)
        bundle = Bundle(
            config=self.config,
            model=self.model,
            tokenizer=self.tokenizer,
            pack_files=self.pack.files,
            metrics=found,
            replay=self.replay,
        )
        bundle.save(self.out, other_files={"loss.png": picture} if picture else None)
        return found

    def describe(self, *, finished: bool) -> dict[str, Any]:
        """Return what metrics.json says; the bundle adds the digests of its own files."""
        # An unfinished run is being stopped by somebody who waits: no time for an examination.
        losses = (
            {name: self.exam_loss(name) for name in SETS[1:]}
            if finished
            else {"held_out": self.held_out_loss}
        )
        learned = next((point["loss"] for point in reversed(self.curve) if point["loss"] is not None), None)
        return {
            "persona": self.pack.name,
            "title": self.pack.title,
            "language": self.pack.language,
            "finished": finished,
            "max_turns": 1,
            "seed": self.settings.seed,
            "command": self.command,
            "model": {"n_parameters": self.model.n_parameters, **self.config.to_dict()},
            "data": {**metrics.describe_data(self.dataset), "n_tokens": self.batches.n_tokens},
            "training": {
                "n_steps": self.step,
                "n_tokens": self.n_tokens,
                "n_epochs": self.n_tokens / self.batches.n_tokens,
                "learning_seconds": self.elapsed_seconds,
                "tokens_per_second": self.n_tokens / self.elapsed_seconds if self.elapsed_seconds else 0.0,
                "peak_memory_bytes": metrics.peak_memory_bytes(),
            },
            "loss": metrics.describe_loss({"train": learned, **losses}, vocab_size=self.config.vocab_size),
            "curve": self.curve,
            "settings": self.settings.to_dict(),
            "device": self.device.describe(),
            "versions": metrics.versions(),
            "digests": {"data": metrics.digest_of_rows(self.dataset.train)},
        }

    def write_checkpoint(self) -> None:
        """Keep what `restore` needs beside the bundle."""
        weights = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors = {**weights, **pack_optimizers(self.optimizers), "dice": torch.get_rng_state()}
        state = {
            "pack": self.pack.digest,
            "settings": self.settings.to_dict(),
            "scaler": self.scaler.state_dict(),
            "progress": {name: getattr(self, name) for name in PROGRESS},
        }
        Checkpoint(tensors=tensors, state=state).save(checkpoint_path(self.out))

    def restore(self, checkpoint: Checkpoint) -> None:
        """Stand where the stopped run stood. On a CPU the steps that follow are those it would have taken."""
        tensors, state = checkpoint.tensors, checkpoint.state
        weights = {
            name.removeprefix("model."): tensor
            for name, tensor in tensors.items()
            if name.startswith("model.")
        }
        self.model.load_state_dict(weights)
        unpack_optimizers(self.optimizers, tensors)
        self.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(tensors["dice"])
        for name in PROGRESS:
            setattr(self, name, state["progress"][name])


# What a run has to remember about itself.
PROGRESS = ("step", "n_tokens", "elapsed_seconds", "losses", "curve", "replay")


def _settings_to_resume(checkpoint: Checkpoint, pack: Pack, asked: TrainSettings) -> TrainSettings:
    """Return the settings of the stopped run, on the device that is asked for now."""
    if checkpoint.state["pack"] != pack.digest:
        raise TrainingError(
            f"{pack.name} has changed since the run was stopped, so it cannot go on.",
            "Train without --resume to start over with the pack as it is.",
        )
    return dataclasses.replace(TrainSettings.from_dict(checkpoint.state["settings"]), device=asked.device)


def _passed(before: float, now: float, n_marks: int) -> bool:
    """Say whether one of n_marks evenly spaced marks lies between two fractions of a run."""
    return int(before * n_marks) < int(now * n_marks)


def _is_one_or_three(step: int) -> bool:
    """Say whether a step is 1, 3, 10, 30, 100, 300, …: evenly spaced to the eye, as most happens early."""
    return str(step).rstrip("0") in ("1", "3")
