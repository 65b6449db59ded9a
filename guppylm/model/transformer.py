"""Turns token ids (B, T) into logits (B, T, V): a decoder-only transformer, as plain as it gets.

In:
    - pre-LayerNorm blocks: attention, then a two-layer feed-forward net, each added to the stream
    - learned token and position embeddings, biases everywhere, ReLU, dropout
    - an output head that is the token embedding again (tied), behind one final LayerNorm
    - GPT-2's initialisation, and tensors that map one to one to GPT-2's, so that what is trained here
      loads anywhere GPT-2 does (bundle.py writes that form)

Left out on purpose: rotary positions, grouped queries, SwiGLU, RMSNorm, QK-norm, experts, early exit.
Each pays off in large models. With nine million parameters and a few dozen tokens there is little for
them to save, and every one of them is a page that a reader would have to learn first.

One forward pass serves three readers. Training calls it plainly. Chat hands in a `KVCache` and then
only the new tokens. The look inside hands in a `Trace` and finds every intermediate value in it.
There is no second implementation that could disagree with this one.

Glossary, used in every shape comment:
    B  batch, rows side by side         H  attention heads           D  width of the residual stream
    T  tokens in this call              L  layers (blocks)           V  vocabulary
    S  tokens seen in all: the ones in the cache and the T new ones  d  width of one head, D / H

The residual stream, one row of D numbers for each token, from left to right:

    id ─▶ token row + position row ─┬───────────────▶(+)─┬──────────────▶(+)─▶ … ─▶ norm ─▶ head ─▶ logits
                                    └▶ norm ▶ attend ─┘  └▶ norm ▶ think ─┘
                                       looks back at        on its own
                                       earlier tokens       row only
                                    └───────────── block, L times ────────┘

Nothing ever overwrites the stream: a block reads it and adds to it. That is why one can stop after
any block and ask what the model would say by then (`Transformer.read_out` on `Trace.residual`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from guppylm.errors import GuppyError

# Sizes by name; the vocabulary comes from the tokenizer that was trained on the pack.
PRESETS: dict[str, dict[str, int | float]] = {
    "9m": {"context": 256, "n_layers": 6, "n_heads": 6, "d_model": 384, "d_ff": 768, "dropout": 0.1},
    "3m": {"context": 256, "n_layers": 4, "n_heads": 4, "d_model": 256, "d_ff": 512, "dropout": 0.1},
    "smoke": {"context": 256, "n_layers": 2, "n_heads": 2, "d_model": 64, "d_ff": 128, "dropout": 0.0},
}


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The shape of a model. A ModelConfig that exists is a valid one.

    Raises:
        GuppyError: a field is not a number of the right kind, or the fields do not fit together.
    """

    vocab_size: int  # V, rows of the embedding: exactly what the tokenizer has, no unused rows
    context: int = 256  # most tokens the model can see, message and reply together
    n_layers: int = 6  # L, how often the stream is read and added to
    n_heads: int = 6  # H, how many places a token can look at in one layer
    d_model: int = 384  # D, width of the residual stream; a multiple of n_heads
    d_ff: int = 768  # width inside the feed-forward net; twice D is enough for a small world
    dropout: float = 0.1  # share of values zeroed in training, so that no single path is relied upon

    def __post_init__(self) -> None:
        for name in ("vocab_size", "context", "n_layers", "n_heads", "d_model", "d_ff"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise GuppyError(f"{name} is {value!r}.", f"Give {name} as a whole number of at least 1.")
        if not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise GuppyError(f"dropout is {self.dropout!r}.", "Give a number from 0 up to, not including, 1.")
        if self.d_model % self.n_heads:
            raise GuppyError(
                f"d_model {self.d_model} cannot be shared out evenly among {self.n_heads} heads.",
                "Make d_model a multiple of n_heads.",
            )

    @classmethod
    def preset(cls, name: str, *, vocab_size: int) -> ModelConfig:
        """Return the sizes known as `name` (a key of PRESETS) for a vocabulary of `vocab_size`."""
        if name not in PRESETS:
            raise GuppyError(f"there is no preset called {name}.", f"Choose one of: {', '.join(PRESETS)}.")
        return cls(vocab_size=vocab_size, **PRESETS[name])

    @property
    def d_head(self) -> int:
        """d, the width of one head."""
        return self.d_model // self.n_heads

    def to_dict(self) -> dict[str, int | float]:
        """Return the fields as a plain dict, in the order of this class."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


class KVCache:
    """Keys and values of the tokens seen so far, so that a new token costs one row and not all of them.

    Belongs to one reply, or to several that are made in step; never shared otherwise. The room is taken once, so
    growing copies nothing.
    """

    def __init__(self, config: ModelConfig, *, n_rows: int = 1, device: torch.device | str = "cpu") -> None:
        shape = (config.n_layers, n_rows, config.n_heads, config.context, config.d_head)
        self.keys = torch.empty(shape, device=device)  # (L, B, H, context, d)
        self.values = torch.empty(shape, device=device)  # (L, B, H, context, d)
        self.n_tokens = 0

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store one layer's new keys and values (B, H, T, d); return all of them, (B, H, S, d)."""
        n_seen = self.n_tokens + k.shape[2]
        self.keys[layer, :, :, self.n_tokens : n_seen] = k
        self.values[layer, :, :, self.n_tokens : n_seen] = v
        return self.keys[layer, :, :, :n_seen], self.values[layer, :, :, :n_seen]


@dataclass
class Trace:
    """Everything a forward pass computed, for people who want to look. Fill it by handing it in.

    Lists have one entry a layer, except `residual`, which starts with the embedding.
    """

    residual: list[Tensor] = field(default_factory=list)  # L + 1 times (B, T, D): the stream, before and after
    attention: list[Tensor] = field(default_factory=list)  # L times (B, H, T, S): who looks at whom, rows sum to 1
    attention_out: list[Tensor] = field(default_factory=list)  # L times (B, T, D): what attention added
    hidden: list[Tensor] = field(default_factory=list)  # L times (B, T, d_ff): the feed-forward's neurons
    feed_forward_out: list[Tensor] = field(default_factory=list)  # L times (B, T, D): what it added


def plain_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, dropout: float) -> tuple[Tensor, Tensor]:
    """Mix the values v (B, H, S, d) by how well each query matches each key; return (mix, weights).

    q is (B, H, T, d); mask (T, S) is added to the scores: 0 where a token may look, -inf where not.
    "Attention is all you need", section 3.2.1.
    """
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (B, H, T, S)
    weights = (scores + mask).softmax(dim=-1)  # (B, H, T, S)
    kept = F.dropout(weights, dropout, training=dropout > 0)
    return kept.to(v.dtype) @ v, weights  # (B, H, T, d), (B, H, T, S)


def fused_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, dropout: float) -> Tensor:
    """The same sum in one kernel, which never writes the (B, H, T, S) weights down."""
    n_new, n_seen = mask.shape
    if n_new == n_seen:  # nothing cached: the kernel knows this mask, and skips the masked half
        return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True)
    return F.scaled_dot_product_attention(q, k, v, mask.to(q.dtype), dropout)


def causal_mask(n_new: int, n_seen: int, device: torch.device) -> Tensor:
    """Return the (T, S) mask that lets each of the last T tokens look at itself and back, never ahead."""
    blocked = torch.full((n_new, n_seen), -math.inf, device=device)
    return blocked.triu(diagonal=n_seen - n_new + 1)  # keeps -inf above the diagonal, 0 elsewhere


class Attention(nn.Module):
    """Every token asks (query), every earlier token offers (key) and tells (value), H times at once."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.dropout = config.dropout
        self.qkv = nn.Linear(config.d_model, 3 * config.d_model)  # all heads' q, k and v in one product
        self.out = nn.Linear(config.d_model, config.d_model)

    def forward(self, x: Tensor, mask: Tensor, *, layer: int, cache: KVCache | None, trace: Trace | None) -> Tensor:
        B, T, D = x.shape
        q, k, v = (
            part.view(B, T, self.n_heads, D // self.n_heads).transpose(1, 2)  # (B, H, T, d)
            for part in self.qkv(x).split(D, dim=2)
        )
        if cache is not None:
            k, v = cache.append(layer, k, v)  # (B, H, S, d)
        mixed = self._mix(q, k, v, mask, trace)  # (B, H, T, d)
        out = self.out(mixed.transpose(1, 2).reshape(B, T, D))  # (B, T, D)
        if trace is not None:
            trace.attention_out.append(out)
        return F.dropout(out, self.dropout, training=self.training)

    def _mix(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, trace: Trace | None) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        # Rows here are short. On a CPU the fused kernel's backward pass is slower than three plain
        # products at such lengths, so training there goes the plain way; everything else is fused.
        plain_is_faster = self.training and q.device.type == "cpu"
        if trace is None and not plain_is_faster:
            return fused_attention(q, k, v, mask, dropout)
        mixed, weights = plain_attention(q, k, v, mask, dropout)
        if trace is not None:
            trace.attention.append(weights)
        return mixed


class FeedForward(nn.Module):
    """d_ff neurons, each a pattern it fires on and a nudge it gives; one token at a time."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.up = nn.Linear(config.d_model, config.d_ff)
        self.down = nn.Linear(config.d_ff, config.d_model)

    def forward(self, x: Tensor, *, trace: Trace | None) -> Tensor:
        hidden = F.relu(self.up(x))  # (B, T, d_ff)
        out = self.down(hidden)  # (B, T, D)
        if trace is not None:
            trace.hidden.append(hidden)
            trace.feed_forward_out.append(out)
        return F.dropout(out, self.dropout, training=self.training)


class Block(nn.Module):
    """Look back, then think: each reads a normalised copy of the stream and adds to the original."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(config.d_model)
        self.attention = Attention(config)
        self.norm_2 = nn.LayerNorm(config.d_model)
        self.feed_forward = FeedForward(config)

    def forward(self, x: Tensor, mask: Tensor, *, layer: int, cache: KVCache | None, trace: Trace | None) -> Tensor:
        x = x + self.attention(self.norm_1(x), mask, layer=layer, cache=cache, trace=trace)
        x = x + self.feed_forward(self.norm_2(x), trace=trace)
        if trace is not None:
            trace.residual.append(x)
        return x  # (B, T, D)


class Transformer(nn.Module):
    """The whole model. `generator` decides the initial weights; without one, torch's global one does."""

    def __init__(self, config: ModelConfig, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.d_model)  # (V, D), also the head
        self.positions = nn.Embedding(config.context, config.d_model)  # (context, D)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.norm = nn.LayerNorm(config.d_model)
        self._initialise(generator)

    def _initialise(self, generator: torch.Generator | None) -> None:
        """Small random weights, zero biases; LayerNorms start as they are (GPT-2 paper, section 2.3).

        Each block adds to the stream twice. Dividing what those 2L additions start with by the root of
        their number keeps the stream as wide after the last block as it was before the first.
        """
        std = 0.02
        for name, parameter in self.named_parameters():
            if name.endswith("bias") and "norm" not in name:
                nn.init.zeros_(parameter)
            elif name.endswith(("attention.out.weight", "feed_forward.down.weight")):
                nn.init.normal_(parameter, std=std / math.sqrt(2 * self.config.n_layers), generator=generator)
            elif parameter.dim() == 2:
                nn.init.normal_(parameter, std=std, generator=generator)

    def forward(
        self, ids: Tensor, *, cache: KVCache | None = None, trace: Trace | None = None, keep: Tensor | None = None
    ) -> Tensor:
        """Return logits (B, T, V): at each token, a score for every token that could come next.

        Args:
            ids: (B, T) whole numbers below V. Rows of unlike length are padded on the right; the causal
                mask already keeps padding out of sight of what stands before it.
            cache: what was said before `ids`; it grows by T. The logits are then those of `ids` alone.
            trace: filled with every intermediate value. Always takes the plain attention.
            keep: (B, T) bool. Only these N positions are read out, and logits are (N, V). The head is a fifth of
                the work, and who waits for the next token needs it at the last position alone.

        Raises:
            GuppyError: more tokens than the context holds, or none at all.
        """
        x = self.stream(ids, cache=cache, trace=trace)
        return self.read_out(x if keep is None else x[keep])

    def stream(
        self, ids: Tensor, *, cache: KVCache | None = None, trace: Trace | None = None, first: int = 0
    ) -> Tensor:
        """Return the residual stream behind the last block (B, T, D): all of `forward` but the reading out.

        Args:
            first: the position at which the row begins. Training moves rows to the right now and then, so that
                positions behind the longest row have been learned too when somebody sends a long message.
        """
        T = ids.shape[1]
        n_before = cache.n_tokens if cache is not None else 0
        self._check_room(first + n_before, T)
        at = first + torch.arange(n_before, n_before + T, device=ids.device)
        x = self.tokens(ids) + self.positions(at)  # (B, T, D)
        x = F.dropout(x, self.config.dropout, training=self.training)
        if trace is not None:
            trace.residual.append(x)
        mask = causal_mask(T, n_before + T, ids.device)  # (T, S)
        for layer, block in enumerate(self.blocks):
            x = block(x, mask, layer=layer, cache=cache, trace=trace)  # (B, T, D)
        if cache is not None:
            cache.n_tokens += T
        return x

    def read_out(self, x: Tensor) -> Tensor:
        """Return what the stream x (…, D) says comes next, as logits (…, V). Works after any block."""
        return F.linear(self.norm(x), self.tokens.weight)

    def _check_room(self, n_before: int, n_new: int) -> None:
        if n_new < 1:
            raise GuppyError("there are no tokens to read.", "Hand in at least one.")
        if n_before + n_new > self.config.context:
            raise GuppyError(
                f"{n_before + n_new} tokens do not fit into a context of {self.config.context}.",
                "Shorten the text, or train a model with a larger context.",
            )

    @property
    def n_parameters(self) -> int:
        """How many numbers are learned; the tied head counts once."""
        return sum(parameter.numel() for parameter in self.parameters())
