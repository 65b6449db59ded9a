"""Turns the files of a bundle's folder into checked parts, and says what they have to hold.

The order of the checks is that of the messages one would like to read: first whether a file is there,
then whether it is readable, then whether it says what the others say, and last whether the digests agree.
A digest alone would refuse the same folders, but could not tell what is wrong with them.

Deliberately not: repair. What is broken is named; the remedy is to fetch it or train it again.
"""

from __future__ import annotations

import glob
import hashlib
import json
import math
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from guppylm.errors import BundleError, GuppyError
from guppylm.model.gpt2 import FETCH_AGAIN, check_tensors, config_from_gpt2
from guppylm.model.sampling import Sampling
from guppylm.model.tokenizer import CHAT_TEMPLATE, CONTROL_TOKENS, Tokenizer
from guppylm.model.transformer import ModelConfig

FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "generation_config.json",
    "metrics.json",
    "replay.json",
    "README.md",
)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a bundle's small files say, all of it checked.

    Attributes:
        dtype: how the weights are stored, a key of gpt2.DTYPES.
    """

    config: ModelConfig
    dtype: str
    generation: Sampling
    metrics: dict[str, Any]
    replay: Any
    pack_files: dict[str, bytes]


def read_parts(folder: Path) -> Parts:
    """Read everything but the weights and the vocabulary, of which only the header is. Raises BundleError."""
    _check_complete(folder)
    config, dtype = config_from_gpt2(_from_json(folder / "config.json"), str(folder / "config.json"))
    _check_equal(folder / "tokenizer_config.json", tokenizer_config(config))
    template = folder / "chat_template.jinja"
    if template.read_bytes() != CHAT_TEMPLATE.encode():
        raise BundleError(f"{template}: not the chat format that this project speaks.", FETCH_AGAIN)
    metrics = _from_json(folder / "metrics.json")
    if not isinstance(metrics, dict) or not isinstance(metrics.get("digests"), dict):
        raise BundleError(f"{folder / 'metrics.json'}: no digests in it.", FETCH_AGAIN)
    _check_header(folder / "model.safetensors", config, dtype)
    # The weights look the same whatever the number of heads; only the digest can tell.
    _check_digest(folder / "config.json", metrics, "config", digest((folder / "config.json").read_bytes()))
    pack_files = _read_tree(folder / "pack")
    _check_digest(folder / "pack", metrics, "pack", digest_of_files(pack_files))
    return Parts(
        config=config,
        dtype=dtype,
        generation=_read_generation(folder / "generation_config.json", config),
        metrics=metrics,
        replay=_from_json(folder / "replay.json"),
        pack_files=pack_files,
    )


def read_tokenizer(folder: Path, metrics: Mapping[str, Any]) -> Tokenizer:
    """Read tokenizer.json. Raises BundleError where it is damaged or another bundle's."""
    path = folder / "tokenizer.json"
    tokenizer = Tokenizer.load(path)
    _check_digest(path, metrics, "tokenizer", digest(path.read_bytes()))
    return tokenizer


def read_weights(folder: Path, metrics: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors under GPT-2's names, in fp32. Call `read_parts` first. Raises BundleError."""
    path = folder / "model.safetensors"
    content = path.read_bytes()
    tensors = safetensors.torch.load(content)
    check_finite(tensors, str(path), FETCH_AGAIN)
    _check_digest(path, metrics, "weights", digest(content))
    return {name: tensor.to(torch.float32) for name, tensor in tensors.items()}


def tokenizer_config(config: ModelConfig) -> dict[str, object]:
    """Return the contents of tokenizer_config.json, which `transformers` and transformers.js read."""
    pad, start, end = CONTROL_TOKENS
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": start,
        "eos_token": end,
        "pad_token": pad,
        "model_max_length": config.context,
        "model_input_names": [
            "input_ids",
            "attention_mask",
        ],  # token types would be added to the stream as words
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }


def generation_config(sampling: Sampling, config: ModelConfig) -> dict[str, object]:
    """Return the contents of generation_config.json, our settings under the names of `transformers`."""
    return {
        "do_sample": sampling.temperature > 0,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "no_repeat_ngram_size": sampling.no_repeat,
        "max_new_tokens": max(1, config.context // 4),
        "bos_token_id": Tokenizer.start_id,
        "eos_token_id": Tokenizer.end_id,
        "pad_token_id": Tokenizer.pad_id,
    }


def digest(content: bytes) -> str:
    """Return the sha256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest_of_files(files: Mapping[str, bytes]) -> str:
    """Return one sha256 for many files: that of the lines `sha256sum` prints for them, sorted by path."""
    lines = (f"{digest(content)}  {path}\n" for path, content in sorted(files.items()))
    return digest("".join(lines).encode())


def to_json(content: object) -> bytes:
    """Return readable JSON. A number that is none becomes null: JSON has no word for it."""
    text = json.dumps(_finite(content), indent=2, ensure_ascii=False)
    return (text + "\n").encode("utf-8", "backslashreplace")


def check_finite(tensors: Mapping[str, Tensor], where: str, help: str) -> None:
    """Raise BundleError for a tensor with NaN or infinity in it."""
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise BundleError(f"{where}: {name} holds something that is no number.", help)


def check_place(target: Path) -> None:
    """Raise BundleError unless a bundle may be written here: nothing, an empty folder, or another bundle."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise BundleError(
            f"{target.parent}: nothing can be written there: {reason}.", "Choose another folder."
        ) from error
    if not target.exists():
        return
    is_bundle = (target / "config.json").is_file() and (target / "metrics.json").is_file()
    if not target.is_dir() or not (is_bundle or not any(target.iterdir())):
        raise BundleError(f"{target}: there is something here, and it is no bundle.", "Choose another folder.")


def previous_of(target: Path) -> Path:
    """Return where the bundle that a new one replaced is kept."""
    return target.parent / f".{target.name}.previous"


def swap_in(beside: Path, target: Path, *, keep: bool = False) -> None:
    """Put the finished folder `beside` in the place of `target`; on failure, leave what was there.

    Args:
        keep: what was there becomes the previous bundle, instead of the one kept before.
    """
    retired = previous_of(target) if keep else place_beside(target)
    if target.exists():
        shutil.rmtree(retired, ignore_errors=True)
        os.rename(target, retired)
    try:
        os.rename(beside, target)
    except OSError:
        if retired.exists():
            os.rename(retired, target)
        raise
    if not keep:
        shutil.rmtree(retired, ignore_errors=True)


def place_beside(target: Path) -> Path:
    """Return the name of a hidden folder, not yet there, in which to write what will become `target`."""
    return target.parent / f".{target.name}.{secrets.token_hex(4)}"


def clear_leftovers(target: Path) -> None:
    """Remove what a writer of `target` that was killed has left beside it."""
    if target.exists():  # else one of them may be what it was killed just before putting back
        for leftover in target.parent.glob(f".{glob.escape(target.name)}." + "[0-9a-f]" * 8):
            shutil.rmtree(leftover, ignore_errors=True)


def _check_complete(folder: Path) -> None:
    if not folder.is_dir():
        raise BundleError(f"{folder}: there is no such folder.", "Train a persona, or give the path of a bundle.")
    missing = [name for name in FILES if not (folder / name).is_file()]
    if not (folder / "pack").is_dir():
        missing.append("pack/")
    if missing:
        raise BundleError(f"{folder}: not a whole bundle, {', '.join(missing)} missing.", FETCH_AGAIN)


def _check_header(path: Path, config: ModelConfig, dtype: str) -> None:
    """Check the weights as far as their header tells, which takes no time."""
    kinds = {"F32": torch.float32, "F16": torch.float16}
    try:
        with safetensors.safe_open(path, framework="pt") as opened:
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118, it is no dict
            found = {name: (s.get_shape(), kinds.get(s.get_dtype())) for name, s in slices.items()}
    except Exception as error:  # safetensors has its own for a damaged file
        raise BundleError(f"{path}: damaged or cut short ({error}).", FETCH_AGAIN) from error
    check_tensors(found, config, dtype, str(path))


def _read_tree(folder: Path) -> dict[str, bytes]:
    """Return every file under a folder by its path in it. Hidden ones are a file manager's."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    named = ((path.relative_to(folder), path) for path in paths)
    return {
        place.as_posix(): path.read_bytes()
        for place, path in named
        if not any(part.startswith(".") for part in place.parts)
    }


def _read_generation(path: Path, config: ModelConfig) -> Sampling:
    found = _from_json(path)
    try:
        sampling = Sampling(
            temperature=found["temperature"],
            top_k=found["top_k"],
            top_p=found["top_p"],
            no_repeat=found["no_repeat_ngram_size"],
        )
    except (KeyError, TypeError) as error:
        raise BundleError(f"{path}: a setting is missing ({error}).", FETCH_AGAIN) from error
    except GuppyError as error:
        raise BundleError(f"{path}: {error.message}", error.help) from error
    _check_equal(path, generation_config(sampling, config))
    return sampling


def _check_equal(path: Path, expected: dict[str, object]) -> None:
    found = _from_json(path)
    if not isinstance(found, dict):
        raise BundleError(f"{path}: not a JSON object.", FETCH_AGAIN)
    for key in sorted(expected.keys() | found.keys()):
        if key not in found:
            raise BundleError(f"{path}: {key} is missing.", FETCH_AGAIN)
        if key not in expected:
            raise BundleError(f"{path}: {key} is a setting that this project does not have.", FETCH_AGAIN)
        if found[key] != expected[key]:
            raise BundleError(f"{path}: {key} is {found[key]!r} where {expected[key]!r} is called for.", FETCH_AGAIN)


def _check_digest(path: Path, metrics: Mapping[str, Any], name: str, found: str) -> None:
    if metrics["digests"].get(name) != found:
        raise BundleError(f"{path}: not the {name} that metrics.json describes; its digest differs.", FETCH_AGAIN)


def _from_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # also what is not UTF-8
        raise BundleError(f"{path}: not readable as JSON ({error}).", FETCH_AGAIN) from error


def _finite(content: object) -> object:
    if isinstance(content, float) and not math.isfinite(content):
        return None
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content
