"""Turns the name of a device into what training needs to know about it.

Everything that is true of a machine and not of training stands here: which accelerator there is, how
many cores we may really use, and in which number format it multiplies matrices fastest. The loop asks
`Device` and stays free of such lore.

Weights and the optimizer's memory are always float32. Only the matrix products inside `Device.autocast`
run in `Device.dtype`, which halves the bytes to move and, where the hardware has instructions for it,
does several times the work a second.

Set `OMP_WAIT_POLICY=PASSIVE` before torch is imported (train.py does): otherwise a thread that waits for
another spins, and on a machine shared with others that has cost a factor of fifty.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from guppylm.errors import TrainingError

Kind = Literal["cpu", "cuda", "mps"]
T = TypeVar("T")
DEVICES = ("auto", "cpu", "cuda", "mps")
M_ARENA_MAX = -8  # malloc.h of GNU's C library
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # Linux: microseconds of work, in how many
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where to compute, and how.

    Attributes:
        name: what people call it, as in `NVIDIA T4`.
        dtype: the format of matrix products inside `autocast`.
        n_threads: how many CPU cores to use.
    """

    kind: Kind
    name: str
    dtype: torch.dtype
    n_threads: int

    @property
    def torch_device(self) -> torch.device:
        return torch.device(self.kind)

    @property
    def precision(self) -> str:
        """The short name of `dtype`: fp32, bf16 or fp16."""
        return next(name for name, dtype in PRECISIONS.items() if dtype == self.dtype)

    @property
    def n_cores(self) -> int:
        """How many parts of a batch are learned from at a time; a GPU takes it whole."""
        return self.n_threads if self.kind == "cpu" else 1

    @property
    def tokens_at_once(self) -> int:
        """How many tokens to read together. A core's cache holds what a layer makes of a thousand."""
        return 1024 if self.kind == "cpu" else 2**30

    @property
    def positions_at_once(self) -> int:
        """How many positions to read out together, each giving as many numbers as there are tokens to choose from."""
        return 512 if self.kind == "cpu" else 2**30

    @property
    def steps_between_looks(self) -> int:
        """How many steps go by until their losses are asked for. A GPU must finish all it has queued to tell one."""
        return 16 if self.kind == "cuda" else 1

    def take(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return tensors of the CPU on this device. A GPU fetches them while it works on what it already has."""
        if self.kind == "cuda":
            tensors = tuple(tensor.pin_memory() for tensor in tensors)  # others it can only fetch when idle
        return tuple(tensor.to(self.torch_device, non_blocking=self.kind == "cuda") for tensor in tensors)

    def autocast(self) -> AbstractContextManager[None]:
        """Multiply matrices in `dtype` inside this context; sums and softmax stay in float32."""
        return torch.autocast(self.kind, dtype=self.dtype, enabled=self.dtype != torch.float32)

    def scaler(self) -> torch.amp.GradScaler:
        """Keep small gradients from vanishing in fp16, whose smallest number is 6e-8; idle otherwise.

        "Mixed precision training" (arXiv 1710.03740), section 3.2.
        """
        return torch.amp.GradScaler(self.kind, enabled=self.dtype == torch.float16)

    def describe(self) -> dict[str, str | int]:
        """Return what metrics.json says of it."""
        return {
            "kind": self.kind,
            "name": self.name,
            "n_threads": self.n_threads,
            "precision": self.precision,
        }


class Cores:
    """The cores of a CPU, each with work of its own from beginning to end. One alone stands for a whole GPU too.

    Torch would rather spread each single operation over all cores, and then they meet at each of the thousand
    products of a step. For matrices this small that leaves much of the second core unused.
    """

    def __init__(self, n_cores: int) -> None:
        self.n_cores = n_cores
        self._pool = ThreadPoolExecutor(n_cores) if n_cores > 1 else None

    def map(self, work: Callable[..., T], *arguments: Iterable[Any]) -> list[T]:
        """Return what `work` makes of each set of arguments, in their order."""
        if self._pool is None:
            return list(map(work, *arguments))
        return list(self._pool.map(partial(self._alone, work), *arguments))

    @staticmethod
    def _alone(work: Callable[..., T], *arguments: Any) -> T:
        torch.set_num_threads(1)  # of this thread; the others keep theirs
        return work(*arguments)


def pick(wanted: str = "auto", *, precision: str = "auto", clock: Callable[[], float] = time.perf_counter) -> Device:
    """Return the device called `wanted`, or with "auto" the fastest kind there is: CUDA, MPS, CPU.

    Args:
        wanted: one of DEVICES.
        precision: "auto" for what pays here, or a key of PRECISIONS. On a CPU "auto" is measured, so two
            machines may choose differently; name one to have the same on both.
        clock: what the measurement reads, in seconds.

    Raises:
        TrainingError: this machine has no such device, or there is none by that name.
    """
    if precision != "auto" and precision not in PRECISIONS:
        known = ", ".join(["auto", *PRECISIONS])
        raise TrainingError(f"There is no precision called {precision}.", f"Choose one of: {known}.")
    kind = find_kind(wanted)
    n_threads = max(1, usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))  # torchrun's, beside this one
    if kind == "cpu":
        torch.set_num_threads(n_threads)
        _share_one_heap()
    dtype = PRECISIONS[precision] if precision != "auto" else _best_dtype(kind, clock)
    return Device(kind=kind, name=_name(kind), dtype=dtype, n_threads=n_threads)


def _share_one_heap() -> None:
    """Let all threads take their memory from one place, where the C library can be told so.

    GNU's gives each thread a heap of its own, which keeps what it once needed: 0.4 GB more for two cores.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def find_kind(wanted: str) -> Kind:
    """Return the kind of device that `wanted` means on this machine. Raises TrainingError where there is none."""
    if wanted not in DEVICES:
        raise TrainingError(f"There is no device called {wanted}.", f"Choose one of: {', '.join(DEVICES)}.")
    there: dict[Kind, bool] = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return next(kind for kind, is_there in there.items() if is_there)
    for kind, is_there in there.items():
        if kind == wanted and is_there:
            return kind
    found = ", ".join(kind for kind, is_there in there.items() if is_there)
    raise TrainingError(f"There is no {wanted} device here.", f"This machine has: {found}.")


def _name(kind: Kind) -> str:
    if kind == "cuda":
        return torch.cuda.get_device_name()
    return _cpu_name()  # an Apple chip is both


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return how many cores this process may use: its affinity, and the share its container was given.

    In a container the machine's own count is a trap: sixteen threads on a share of two cores mostly wait.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    n_cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota, period = CPU_QUOTA.read_text(encoding="ascii").split()
        share = int(quota) // int(period)
    except (OSError, ValueError):  # no cgroups here, or the quota is "max"
        return n_cores
    return max(1, min(n_cores, share))


def _best_dtype(kind: Kind, clock: Callable[[], float]) -> torch.dtype:
    if kind == "cuda":
        # A T4 or older emulates bf16, slowly; fp16 it does in hardware.
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if kind == "mps":
        return torch.float32  # at this size the casts cost an Apple GPU more than the products save
    return torch.bfloat16 if bf16_gain(clock) > 1.3 else torch.float32


def bf16_gain(clock: Callable[[], float] = time.perf_counter) -> float:
    """Return how many times faster this CPU multiplies matrices of training size in bf16 than in fp32.

    Measured, not looked up: a name in a list says nothing about the next processor, or about the library
    underneath. From 0.02 (emulated) to 5 (avx512_bf16, AMX). Takes some hundredths of a second.
    """
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.ones(1024, 384, dtype=dtype)
        weight = torch.ones(384, 1152, dtype=dtype)
        took = []
        for _ in range(4):  # the first finds its kernel; the quickest was disturbed least
            started = clock()
            x @ weight
            took.append(clock() - started)
        seconds[dtype] = min(took)
    return seconds[torch.float32] / max(seconds[torch.bfloat16], 1e-9)
