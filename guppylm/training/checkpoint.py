"""Turns a half-trained run into one file, and back, so that it goes on as if it had never stopped.

What decides the next step is: the weights, what the optimizers remember, the state of torch's dice (for
dropout), and how far the run is. Everything else follows from the pack and the settings. Numbers in
tensors are stored as tensors, the rest as JSON in the header of the same safetensors file. One file,
because a single rename is what every file system does either wholly or not at all.

Deliberately not: pickle, and therefore not torch.save.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from guppylm.errors import TrainingError

START_OVER = "Train without --resume to start over."


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What is in the file: `tensors` by name, and `state`, plain JSON."""

    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]

    def save(self, path: Path) -> None:
        """Write the file, taking the place of an older one in one go."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.name + ".new")
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        save_file(tensors, beside, metadata={"state": json.dumps(self.state)})
        os.replace(beside, path)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read the file. Raises TrainingError where there is none, or none that can be read."""
        if not path.is_file():
            raise TrainingError(
                "There is no unfinished run to resume here.", f"A stopped run leaves {path}. {START_OVER}"
            )
        try:
            with safetensors.safe_open(path, framework="pt") as opened:
                state = json.loads(opened.metadata()["state"])
            return cls(tensors=load_file(path), state=state)
        except Exception as error:  # safetensors has its own for a damaged file, json another
            raise TrainingError(f"{path}: damaged ({error}).", START_OVER) from error


def checkpoint_path(out: Path) -> Path:
    """Return where the unfinished run of the bundle `out` is kept: beside it, hidden."""
    return out.parent / f".{out.name}.unfinished.safetensors"


def pack_optimizers(optimizers: list[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Return everything the optimizers remember, as `optimizer.0.7.momentum`: optimizer, parameter, what."""
    return {
        f"optimizer.{number}.{parameter}.{what}": torch.as_tensor(value)
        for number, optimizer in enumerate(optimizers)
        for parameter, memory in optimizer.state_dict()["state"].items()
        for what, value in memory.items()
    }


def unpack_optimizers(optimizers: list[torch.optim.Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Give the optimizers their memory back."""
    memories: list[dict[int, dict[str, Tensor]]] = [{} for _ in optimizers]
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, number, parameter, what = name.split(".")
            memories[int(number)].setdefault(int(parameter), {})[what] = tensor
    for optimizer, memory in zip(optimizers, memories, strict=True):
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": memory, "param_groups": groups})
