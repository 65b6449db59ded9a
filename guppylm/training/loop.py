"""Turns a persona pack into a trained bundle: makes data, lets a model learn from it, tells how it goes.

    pack ─▶ conversations ─▶ tokenizer ─▶ batches ─▶ predict ─▶ loss ─▶ gradient ─▶ step ─▶ bundle
                                                        ▲                             │
                                                        └──────── again, n times ─────┘

`train` is a generator. Each `Progress` it yields says where it stands; whoever reads them may print them,
draw them, or stop reading. Stopping early, by Ctrl-C or by closing the generator, is no accident: what has
been learned so far becomes a bundle like any other, and a checkpoint beside it lets the run go on.

The loss is the mean surprise, in nats, at each token of the replies; what is made smaller is a weighted mean of it
(weights.py). The messages carry none: the persona has to learn to answer people and not to imitate them.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from guppylm.errors import TrainingError
from guppylm.model.bundle import Bundle
from guppylm.model.folder import check_place, clear_leftovers
from guppylm.model.tokenizer import Tokenizer
from guppylm.model.transformer import ModelConfig, Transformer
from guppylm.packs.generate import SETS, Dataset, digest_of_rows, generate
from guppylm.packs.pack import Pack
from guppylm.training import checkpoint
from guppylm.training.batches import Batch, Batches, HasTurns, encode, first_position
from guppylm.training.curve import loss_png
from guppylm.training.device import Cores, Device, pick
from guppylm.training.gradient import Gradients
from guppylm.training.metrics import describe, describe_data, mean
from guppylm.training.optimizer import build, learning_rate_at, set_learning_rate
from guppylm.training.prepare import ear, make_tokenizer
from guppylm.training.progress import Progress, Stage, is_one_or_three, passed
from guppylm.training.replies import Said, replies
from guppylm.training.settings import TrainSettings
from guppylm.training.weights import rare_tokens, weights_of
from guppylm.training.world import World

N_CURVE_POINTS = 200  # of the loss curve over a whole run
N_EXAMS = 10  # how often a whole run stops to measure the held-out loss, on
N_GLANCED_AT = 4  # batches of it, always the same; at its end on all
N_STARTERS = 8  # messages to try it on now and then
CHECKPOINT_SECONDS = 60.0  # what a power cut may cost


def train(
    pack: Pack,
    settings: TrainSettings,
    out: Path | str,
    *,
    resume: bool = False,
    command: str = "",
    world: World | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Progress]:
    """Train a persona, write its bundle to `out`, and yield Progress all the while.

    Seeds torch's own dice. The same pack and settings give the same weights on the same CPU.

    Args:
        resume: go on with the run that was stopped on its way to `out`; `settings` must be its settings.
        command: what somebody typed to get here, for metrics.json.
        world: the processes that train together. All have to read on to the same step; the first one writes.
        clock: seconds, from any start.

    Raises:
        TrainingError, BundleError: the run cannot start or go on; says why and what to do.
        KeyboardInterrupt: passed on, once the bundle is written.
    """
    out = Path(out)
    check_place(out)
    clear_leftovers(out)
    unfinished = checkpoint.read(out, pack, settings) if resume else None
    world = world or World()
    device = world.agree_on(pick(world.place_for(settings.device), precision=settings.precision))

    yield Progress(stage="preparing", note=f"making {settings.n_rows:,} conversations")
    dataset = generate(pack, n_rows=settings.n_rows, seed=settings.seed)
    yield Progress(stage="preparing", note=f"training the tokenizer on {len(dataset.train):,} conversations")
    tokenizer = make_tokenizer(pack, dataset, vocab_size=settings.vocab_size)
    yield Progress(stage="preparing", note=f"turning them into numbers with {tokenizer.vocab_size:,} tokens")
    run = Run(pack, settings, device, dataset, tokenizer, out=out, command=command, world=world, clock=clock)
    del dataset  # its texts would be a third of the memory
    world.compare(run.digest)
    if unfinished:
        checkpoint.put_back(unfinished, run)

    try:
        yield from run.learn()
        yield run.progress(stage="saving", note=f"writing {out}")
    except KeyboardInterrupt:  # in the middle of a step: good enough to talk to, but not to go on from
        if run.step:
            run.save(finished=False)
        raise
    except GeneratorExit:  # between two steps
        if run.step:
            run.checkpoint()
            run.save(finished=False)
        raise
    metrics = run.save(finished=True)
    if world.is_first:
        checkpoint.forget(out)
    yield run.progress(stage="done", note=f"wrote {out}", said=run.last_said, metrics=metrics)


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
        command: str = "",
        world: World | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pack, self.settings, self.device = pack, settings, device
        self.tokenizer, self.world = tokenizer, world or World()
        self.data, self.digest = describe_data(dataset), digest_of_rows(dataset.train)
        self.out, self.command, self.clock = out, command, clock

        config = ModelConfig.preset(settings.preset, vocab_size=tokenizer.vocab_size)
        self.config = dataclasses.replace(config, dropout=settings.dropout)
        torch.manual_seed(settings.seed + self.world.rank)  # dropout's dice; each process has rows of its own
        first_weights = torch.Generator().manual_seed(settings.seed)
        self.model = Transformer(self.config, generator=first_weights).to(device.torch_device)
        self.optimizers = build(self.model, settings.optimizer, dtype=device.dtype, cores=Cores(device.n_cores))
        self.scaler = device.scaler()
        self.gradients = Gradients(self.model, device, self.scaler)

        self.batches = self._batches(dataset.train)
        self.rare = rare_tokens(self.batches, tokenizer.vocab_size)  # (V,)
        self.exams = {name: self._batches(rows) for name in SETS[1:] if (rows := getattr(dataset, name))}

        self.step = 0
        self.n_tokens = 0
        self.elapsed_seconds = 0.0
        self.unread: list[Tensor] = []  # losses of the last steps, () each, that nobody has asked the device for yet
        self.losses: list[float] = []  # those read since the last point of the curve
        self.curve: list[dict[str, Any]] = []
        self.replay: list[dict[str, Any]] = []
        self.speed: deque[tuple[int, float]] = deque(maxlen=20)  # tokens and seconds of the last steps
        self.last_said: tuple[Said, ...] = ()

    def _batches(self, rows: Sequence[HasTurns]) -> Batches:
        encoded = encode(rows, self.tokenizer, context=self.config.context, hear=ear(self.pack))
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
        began = self.clock() - self.elapsed_seconds
        saved_at = self.clock()
        if self.step == 0:
            self.mark_curve(with_exam=True)
            yield self.progress(said=self.speak())
        while self.fraction < 1:
            before = self.fraction
            self.learn_from(self.batches[self.step])
            self.elapsed_seconds = self.world.agree(self.clock() - began)

            if passed(before, self.fraction, N_CURVE_POINTS):
                self.mark_curve(with_exam=passed(before, self.fraction, N_EXAMS))
            is_time_to_speak = self.fraction >= 1 or is_one_or_three(self.step)
            said = self.speak() if is_time_to_speak else ()
            note = ""
            if self.clock() - saved_at > CHECKPOINT_SECONDS:
                note, saved_at = self.checkpoint(), self.clock()
            yield self.progress(said=said, note=note)

    def learn_from(self, batch: Batch) -> None:
        """Take one step: predict, measure, find the gradient, move; and note what was learned from what."""
        started = self.clock()
        self.model.train()
        set_learning_rate(self.optimizers, learning_rate_at(self.fraction, warm_up=self.settings.optimizer.warm_up))

        part = self.world.share(batch)
        weights = weights_of(part, self.settings.emphasis, self.rare)  # (B, T)
        weights = weights / self.world.total(weights.sum())  # the loss is a weighted mean
        first = first_position(batch, context=self.config.context, seed=f"{self.settings.seed}/{self.step}")
        loss = self.gradients.add(part, weights, first=first)
        self.world.add_up_gradients(self.model)
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
            optimizer.zero_grad()
        self.scaler.update()

        self.step += 1
        self.n_tokens += batch.n_tokens
        self.unread.append(loss / batch.n_learned)
        if len(self.unread) >= self.device.steps_between_looks or self.world.size > 1:
            self.read_losses()
        self.speed.append((batch.n_tokens, self.clock() - started))

    def read_losses(self) -> None:
        """Look at the losses of the last steps. Raises TrainingError where one is no number."""
        for number, loss in enumerate(self.unread, start=self.step + 1 - len(self.unread)):
            self.losses.append(_finite(self.world.total(loss), number))
        self.unread.clear()

    # ---- looking up ------------------------------------------------------------------------------------

    def exam_loss(self, name: str, *, most: int | None = None) -> float | None:
        """Return the mean loss on the replies of one set, or of so many batches of it.

        None where there are no rows, or where another process looks.
        """
        if name not in self.exams or not self.world.is_first:
            return None
        self.model.eval()
        batches = list(islice(self.exams[name].epoch(), most))
        total = sum(self.gradients.measure(batch) for batch in batches)
        return total / sum(batch.n_learned for batch in batches)

    def mark_curve(self, *, with_exam: bool) -> None:
        """Add a point to the loss curve."""
        self.read_losses()
        held_out = self.exam_loss("held_out", most=N_GLANCED_AT) if with_exam else None
        point = {"step": self.step, "n_tokens": self.n_tokens, "loss": mean(self.losses)}
        self.curve.append({**point, "held_out_loss": held_out})
        self.losses = []

    def speak(self) -> tuple[Said, ...]:
        """Try it on the pack's starters, and keep what it says. One process is enough for that."""
        if not self.world.is_first:
            return ()
        starters = tuple(map(ear(self.pack), self.pack.starters[:N_STARTERS]))
        self.last_said = replies(self.model, self.tokenizer, starters, seed=self.settings.seed)
        said = [dataclasses.asdict(one) for one in self.last_said]
        self.replay.append({"step": self.step, "n_tokens": self.n_tokens, "loss": self.loss, "replies": said})
        return self.last_said

    @property
    def loss(self) -> float | None:
        """Of the last batch that was looked at; None before there was one."""
        return self.losses[-1] if self.losses else self._last_in_curve("loss")

    @property
    def held_out_loss(self) -> float | None:
        """The latest there is."""
        return self._last_in_curve("held_out_loss")

    def _last_in_curve(self, name: str) -> float | None:
        return next((point[name] for point in reversed(self.curve) if point[name] is not None), None)

    def progress(
        self,
        *,
        stage: Stage = "learning",
        note: str = "",
        said: tuple[Said, ...] = (),
        metrics: Mapping[str, Any] | None = None,
    ) -> Progress:
        """Return where the run stands."""
        fraction, seconds = self.fraction, sum(took for _, took in self.speed)
        return Progress(
            stage=stage,
            note=note,
            step=self.step,
            n_steps=self.settings.n_steps if self.settings.minutes is None else None,
            fraction=fraction,
            n_tokens=self.n_tokens,
            loss=self.loss,
            held_out_loss=self.held_out_loss,
            tokens_per_second=sum(n for n, _ in self.speed) / seconds if seconds else 0.0,
            elapsed_seconds=self.elapsed_seconds,
            seconds_left=self.elapsed_seconds / fraction * (1 - fraction) if fraction else None,
            replies=said,
            metrics=metrics,
        )

    # ---- leaving ---------------------------------------------------------------------------------------

    def checkpoint(self) -> str:
        """Write down what it takes to go on from here; return what went wrong, which is no reason to stop learning."""
        if not self.world.is_first:
            return ""
        self.read_losses()
        try:
            checkpoint.write(self)
        except OSError as error:
            return f"no checkpoint could be written: {error.strerror or error}; going on without"
        return ""

    def save(self, *, finished: bool) -> dict[str, Any] | None:
        """Write the bundle and return its metrics; None in a process that leaves this to the first."""
        if not self.world.is_first:
            return None
        # Who stops a run is waiting: then there is no time for every examination.
        exams = {name: self.exam_loss(name) for name in SETS[1:]} if finished else {}
        metrics = describe(self, finished=finished, exams={"held_out": self.held_out_loss, **exams})
        bundle = Bundle(
            config=self.config,
            model=self.model,
            tokenizer=self.tokenizer,
            pack_files=self.pack.files,
            metrics=metrics,
            replay=self.replay,
        )
        title = f"{self.pack.title}, {self.model.n_parameters / 1e6:.1f}M parameters, {self.step:,} steps"
        picture = loss_png(self.curve, vocab_size=self.config.vocab_size, title=title)
        # Half the size, and no reply changes for it: weights are small numbers, and fp16 keeps three digits.
        others = {"loss.png": picture} if picture else None
        try:  # a good model must not be lost to a smaller or a stopped one, nor either to a full disk
            bundle.save(self.out, dtype="fp16", other_files=others, keep_previous=True)
        except OSError as error:
            self.checkpoint()
            kept = checkpoint.path_for(self.out).exists()
            message = f"{self.out} could not be written: {error.strerror or error}."
            raise TrainingError(
                message, f"Make room, then {'go on with --resume' if kept else 'train again'}."
            ) from error
        return metrics


def _finite(loss: float, step: int) -> float:
    """Return the loss, or raise TrainingError where it is none."""
    if loss < float("inf"):  # false for NaN too
        return loss
    raise TrainingError(
        f"The loss is {loss} at step {step}: the model has come apart.",
        "Train with --precision fp32, or with lower learning rates.",
    )
