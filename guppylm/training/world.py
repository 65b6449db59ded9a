"""Turns several processes into one run: each learns from its share of every batch, and all take the same step.

    torchrun --nproc_per_node=2 train.py --persona guppy

Every process makes the same rows, the same first weights and the same batches: all of that follows from the seed. Of
the rows of a batch, process r of n takes number r, r + n, r + 2n, … Then the gradients of all are added up, and each
takes the same step by itself. So besides gradients only a few numbers travel (a loss, the clock, whether to stop), and
the weights stay alike without being sent. The sum is that of one process with the whole batch, up to the order in which
its parts are added.

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

from guppylm.errors import TrainingError
from guppylm.training.batches import IGNORE, Batch
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

    def place_for(self, wanted: str) -> str:
        """Return the device to ask for: processes that cannot meet on GPUs of their own meet on the CPU."""
        if self.size == 1 or wanted in ("cpu", "cuda"):
            return wanted
        if wanted == "mps":
            raise TrainingError("Several processes cannot share an mps device.", "Train with one, or on --device cpu.")
        return "cuda" if distributed.get_backend() == "nccl" else "cpu"

    def share(self, batch: Batch) -> Batch:
        """Return the rows of a batch that this process learns from. Its counts stay those of the whole.

        Where there are fewer rows than processes, some get a row from which there is nothing to learn.
        """
        if self.size == 1:
            return batch
        if self.rank < len(batch.ids):
            return batch.part(slice(self.rank, None, self.size))
        return replace(batch, ids=batch.ids[:1], targets=torch.full_like(batch.targets[:1], IGNORE))

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

    def compare(self, digest: str) -> None:
        """Raise TrainingError in all processes unless they begin with the same rows, given by their sha256."""
        mine = int(digest[:12], 16)
        if self.total(mine != self.agree(mine)):
            message = "The processes have made different rows, so they cannot learn together."
            raise TrainingError(message, "Give all machines the same pack and the same versions of everything.")

    def agree_on(self, device: Device) -> Device:
        """Return the device with the first process's number format."""
        names = list(PRECISIONS)
        chosen = names[int(self.agree(names.index(device.precision)))]
        return replace(device, dtype=PRECISIONS[chosen])

    def _collect(self, number: Tensor | float, how: Callable[[Tensor], object]) -> Tensor:
        place = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        value = torch.tensor(float(number), dtype=torch.float64, device=place)
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
    here = int(os.environ.get("LOCAL_RANK", "0"))
    if on_gpu and here >= torch.cuda.device_count():
        message = f"There are more processes than the {torch.cuda.device_count()} GPUs of this machine."
        raise TrainingError(message, "Start as many with --nproc_per_node as there are GPUs.")
    if on_gpu:
        torch.cuda.set_device(here)
    try:
        distributed.init_process_group("nccl" if on_gpu else "gloo")
    except ValueError as error:  # WORLD_SIZE is set, and the rest of what torchrun sets is not
        message = f"WORLD_SIZE is {size}, but there is no way to meet the others ({error})."
        raise TrainingError(message, "Start with torchrun, or unset WORLD_SIZE.") from error
    try:
        yield World(rank=distributed.get_rank(), size=size)
        distributed.barrier()  # nobody leaves while the first still writes: torchrun would take that for a failure
    finally:
        distributed.destroy_process_group()
