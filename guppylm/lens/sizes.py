"""Turns a model into a drawing with numbers in it, and one pass through it into how much each part did.

Sizes along the stream are lengths of vectors (the root of the sum of squares). They grow from layer to layer, because
nothing is ever taken away; what counts is how long an addition is beside what it is added to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from guppylm.lens.inside import Inside
from guppylm.model.transformer import Transformer


@dataclass(frozen=True, kw_only=True)
class Part:
    """A box of the drawing.

    Attributes:
        name: as in the code, `attention.qkv`.
        layer: of which block, from 0; None outside the blocks.
        shapes: of its tensors by name, `{"weight": (384, 256)}`.
        n_parameters: how many numbers were learned in it.
    """

    name: str
    layer: int | None
    shapes: dict[str, tuple[int, ...]]
    n_parameters: int


@dataclass(frozen=True, kw_only=True)
class LayerSizes:
    """What one block did at one position.

    Attributes:
        before, attention, feed_forward, after: lengths of the stream and of what was added to it.
        n_firing: how many of the neurons gave anything but 0.
        loudest: (neuron, how far it moved the stream) of the neurons that did most.
    """

    before: float
    attention: float
    feed_forward: float
    after: float
    n_firing: int
    loudest: tuple[tuple[int, float], ...]


def parts(model: Transformer) -> list[Part]:
    """Return every part that has learned numbers, in the order in which data meets them."""
    found: dict[tuple[int | None, str], dict[str, tuple[int, ...]]] = {}
    for path, parameter in model.named_parameters():
        layer, name, tensor = _place(path)
        found.setdefault((layer, name), {})[tensor] = tuple(parameter.shape)
    return [
        Part(name=name, layer=layer, shapes=shapes, n_parameters=sum(map(_product, shapes.values())))
        for (layer, name), shapes in found.items()
    ]


def layer_sizes(inside: Inside, position: int, *, n_loudest: int = 5) -> list[LayerSizes]:
    """Return what every block did at a position."""
    return list(_layer_sizes(inside, position, n_loudest))


def _layer_sizes(inside: Inside, at: int, n_loudest: int) -> Iterator[LayerSizes]:
    trace = inside.trace
    for layer, block in enumerate(inside.bundle.model.blocks):
        fired = trace.hidden[layer][0, at]  # (d_ff,)
        moved = fired * block.feed_forward.down.weight.detach().norm(dim=0)  # (d_ff,)
        top = moved.topk(min(n_loudest, len(moved)))
        yield LayerSizes(
            before=float(trace.residual[layer][0, at].norm()),
            attention=float(trace.attention_out[layer][0, at].norm()),
            feed_forward=float(trace.feed_forward_out[layer][0, at].norm()),
            after=float(trace.residual[layer + 1][0, at].norm()),
            n_firing=int((fired > 0).sum()),
            loudest=tuple(
                (int(neuron), float(amount))
                for neuron, amount in zip(top.indices, top.values, strict=True)
                if amount > 0
            ),
        )


def _place(path: str) -> tuple[int | None, str, str]:
    """Split `blocks.3.attention.qkv.weight` into (3, "attention.qkv", "weight")."""
    name, _, tensor = path.rpartition(".")
    if name.startswith("blocks."):
        _, layer, name = name.split(".", 2)
        return int(layer), name, tensor
    return None, name, tensor


def _product(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())
