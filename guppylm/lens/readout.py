"""Turns the residual stream into what the model would say if it stopped early, and into who pushed for what.

The stream is only ever added to, and the head can read it at any point. Reading it behind each layer shows a reply
take shape ("logit lens": nostalgebraist, 2020). And because the stream is a sum, so is every score: the head is linear
once the last LayerNorm's mean and width are known, and each part's push on a word can be told exactly ("direct logit
attribution": Elhage et al., "A mathematical framework for transformer circuits", 2021).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from guppylm.lens.inside import Inside


@dataclass(frozen=True, kw_only=True)
class Guess:
    """A token that could come next, and its probability."""

    id: int
    p: float


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What the model would say next if it stopped here.

    Attributes:
        n_layers: how many blocks have been passed; 0 is the bare embedding.
        best: the likeliest tokens, the likeliest first.
        p_said: the probability of the token that came in the end.
        rank_said: its rank, 1 for the likeliest.
    """

    n_layers: int
    best: tuple[Guess, ...]
    p_said: float
    rank_said: int


@dataclass(frozen=True, kw_only=True)
class Push:
    """What one part added to the score of a token, beyond what it added to the average token.

    Attributes:
        part: "embedding", "attention", "feed_forward" or "bias" (what the last norm adds, whatever was said).
        layer: of which block, from 0; None for the embedding and the bias.
    """

    part: str
    layer: int | None
    amount: float


def by_layer(inside: Inside, position: int, *, n_best: int = 5) -> list[Layer]:
    """Return what would have been said at a position (from 1 up), from the embedding to the last layer."""
    said = inside.ids[position]
    layers = []
    for n_layers, logits in enumerate(_early_logits(inside, position - 1)):
        p = logits.softmax(dim=0)
        top = p.topk(min(n_best, len(p)))
        layers.append(
            Layer(
                n_layers=n_layers,
                best=tuple(Guess(id=int(id), p=float(each)) for id, each in zip(top.indices, top.values, strict=True)),
                p_said=float(p[said]),
                rank_said=1 + int((logits > logits[said]).sum()),
            )
        )
    return layers


def settled_at(layers: list[Layer]) -> int:
    """Return behind which layer the last favourite took the lead for good; 0 for the bare embedding."""
    favourite = layers[-1].best[0].id
    away = [layer.n_layers for layer in layers if layer.best[0].id != favourite]
    return away[-1] + 1 if away else 0


def topics_by_layer(inside: Inside) -> list[Mapping[str, float]]:
    """Return the probability of every topic behind each layer, where the reply begins; empty without gists."""
    gists = inside.bundle.tokenizer.gists
    if not gists or inside.reply.gist is None:
        return []
    columns = torch.tensor(list(gists.values()))
    by_layer = (logits[columns].softmax(dim=0) for logits in _early_logits(inside, inside.first - 2))
    return [dict(zip(gists, p.tolist(), strict=True)) for p in by_layer]


@torch.inference_mode()
def pushes(inside: Inside, position: int, *, of: int | None = None) -> list[Push]:
    """Return what each part pushed for the token at a position (from 1 up), or for another token `of` in its stead.

    The amounts add up to the token's logit minus the mean of all logits there. They are how far the score was lifted
    over the average word's; a probability is what is left after all words have been lifted.
    """
    at, trace, norm = position - 1, inside.trace, inside.bundle.model.norm
    final = trace.residual[-1][0, at]  # (D,)
    weight = inside.bundle.model.tokens.weight  # (V, D)
    direction = weight[inside.ids[position] if of is None else of] - weight.mean(dim=0)  # (D,)
    width = (final.var(unbiased=False) + norm.eps).sqrt()

    def push(part: Tensor) -> float:
        """The norm is linear, but for its width, which is that of the whole stream."""
        return float(((part - part.mean()) / width * norm.weight) @ direction)

    found = [Push(part="embedding", layer=None, amount=push(trace.residual[0][0, at]))]
    for layer in range(inside.bundle.config.n_layers):
        found.append(Push(part="attention", layer=layer, amount=push(trace.attention_out[layer][0, at])))
        found.append(Push(part="feed_forward", layer=layer, amount=push(trace.feed_forward_out[layer][0, at])))
    return [*found, Push(part="bias", layer=None, amount=float(norm.bias @ direction))]


@torch.inference_mode()
def _early_logits(inside: Inside, at: int) -> Tensor:
    """Return the logits (L + 1, V) at one position, read behind each layer."""
    stream = torch.stack([residual[0, at] for residual in inside.trace.residual])  # (L + 1, D)
    return inside.bundle.model.read_out(stream).double().cpu()
