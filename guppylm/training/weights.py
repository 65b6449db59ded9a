"""Says how much each token counts in the loss: those that show whether the persona listened, more than the rest.

    i am amir   ->   <|name|>   amir   .   hello   ,   small   one   .
                        8       5+5   3.8   3.0 …                   1     gist, copied word, first words, the rest

Only at a few places of a reply does the model have to look at the message: at the gist, at the first words, and where
it repeats what was said. Behind them the reply itself says how it goes on. A plain mean over all tokens would leave
those places a tenth of the attention, and the persona would learn to talk long before it learned to listen.
docs/log.md says what each of these is worth. All of it takes a row to be one message and one reply that begins with its
gist.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from guppylm.training.batches import IGNORE, Batch, Batches

RARE = 0.003  # of the replies; what is in fewer is a word worth repeating, and not "the" or a full stop


@dataclass(frozen=True, kw_only=True)
class Emphasis:
    """What counts more than 1 in the loss."""

    gist: float = 8.0  # the token that names the topic, in all
    first_words: float = 4.0  # added to token n of a reply, from 0 up, times 0.7^n
    copied: float = 5.0  # added to a rare token of the reply that stands in the message as well


def rare_tokens(batches: Batches, vocab_size: int) -> Tensor:
    """Return for every token of the vocabulary whether few replies hold it (V,)."""
    n_rows = torch.zeros(vocab_size, dtype=torch.long)
    for batch in batches.epoch():
        rows, places = (batch.targets != IGNORE).nonzero(as_tuple=True)
        pairs = (rows * vocab_size + batch.targets[rows, places]).unique()  # each token once a row
        n_rows += torch.bincount(pairs % vocab_size, minlength=vocab_size)
    return n_rows <= max(1, RARE * batches.n_rows)


def weights_of(batch: Batch, emphasis: Emphasis, rare: Tensor) -> Tensor:
    """Return how much each target of a batch counts (B, T)."""
    learned = batch.targets != IGNORE  # (B, T)
    n_before = learned.cumsum(dim=1) - 1  # (B, T)
    weights = 1 + emphasis.first_words * 0.7 ** (n_before - 1)
    weights = torch.where(n_before == 0, emphasis.gist, weights + emphasis.copied * _copied(batch, learned, rare))
    return learned * weights


def _copied(batch: Batch, learned: Tensor, rare: Tensor) -> Tensor:
    """Return which targets are rare tokens that stand in their row's message (B, T)."""
    message = batch.ids.masked_fill(learned.cumsum(dim=1) > 0, IGNORE)  # (B, T), up to where the reply starts
    said = (batch.targets[:, :, None] == message[:, None, :]).any(dim=2)  # (B, T)
    return said & learned & rare[batch.targets.clamp(min=0)]
