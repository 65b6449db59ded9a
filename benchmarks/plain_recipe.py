"""Trains the same model on the same rows the plain way, as a yardstick for ours.

    python benchmarks/plain_recipe.py --steps 10000         the whole recipe; hours on two cores
    python benchmarks/plain_recipe.py --steps 300           a taste of it

Nothing in here is wrong; it is how a small model is usually trained: shuffled batches of 32 rows padded to their
longest, float32 on a CPU and automatic mixed precision on a GPU, AdamW from 3e-4 down a cosine to 3e-5 after 200 steps
of warm-up, dropout 0.1, gradients clipped at 1, a mean over the tokens of the replies.

`time_to_quality.py` lets it run against ours.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

import argparse
import dataclasses
import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

import torch
from torch import Tensor
from torch.nn import functional as F

from guppylm.errors import GuppyError, TrainingError
from guppylm.model.tokenizer import Tokenizer
from guppylm.model.transformer import ModelConfig, Transformer
from guppylm.packs.generate import generate
from guppylm.packs.load import load_pack
from guppylm.training.batches import IGNORE, Row, encode, read_and_said
from guppylm.training.device import pick
from guppylm.training.prepare import ear, make_tokenizer

N_STEPS = 10_000
N_ROWS = 32  # a batch
WARM_UP = 200  # steps
HIGH, LOW = 3e-4, 3e-5  # learning rate


class PlainRun:
    """The plain recipe on its way.

    Args:
        rows: what to learn from, tokenized.
        exam: rows to measure the loss on.
        n_steps: how long the run will be; the cosine ends there.
    """

    def __init__(
        self, config: ModelConfig, rows: Sequence[Row], exam: Sequence[Row], *, n_steps: int, device: str, seed: int = 0
    ) -> None:
        kind = pick(device, precision="fp32").kind
        self.device = torch.device(kind)
        torch.manual_seed(seed)
        config = dataclasses.replace(config, dropout=0.1)
        self.model = Transformer(config, generator=torch.Generator().manual_seed(seed)).to(self.device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=HIGH, betas=(0.9, 0.95), weight_decay=0.1)
        self.autocast = torch.autocast(kind, dtype=torch.float16, enabled=kind == "cuda")
        self.scaler = torch.amp.GradScaler(kind, enabled=kind == "cuda")
        if not exam:
            raise TrainingError("There is nothing to measure on.", "Take a pack that holds some phrasings out.")
        self.rows, self.exam, self.n_steps = rows, exam, n_steps
        self.batches = self._endless(random.Random(seed))
        self.step = 0
        self.n_tokens = 0  # read, padding not counted

    @property
    def fraction(self) -> float:
        return self.step / self.n_steps

    def _endless(self, rng: random.Random) -> Iterator[list[Row]]:
        while True:
            order = rng.sample(range(len(self.rows)), len(self.rows))
            for start in range(0, max(1, len(order) - N_ROWS + 1), N_ROWS):
                yield [self.rows[i] for i in order[start : start + N_ROWS]]

    def learn(self) -> None:
        """Take one step."""
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.n_steps)
        ids, targets = padded(next(self.batches))
        loss = self._losses(ids, targets).mean()
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.step += 1
        self.n_tokens += int((ids != Tokenizer.pad_id).sum())

    def _losses(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Return the surprise at each token of the replies (N,)."""
        ids, targets = ids.to(self.device), targets.to(self.device)
        with self.autocast:
            logits = self.model(ids)  # (B, T, V)
        learned = targets != IGNORE
        return F.cross_entropy(logits[learned].float(), targets[learned], reduction="none")

    @torch.inference_mode()
    def exam_loss(self) -> float:
        """Return the mean loss at a token of the replies of the exam."""
        self.model.eval()
        by_length = sorted(self.exam, key=lambda row: len(row[0]))
        parts = [self._losses(*padded(by_length[start : start + 64])) for start in range(0, len(by_length), 64)]
        return torch.cat(parts).mean().item()


def learning_rate(step: int, n_steps: int) -> float:
    """Return the learning rate of one step: a ramp, then half a cosine."""
    warm_up = min(WARM_UP, n_steps // 10 + 1)
    if step < warm_up:
        return HIGH * (step + 1) / warm_up
    share = (step - warm_up) / max(1, n_steps - warm_up)
    return LOW + (HIGH - LOW) * (1 + math.cos(math.pi * share)) / 2


def padded(rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
    """Return ids and targets (B, T) of rows side by side, as long as the longest."""
    ids, targets = zip(*map(read_and_said, rows), strict=True)
    pad = torch.nn.utils.rnn.pad_sequence
    return pad(ids, True, Tokenizer.pad_id).long(), pad(targets, True, IGNORE).long()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persona", default="guppy", metavar="NAME")
    parser.add_argument("--preset", default="9m")
    parser.add_argument("--rows", type=int, default=60_000, metavar="N")
    parser.add_argument("--steps", type=int, default=N_STEPS, metavar="N")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    try:
        pack = load_pack(args.persona)
        dataset = generate(pack, n_rows=args.rows)
        tokenizer = make_tokenizer(pack, dataset, vocab_size=4096)
        config = ModelConfig.preset(args.preset, vocab_size=tokenizer.vocab_size)
        rows, exam = (
            encode(part, tokenizer, context=config.context, hear=ear(pack))
            for part in (dataset.train, dataset.held_out)
        )
        run = PlainRun(config, rows, exam, n_steps=args.steps, device=args.device)
    except GuppyError as error:
        print(error, file=sys.stderr)
        return 2
    seconds = 0.0
    while run.fraction < 1:
        began = time.perf_counter()
        run.learn()
        seconds += time.perf_counter() - began
        if run.step % max(1, args.steps // 20) == 0 or run.fraction >= 1:
            print(
                f"step {run.step:,} of {args.steps:,}  held out {run.exam_loss():.3f}  "
                f"{run.n_tokens / seconds:,.0f} tokens/s  {seconds:,.0f} s",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
