"""Turns a batch into a gradient: what it reads, what it should have said, how wrong it was, which way is better.

    batch ─▶ rows 1-23  ─▶ first core  ─▶ gradient ─┐
             rows 24-46 ─▶ second core ─▶ gradient ─┴▶ (+) ─▶ the model's .grad

Each core reads rows of its own, a thousand tokens at a time, which is also what keeps memory low. The parts and the
order in which they are added follow from the batch alone: a run can be repeated bit for bit. A GPU is one such core,
and takes the batch whole.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from guppylm.model.transformer import Transformer
from guppylm.training.batches import IGNORE, Batch
from guppylm.training.device import Cores, Device


class Gradients:
    """Finds gradients for one model on one device.

    Args:
        scaler: from `Device.scaler`; what multiplies the loss before its gradient is taken.
    """

    def __init__(self, model: Transformer, device: Device, scaler: torch.amp.GradScaler) -> None:
        self._device, self._scaler = device, scaler
        # Dropout throws torch's dice, and two cores that share them would throw in no order.
        self._cores = Cores(device.n_cores if model.config.dropout == 0 else 1)
        self._twins = [model, *(_twin(model) for _ in range(self._cores.n_cores - 1))]

    def add(self, batch: Batch, weights: Tensor, *, first: int = 0) -> Tensor:
        """Add the gradient of the weighted sum of all losses to the model's; return the plain sum of them, ().

        Args:
            weights: (B, T), how much each target counts; a target without loss counts nothing anyway.
            first: the position at which the rows begin.
        """
        rows, n_cores = self._parts(batch), self._cores.n_cores
        shares = [[(batch.part(some), weights[some]) for some in rows[core::n_cores]] for core in range(n_cores)]
        sums = self._cores.map(partial(self._add_share, first=first), self._twins, shares)
        for twin in self._twins[1:]:
            _move_gradients(twin, self._twins[0])
        return torch.stack(sums).sum()

    def measure(self, batch: Batch) -> float:
        """Return the sum of all losses of a batch, and find no gradient."""
        return sum(self._cores.map(self._measure_part, map(batch.part, self._parts(batch))))

    def _parts(self, batch: Batch) -> list[slice]:
        """Cut the rows of a batch into parts of like size, as many for each core."""
        n_rows, length = batch.ids.shape
        n_cores = self._cores.n_cores
        n_each = max(1, round(n_rows * length / n_cores / self._device.tokens_at_once))
        n_parts = min(n_rows, n_cores * n_each)
        cuts = [n_rows * number // n_parts for number in range(n_parts + 1)]
        return [slice(start, end) for start, end in pairwise(cuts)]

    def _add_share(self, model: Transformer, share: Sequence[tuple[Batch, Tensor]], *, first: int) -> Tensor:
        """Do the work of one core; return the sum of its losses."""
        total = torch.zeros((), device=self._device.torch_device)
        for batch, weights in share:
            total += self._add_part(model, batch, weights, first)
        return total

    def _add_part(self, model: Transformer, batch: Batch, weights: Tensor, first: int) -> Tensor:
        """Forward, backward. The head goes through in slices: all its logits at once would be most of the memory."""
        at = learned_positions(batch.targets)
        ids, targets, weights, at = self._device.take(
            batch.ids, batch.targets.flatten()[at], weights.flatten()[at], at
        )  # (B, T) and three times (N,)
        total = torch.zeros((), device=ids.device)
        with self._device.autocast():
            x = model.stream(ids, first=first).flatten(0, 1)[at]  # (N, D)
            read = x.detach().requires_grad_()
            for some in self._slices(len(at)):
                losses = surprise(model.read_out(read[some]), targets[some])
                self._scaler.scale((losses * weights[some]).sum()).backward()
                total += losses.detach().sum()
        x.backward(read.grad)
        return total

    @torch.inference_mode()
    def _measure_part(self, batch: Batch) -> float:
        model, at = self._twins[0], learned_positions(batch.targets)
        ids, targets, at = self._device.take(batch.ids, batch.targets.flatten()[at], at)
        with self._device.autocast():
            x = model.stream(ids).flatten(0, 1)[at]  # (N, D)
            losses = [surprise(model.read_out(x[some]), targets[some]).sum() for some in self._slices(len(at))]
        return torch.stack(losses).sum().item()

    def _slices(self, n: int) -> list[slice]:
        most = self._device.positions_at_once
        return [slice(start, start + most) for start in range(0, n, most)]


def surprise(logits: Tensor, targets: Tensor) -> Tensor:
    """Return -log p of each target (N,) under logits (N, V), in nats; 0 where the target is IGNORE."""
    return F.cross_entropy(logits.float(), targets, ignore_index=IGNORE, reduction="none")


def learned_positions(targets: Tensor) -> Tensor:
    """Return which places of targets (B, T) carry loss, counted row after row (N,), and a few that do not.

    N is never 0, and a multiple of 128 if there are so many. Matrix libraries prepare code for every new size and
    hold on to it: with each batch reading out another number of positions, that was three megabytes a step.
    """
    learned = (targets != IGNORE).flatten()
    others = (~learned).nonzero().flatten()
    n_learned = int(learned.sum())
    n_missing = 128 * max(1, math.ceil(n_learned / 128)) - n_learned
    return torch.cat((learned.nonzero().flatten(), others[:n_missing]))


def _twin(model: Transformer) -> Transformer:
    """Return a model that has the same weights, now and later, and gradients of its own."""
    twin = copy.deepcopy(model)
    for theirs, ours in zip(twin.parameters(), model.parameters(), strict=True):
        theirs.data = ours.data
    return twin


def _move_gradients(source: Transformer, target: Transformer) -> None:
    for theirs, ours in zip(source.parameters(), target.parameters(), strict=True):
        if theirs.grad is not None and ours.grad is not None:
            ours.grad += theirs.grad
        theirs.grad = None
