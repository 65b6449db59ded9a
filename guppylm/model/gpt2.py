"""Turns a ModelConfig and its weights into GPT-2's config.json and tensors, and back.

The model *is* a GPT-2 with ReLU and a narrower feed-forward net, so a bundle loads with `transformers`,
transformers.js and whatever else knows GPT-2, and none of our code has to be trusted for that.

Three things differ between the two spellings: the names, the direction of the weight matrices (GPT-2's
Conv1D keeps them transposed), and the head, which is tied to the embedding and so not stored at all.

Reading refuses instead of guessing: a setting or a tensor that we would have to ignore is an error,
because ignoring it gives a model that runs and talks nonsense.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from guppylm.errors import BundleError, GuppyError
from guppylm.model.tokenizer import Tokenizer
from guppylm.model.transformer import ModelConfig

FETCH_AGAIN = "Fetch or train the bundle again."

DTYPES = {"float32": torch.float32, "float16": torch.float16}

# What config.json says of every bundle, whatever its size.
FIXED: dict[str, object] = {
    "architectures": ["GPT2LMHeadModel"],
    "model_type": "gpt2",
    "activation_function": "relu",
    "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "tie_word_embeddings": True,
    "bos_token_id": Tokenizer.start_id,
    "eos_token_id": Tokenizer.end_id,
    "pad_token_id": Tokenizer.pad_id,
}

# Our field -> GPT-2's keys for it. GPT-2 has three dropouts where we have one.
SIZES: dict[str, tuple[str, ...]] = {
    "vocab_size": ("vocab_size",),
    "context": ("n_positions",),
    "n_layers": ("n_layer",),
    "n_heads": ("n_head",),
    "d_model": ("n_embd",),
    "d_ff": ("n_inner",),
    "dropout": ("resid_pdrop", "embd_pdrop", "attn_pdrop"),
}

OUTSIDE_BLOCKS = {
    "tokens.weight": "transformer.wte.weight",
    "positions.weight": "transformer.wpe.weight",
    "norm.weight": "transformer.ln_f.weight",
    "norm.bias": "transformer.ln_f.bias",
}

IN_A_BLOCK = {
    "norm_1": "ln_1",
    "attention.qkv": "attn.c_attn",
    "attention.out": "attn.c_proj",
    "norm_2": "ln_2",
    "feed_forward.up": "mlp.c_fc",
    "feed_forward.down": "mlp.c_proj",
}


def config_to_gpt2(config: ModelConfig, *, dtype: str) -> dict[str, object]:
    """Return the contents of config.json; `dtype` is a key of DTYPES."""
    sizes = {theirs: getattr(config, ours) for ours, names in SIZES.items() for theirs in names}
    return {**FIXED, **sizes, "dtype": dtype}


def config_from_gpt2(found: object, where: str) -> tuple[ModelConfig, str]:
    """Return the config and the dtype of the weights. Raises BundleError naming `where` and the setting."""
    if not isinstance(found, dict):
        raise BundleError(f"{where}: not a JSON object.", FETCH_AGAIN)
    expected = config_to_gpt2(ModelConfig(vocab_size=1), dtype="float32")
    for key in sorted(expected.keys() - found.keys()):
        raise BundleError(f"{where}: {key} is missing.", FETCH_AGAIN)
    for key in sorted(found.keys() - expected.keys()):
        raise BundleError(f"{where}: {key} is a setting that this model does not have.", FETCH_AGAIN)
    for key, value in FIXED.items():
        if found[key] != value or isinstance(found[key], bool) != isinstance(value, bool):
            raise BundleError(f"{where}: {key} is {found[key]!r}, and only {value!r} is implemented.", FETCH_AGAIN)
    if found["dtype"] not in DTYPES:
        raise BundleError(f"{where}: dtype is {found['dtype']!r}.", f"Known are {' and '.join(DTYPES)}.")
    if not found["resid_pdrop"] == found["embd_pdrop"] == found["attn_pdrop"]:
        raise BundleError(f"{where}: the three dropouts differ, and this model has only one.", FETCH_AGAIN)
    try:
        config = ModelConfig(**{ours: found[names[0]] for ours, names in SIZES.items()})
    except GuppyError as error:
        raise BundleError(f"{where}: {error.message}", error.help) from error
    return config, str(found["dtype"])


def tensor_names(config: ModelConfig) -> dict[str, str]:
    """Return GPT-2's name for each of our parameters."""
    names = dict(OUTSIDE_BLOCKS)
    for layer in range(config.n_layers):
        for ours, theirs in IN_A_BLOCK.items():
            for kind in ("weight", "bias"):
                names[f"blocks.{layer}.{ours}.{kind}"] = f"transformer.h.{layer}.{theirs}.{kind}"
    return names


def tensor_shapes(config: ModelConfig) -> dict[str, list[int]]:
    """Return the shape of every tensor that model.safetensors holds, by GPT-2's name for it."""
    V, D, F = config.vocab_size, config.d_model, config.d_ff
    matrices = {"attn.c_attn": [D, 3 * D], "attn.c_proj": [D, D], "mlp.c_fc": [D, F], "mlp.c_proj": [F, D]}
    shapes = {"wte.weight": [V, D], "wpe.weight": [config.context, D], "ln_f.weight": [D], "ln_f.bias": [D]}
    for layer in range(config.n_layers):
        for name in IN_A_BLOCK.values():
            weight = matrices.get(name, [D])
            shapes[f"h.{layer}.{name}.weight"] = weight
            shapes[f"h.{layer}.{name}.bias"] = weight[-1:]
    return {f"transformer.{name}": shape for name, shape in shapes.items()}


def weights_to_gpt2(weights: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Return our state dict under GPT-2's names, matrices turned."""
    return {theirs: _turned(ours, weights[ours]) for ours, theirs in tensor_names(config).items()}


def weights_from_gpt2(tensors: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Return GPT-2's tensors as our state dict. Call `check_tensors` first."""
    return {ours: _turned(ours, tensors[theirs]) for ours, theirs in tensor_names(config).items()}


def _turned(our_name: str, tensor: Tensor) -> Tensor:
    """Transpose the matrices that Conv1D keeps the other way round: those in a block."""
    return tensor.T.contiguous() if our_name.startswith("blocks.") and tensor.dim() == 2 else tensor.contiguous()


def check_tensors(
    found: Mapping[str, tuple[Sequence[int], torch.dtype]], config: ModelConfig, dtype: str, where: str
) -> None:
    """Compare names, shapes and dtypes with what `config` calls for. Raises BundleError naming the tensor."""
    expected = tensor_shapes(config)
    for name in sorted(expected.keys() - found.keys()):
        raise BundleError(f"{where}: {name} is missing.", FETCH_AGAIN)
    for name in sorted(found.keys() - expected.keys()):
        raise BundleError(f"{where}: {name} is a tensor that this model does not have.", FETCH_AGAIN)
    for name, (shape, kind) in found.items():
        if list(shape) != expected[name]:
            message = f"{where}: {name} has the shape {list(shape)}, and config.json calls for {expected[name]}."
            raise BundleError(message, FETCH_AGAIN)
        if kind != DTYPES[dtype]:
            raise BundleError(f"{where}: {name} is {kind}, and config.json says {dtype}.", FETCH_AGAIN)
