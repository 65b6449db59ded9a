"""Turns conversations into batches: rows of one length side by side, no padding wasted.

    row     <|im_start|>user … <|im_end|> … assistant … hi there <|im_end|>      one conversation, tokenized
    mask    0           0      0          0             1  1     1              1 where the model must learn
    ids     row[:-1]                                                            what it reads
    targets row[1:], IGNORE where the mask is 0                                 what it should have said next

Rows of many lengths in one batch must be padded to the longest, and here that would be half of all the
work. So rows are sorted into buckets of like length, and a batch comes from one bucket. Lengths are rounded
up to a multiple of four, which costs three tokens in a hundred and is worth ten: processors read numbers in
groups. Only lengths that too few rows have are padded further.

`Batches` is a list that need not be kept: batch k of a run depends on the seed and on k alone. Training
can therefore go on after a break at any k, with the very rows it would have seen.

Deliberately not: packing several conversations into one row, which would let one read the other, and
cutting rows that are too long. Such a row is an error that names it.
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from guppylm.errors import TrainingError
from guppylm.model.tokenizer import Tokenizer

P_MOVED = 0.05  # share of the batches whose rows begin at another position than the first
MULTIPLE = 4  # of tokens; what a row's length is rounded up to
IGNORE = -100  # a target that carries no loss; torch's cross_entropy skips it


class HasTurns(Protocol):
    """A conversation: its (message, reply) pairs, first to last, and what they are about."""

    @property
    def turns(self) -> Sequence[tuple[str, str]]: ...

    @property
    def gist(self) -> str: ...


# Ids and mask of one conversation, n numbers each: a kilobyte less than two tensors, and there are many rows.
Row: TypeAlias = "tuple[array[int], array[int]]"


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """What one step learns from.

    Attributes:
        ids: (B, T) int64, padded on the right.
        targets: (B, T) int64, IGNORE where no loss is.
        n_tokens: how many of the ids are no padding.
        n_learned: how many of the targets carry loss.
    """

    ids: Tensor
    targets: Tensor
    n_tokens: int
    n_learned: int

    def part(self, rows: slice) -> Batch:
        """Return some of the rows. The counts stay those of the whole."""
        return replace(self, ids=self.ids[rows], targets=self.targets[rows])


def encode(
    conversations: Iterable[HasTurns], tokenizer: Tokenizer, *, context: int, hear: Callable[[str], str] = str
) -> list[Row]:
    """Return each conversation as a row, its messages as `hear` makes them.

    Raises TrainingError naming the first that exceeds the context.
    """
    conversations = list(conversations)
    texts = (text for one in conversations for message, reply in one.turns for text in (hear(message), reply))
    words = tokenizer.encode_all(texts)  # ids of messages and replies in turn
    rows = []
    for number, conversation in enumerate(conversations, start=1):
        turns = [(next(words), next(words)) for _ in conversation.turns]
        ids, mask = tokenizer.conversation(turns, gist=conversation.gist)
        if len(ids) - 1 > context:  # the last token is only ever a target
            said = " … ".join(conversation.turns[0])
            raise TrainingError(
                f"Row {number} has {len(ids)} tokens and the model sees {context}: {said[:200]!r}",
                "Shorten it in the pack (see voice.max_words), or train a preset with more context.",
            )
        rows.append((array("i", ids), array("b", mask)))
    return rows


class Batches:
    """Batch k of an endless run over the rows, each row exactly once an epoch.

    Args:
        rows: from `encode`.
        batch_tokens: about how many tokens a batch holds.
        seed: decides the order; the same seed gives the same batches on every machine.
    """

    def __init__(self, rows: Sequence[Row], *, batch_tokens: int, seed: int = 0) -> None:
        if not rows:
            raise TrainingError(
                "There is nothing to learn from: no rows.", "Give the pack topics, or ask for more rows."
            )
        self._batch_tokens = batch_tokens
        self._seed = seed
        self._buckets = [_stack(bucket) for bucket in _buckets(rows, batch_tokens)]
        self._plan = lru_cache(maxsize=2)(self._make_plan)
        self.n_rows = len(rows)
        self.longest = max(len(ids) for ids, _ in rows)  # tokens of a row
        self.n_tokens = sum(len(ids) - 1 for ids, _ in rows)  # read in an epoch

    @property
    def n_per_epoch(self) -> int:
        return len(self._plan(0))

    def __getitem__(self, k: int) -> Batch:
        epoch, position = divmod(k, self.n_per_epoch)
        bucket, members = self._plan(epoch)[position]
        ids, targets, n_tokens = (part[members] for part in self._buckets[bucket])
        return Batch(
            ids=ids.long(),
            targets=targets.long(),
            n_tokens=int(n_tokens.sum()),
            n_learned=int((targets != IGNORE).sum()),
        )

    def epoch(self, number: int = 0) -> Iterator[Batch]:
        """Return every batch of one epoch."""
        start = number * self.n_per_epoch
        return (self[k] for k in range(start, start + self.n_per_epoch))

    def _make_plan(self, epoch: int) -> list[tuple[int, list[int]]]:
        """Return (bucket, rows of it) for every batch of an epoch, in the order they are learned from."""
        rng = random.Random(f"{self._seed}/{epoch}")
        plan = []
        for number, (ids, _, _) in enumerate(self._buckets):
            n_rows, width = ids.shape
            order = rng.sample(range(n_rows), n_rows)
            n_batches = max(1, round(n_rows * width / self._batch_tokens))
            # Shares that differ by one row at most, instead of full batches and a small rest.
            plan += [(number, order[part::n_batches]) for part in range(n_batches)]
        rng.shuffle(plan)
        return plan


def first_position(batch: Batch, *, context: int, seed: str) -> int:
    """Return where the rows of a batch begin: mostly at 0, now and then anywhere that they fit.

    No row is as long as the context. Without this the positions behind the longest row would stay as random
    as they began, and a long message would be answered with noise.
    """
    rng = random.Random(f"{seed}/position")
    n_free = max(0, context - batch.ids.shape[1])
    return rng.randint(0, n_free) if rng.random() < P_MOVED else 0


def _buckets(rows: Sequence[Row], batch_tokens: int) -> list[list[Row]]:
    """Sort rows by length, longest first; a bucket below half a batch takes in the next shorter length."""
    by_length: dict[int, list[Row]] = {}
    for row in rows:
        by_length.setdefault(_width(row), []).append(row)
    buckets: list[list[Row]] = []
    open_bucket: list[Row] = []
    for length in sorted(by_length, reverse=True):
        open_bucket = open_bucket + by_length[length]
        if len(open_bucket) * _width(open_bucket[0]) >= batch_tokens / 2:
            buckets.append(open_bucket)
            open_bucket = []
    if buckets:  # what is left are a few short rows
        buckets[-1] += open_bucket
        return buckets
    return [open_bucket]


def _width(row: Row) -> int:
    """Return how many places a row is given, its last token being only ever a target."""
    return math.ceil((len(row[0]) - 1) / MULTIPLE) * MULTIPLE


def _stack(rows: Sequence[Row]) -> tuple[Tensor, Tensor, Tensor]:
    """Lay rows side by side, one of the longest first: ids (N, T), targets (N, T), tokens a row (N,)."""
    shape = (len(rows), _width(rows[0]))
    ids = torch.full(shape, Tokenizer.pad_id, dtype=torch.int32)
    targets = torch.full(shape, IGNORE, dtype=torch.int32)
    for number, row in enumerate(rows):
        n = len(row[0]) - 1
        ids[number, :n], targets[number, :n] = read_and_said(row)
    return ids, targets, torch.tensor([len(row) - 1 for row, _ in rows])


def read_and_said(row: Row) -> tuple[Tensor, Tensor]:
    """Return what the model reads of a row of n + 1 tokens, and what it should have said next, int32 (n,) each."""
    ids, mask = torch.frombuffer(row[0], dtype=torch.int32), torch.frombuffer(row[1], dtype=torch.int8)
    return ids[:-1], ids[1:].masked_fill(mask[1:] == 0, IGNORE)
