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
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from guppylm.errors import TrainingError
from guppylm.packs.pack import Pack
from guppylm.training.settings import TrainSettings

if TYPE_CHECKING:
    from guppylm.training.loop import Run

START_OVER = "Train without --resume to start over"


# What a run has to remember about itself, as plain JSON.
REMEMBERED = ("step", "n_tokens", "elapsed_seconds", "losses", "curve", "replay")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What is in the file: tensors by name, and the rest."""

    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]


def path_for(out: Path) -> Path:
    """Return where the unfinished run of the bundle `out` is kept: beside it, hidden."""
    return out.parent / f".{out.name}.unfinished.safetensors"


def write(run: Run) -> None:
    """Write the file, taking the place of an older one in one go. Raises OSError, and the older one is still there."""
    weights = {f"model.{name}": tensor for name, tensor in run.model.state_dict().items()}
    tensors = {**weights, **_memory(run.optimizers), "dice": torch.get_rng_state()}
    state = {
        "pack": run.pack.digest,
        "rows": run.digest,
        "settings": run.settings.to_dict(),
        "scaler": run.scaler.state_dict(),
        "run": {name: getattr(run, name) for name in REMEMBERED},
    }
    path = path_for(run.out)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        with beside.open("wb") as file:
            file.write(save(on_cpu, metadata={"state": json.dumps(state)}))
            file.flush()
            os.fsync(file.fileno())  # a rename must not reach the disk before what it renames
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def forget(out: Path) -> None:
    """Remove the unfinished run of the bundle `out`, and what a power cut left of one."""
    path = path_for(out)
    for leftover in (path, path.with_name(path.name + ".new")):
        leftover.unlink(missing_ok=True)


def unfinished_settings(out: Path) -> TrainSettings:
    """Return the settings of the run that was stopped on its way to `out`. Raises TrainingError."""
    return _settings(_read(path_for(out)))


def read(out: Path, pack: Pack, settings: TrainSettings) -> Checkpoint:
    """Return the run that was stopped on its way to `out`.

    Raises:
        TrainingError: there is none, it cannot be read, or it is a run of another pack or other settings.
    """
    found = _read(path_for(out))
    if found.state["pack"] != pack.digest:
        raise TrainingError(
            f"{pack.name} has changed since the run was stopped, so it cannot go on.",
            f"{START_OVER} with the pack as it is.",
        )
    then = replace(_settings(found), device=settings.device)  # where it goes on is free
    differing = [f.name for f in fields(then) if getattr(then, f.name) != getattr(settings, f.name)]
    if differing:
        name = differing[0]
        raise TrainingError(
            f"The stopped run has {name} = {getattr(then, name)}, not {getattr(settings, name)}.",
            f"Resume it with its own settings. {START_OVER}.",
        )
    return found


def put_back(found: Checkpoint, run: Run) -> None:
    """Let `run` stand where the stopped one stood; on a CPU it takes the same steps from there.

    Raises:
        TrainingError: it learned from other rows, because the program that makes them has changed since.
    """
    tensors, state = found.tensors, found.state
    if state.get("rows") != run.digest:
        raise _other_version()
    run.model.load_state_dict(
        {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}
    )
    _remember(run.optimizers, tensors)
    run.scaler.load_state_dict(state["scaler"])
    torch.set_rng_state(tensors["dice"])
    for name in REMEMBERED:
        setattr(run, name, state["run"][name])


def _read(path: Path) -> Checkpoint:
    if not path.is_file():
        raise TrainingError("There is no unfinished run to resume.", f"It would be in {path}. {START_OVER}.")
    try:
        with safetensors.safe_open(path, framework="pt") as opened:
            state = json.loads(opened.metadata()["state"])
        return Checkpoint(tensors=load_file(path), state=state)
    except Exception as error:  # safetensors has its own for a damaged file, json another
        raise TrainingError(f"{path}: damaged ({error}).", f"{START_OVER}.") from error


def _settings(found: Checkpoint) -> TrainSettings:
    try:
        return TrainSettings.from_dict(found.state["settings"])
    except (KeyError, TypeError) as error:  # settings have come and gone since
        raise _other_version() from error


def _other_version() -> TrainingError:
    return TrainingError("The stopped run is one of another version of this program.", f"{START_OVER}.")


def _memory(optimizers: list[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Return everything the optimizers remember, as `optimizer.0.7.momentum`: optimizer, parameter, what."""
    return {
        f"optimizer.{number}.{parameter}.{what}": torch.as_tensor(value)
        for number, optimizer in enumerate(optimizers)
        for parameter, memory in optimizer.state_dict()["state"].items()
        for what, value in memory.items()
    }


def _remember(optimizers: list[torch.optim.Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Give the optimizers their memory back."""
    memories: list[dict[int, dict[str, Tensor]]] = [{} for _ in optimizers]
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, number, parameter, what = name.split(".")
            memories[int(number)].setdefault(int(parameter), {})[what] = tensor
    for optimizer, memory in zip(optimizers, memories, strict=True):
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": memory, "param_groups": groups})
