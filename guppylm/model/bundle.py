"""Turns a trained persona into a folder, and a folder back into a trained persona.

    models/guppy/
    ├── config.json  model.safetensors               the model, in GPT-2's layout (see gpt2.py)
    ├── tokenizer.json  tokenizer_config.json        the vocabulary, the merges, the chat format
    ├── chat_template.jinja  generation_config.json  the chat format again, and how boldly to choose
    ├── pack/                                        every file it was raised on
    ├── metrics.json                                 how it was trained, and the digests of the above
    ├── replay.json                                  what it said while it learned
    └── README.md                                    the model card

One folder is checkpoint, Hub repository and something `transformers` opens. It is written beside its
place and then renamed, so there is never half a bundle. It is read strictly: whatever does not fit
together is refused with the place and a remedy. A `Bundle` that exists needs no later check.

Deliberately not: pickle, in any form; and no older layouts. A folder is a bundle or it is not.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import safetensors.torch
import torch

from guppylm.errors import BundleError
from guppylm.model import folder as files
from guppylm.model.card import model_card
from guppylm.model.gpt2 import DTYPES, config_to_gpt2, weights_from_gpt2, weights_to_gpt2
from guppylm.model.sampling import Sampling
from guppylm.model.tokenizer import CHAT_TEMPLATE, Tokenizer
from guppylm.model.transformer import ModelConfig, Transformer

if TYPE_CHECKING:
    from guppylm.packs.pack import Pack


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundle:
    """A trained persona: everything needed to talk to it, look into it and raise it again.

    Attributes:
        pack_files: the files of the pack and of those it extends, keyed as `guppy/persona.yaml`.
        metrics: numbers, seed, versions and the command, as plain JSON. "persona" names the pack among
            `pack_files`; "digests" is written by `save`.
        replay: what it said while it learned, as plain JSON.
        generation: how boldly to choose, unless somebody asks for something else.
        folder: where it was read from; None for one that was never saved.
    """

    config: ModelConfig
    model: Transformer = field(repr=False)
    tokenizer: Tokenizer = field(repr=False)
    pack_files: Mapping[str, bytes] = field(repr=False)
    metrics: Mapping[str, Any] = field(repr=False)
    replay: Any = field(default_factory=list, repr=False)
    generation: Sampling = field(default_factory=Sampling)
    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.model.config != self.config:
            raise BundleError("the model was built with another config than the bundle has.", "Pass model.config.")
        if self.tokenizer.vocab_size != self.config.vocab_size:
            sizes = f"{self.tokenizer.vocab_size} entries and the config {self.config.vocab_size}"
            raise BundleError(f"the tokenizer has {sizes}.", files.FETCH_AGAIN)
        self._check_pack()

    def _check_pack(self) -> None:
        if self.name not in {path.split("/")[0] for path in self.pack_files}:
            raise BundleError(
                f"metrics name the persona {self.name!r}, and there is no such pack in pack/.",
                'Set metrics["persona"] to the folder name of the pack.',
            )
        for path in self.pack_files:
            if "\\" in path or any(part in ("", "..") or part.startswith(".") for part in path.split("/")):
                raise BundleError(f"{path!r} cannot be a file of a pack.", "Paths stay inside the pack's folder.")

    @property
    def name(self) -> str:
        """The pack's name, which the persona goes by on disk."""
        return str(self.metrics.get("persona", ""))

    @cached_property
    def pack(self) -> Pack:
        """The exact pack it was raised on, read from the bundle's own copy. Raises PackError, BundleError."""
        if self.folder is None:
            raise BundleError("this bundle was never saved, so its pack is on no disk.", "Save and load it first.")
        from guppylm.packs.load import load_pack

        return load_pack(self.name, personas_dir=self.folder / "pack")

    def save(
        self,
        folder: Path | str,
        *,
        dtype: Literal["fp32", "fp16"] = "fp32",
        other_files: Mapping[str, bytes] | None = None,
        keep_previous: bool = False,
    ) -> Path:
        """Write the bundle to `folder`, taking the place of a bundle that is there, and return the folder.

        Args:
            dtype: "fp16" halves the size, for shipping; "fp32" keeps every bit.
            other_files: more files for the top of the folder, as `{"loss.png": …}`. A README.md among them is
                used instead of the plain card.
            keep_previous: whether to keep the bundle that is there beside the new one; see `folder.previous_of`.

        Raises:
            OSError: no room, or no right to write; what was there is left as it was.
            BundleError: the place is taken by something else, or the weights hold no numbers.
        """
        target = Path(folder).resolve()
        files.check_place(target)
        contents = {**self._contents(dtype), **(other_files or {})}
        beside = files.place_beside(target)
        try:
            for path, content in contents.items():
                (beside / path).parent.mkdir(parents=True, exist_ok=True)
                (beside / path).write_bytes(content)
            files.swap_in(beside, target, keep=keep_previous)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return target

    def _contents(self, dtype: Literal["fp32", "fp16"]) -> dict[str, bytes]:
        """Every file of the folder, by path."""
        kind = {"fp32": "float32", "fp16": "float16"}[dtype]
        tensors = weights_to_gpt2(self.model.state_dict(), self.config)
        tensors = {name: tensor.detach().to("cpu", DTYPES[kind]) for name, tensor in tensors.items()}
        files.check_finite(tensors, "the weights", "Train again, with a lower learning rate.")
        weights = safetensors.torch.save(tensors, metadata={"format": "pt"})
        tokenizer = self.tokenizer.to_json().encode()
        config = files.to_json(config_to_gpt2(self.config, dtype=kind))
        digests = {
            **self.metrics.get("digests", {}),
            "config": files.digest(config),
            "weights": files.digest(weights),
            "tokenizer": files.digest(tokenizer),
            "pack": files.digest_of_files(self.pack_files),
        }
        card = model_card(
            name=self.name,
            title=str(self.metrics.get("title", self.name)),
            config=self.config,
            n_parameters=self.model.n_parameters,
        )
        return {
            "config.json": config,
            "model.safetensors": weights,
            "tokenizer.json": tokenizer,
            "tokenizer_config.json": files.to_json(files.tokenizer_config(self.config)),
            "chat_template.jinja": CHAT_TEMPLATE.encode(),
            "generation_config.json": files.to_json(files.generation_config(self.generation, self.config)),
            "metrics.json": files.to_json({**self.metrics, "digests": digests}),
            "replay.json": files.to_json(self.replay),
            "README.md": card.encode("utf-8", "replace"),
            **{f"pack/{path}": content for path, content in self.pack_files.items()},
        }

    @classmethod
    def load(cls, folder: Path | str, *, device: torch.device | str = "cpu") -> Bundle:
        """Read a bundle, its model in fp32 on `device` and ready to talk.

        Raises:
            BundleError: something is missing, unreadable or does not fit; says which file and what to do.
        """
        folder = Path(folder)
        parts = files.read_parts(folder)
        tokenizer = files.read_tokenizer(folder, parts.metrics)
        weights = files.read_weights(folder, parts.metrics)
        with torch.random.fork_rng(devices=[]):  # the first weights are thrown away; let nobody's dice notice
            model = Transformer(parts.config)
        model.load_state_dict(weights_from_gpt2(weights, parts.config))
        return cls(
            config=parts.config,
            model=model.to(device).eval(),
            tokenizer=tokenizer,
            pack_files=parts.pack_files,
            metrics=parts.metrics,
            replay=parts.replay,
            generation=parts.generation,
            folder=folder,
        )


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A folder among the bundles: its name, and what is wrong with it. No problem means that it will load."""

    name: str
    problem: str

    @property
    def ok(self) -> bool:
        return not self.problem


def list_bundles(models_dir: Path | str) -> list[Listed]:
    """Return every folder of `models_dir` by name, without reading weights.

    Everything is checked that can be without them: that the files are there and say what they should, the
    names, shapes and dtypes in the weights' header, and the pack's digest.
    """
    models_dir = Path(models_dir)
    if not models_dir.is_dir():
        return []
    folders = sorted(path for path in models_dir.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [Listed(name=folder.name, problem=_problem(folder)) for folder in folders]


def _problem(folder: Path) -> str:
    try:
        files.read_parts(folder)
    except BundleError as error:
        return str(error)
    return ""
