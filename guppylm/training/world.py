"""Turns several processes into one run: each learns from its share of every batch, and all take the same step.

    torchrun --nproc_per_node=2 train.py --persona guppy

Every process makes the same rows, the same first weights and the same batches: all of that follows from the seed. Of
the rows of a batch, process r of n takes number r, r + n, r + 2n, … Then the gradients of all are added up, and each
takes the same step by itself. So nothing but gradients has to travel, and the weights stay alike without being sent.
The sum is that of one process with the whole batch, up to the order in which its parts are added.

Deliberately not: torch's DistributedDataParallel. It takes the mean of the processes' gradients, in which a share with
few tokens to learn counts as much as one with many; and for 35 MB of gradients it has little to hide.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, distributed, nn

from guppylm.training.batches import Batch
from guppylm.training.device import PRECISIONS, Device


@dataclass(frozen=True, kw_only=True)
class World:
    """Who trains together: this is process `rank` of `size`. Alone, everything here does nothing."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that talks, examines and writes."""
        return self.rank == 0

    def share(self, batch: Batch) -> Batch:
        """Return the rows of a batch that this process learns from; there may be none. Its counts stay the whole's."""
        rows = slice(self.rank, None, self.size)
        return replace(batch, ids=batch.ids[rows], targets=batch.targets[rows], keep=batch.keep[rows])

    def add_up_gradients(self, model: nn.Module) -> None:
        """Give every process the sum of all gradients."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        together = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(together)
        parts = together.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def total(self, number: Tensor | float) -> float:
        """Return the sum of everybody's number."""
        return float(self._collect(number, distributed.all_reduce)) if self.size > 1 else float(number)

    def agree(self, number: float) -> float:
        """Return the first process's number, so that all decide alike where their clocks or measurements differ."""
        return float(self._collect(number, lambda x: distributed.broadcast(x, src=0))) if self.size > 1 else number

    def agree_on(self, device: Device) -> Device:
        """Return the device with the first process's number format."""
        names = list(PRECISIONS)
        chosen = names[int(self.agree(names.index(device.precision)))]
        return replace(device, dtype=PRECISIONS[chosen])

    def _collect(self, number: Tensor | float, how: Callable[[Tensor], object]) -> Tensor:
        place = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        value = torch.as_tensor(number, dtype=torch.float64).detach().to(place).clone()
        how(value)
        return value


@contextmanager
def join(*, device: str = "auto") -> Iterator[World]:
    """Meet the other processes that torchrun has started, or be alone where it has not.

    Args:
        device: what is asked for; processes on GPUs talk by NCCL, each with a GPU of its own, others by gloo.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    on_gpu = device in ("auto", "cuda") and torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield World(rank=distributed.get_rank(), size=size)
    finally:
        distributed.destroy_process_group()
