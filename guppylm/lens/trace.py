"""Turns the inside of a reply into plain JSON, for programs and notebooks.

    python -m guppylm chat NAME --prompt "are you hungry" --seed 1 --trace trace.json

Everything is indexed by position over the whole conversation, as in `tokens`. Probabilities and attention are rounded
to four digits, logits to three.
"""

from __future__ import annotations

from typing import Any

import torch

from guppylm.lens.heads import habits, strongest
from guppylm.lens.inside import Inside
from guppylm.lens.readout import by_layer, pushes, settled_at, topics_by_layer
from guppylm.lens.sizes import layer_sizes, parts


def as_dict(inside: Inside, *, n_candidates: int = 10) -> dict[str, Any]:
    """Return everything that the page shows of a reply, and the whole of the attention.

    Among the keys: tokens; steps, for each token drawn its candidates on their way from logit to draw, what each layer
    would have said, and who pushed; topics, behind each layer; attention, as [layer][head][from][to]; heads.
    """
    reply, pieces = inside.reply, inside.pieces()
    return {
        "persona": inside.bundle.name,
        "reply": reply.text,
        "seed": reply.seed,
        "stopped": reply.stopped,
        "topic": reply.gist.topic if reply.gist else None,
        "note": reply.note,
        "n_tokens_cut": reply.window.n_tokens_cut,
        "model": {
            **inside.bundle.config.to_dict(),
            "n_parameters": inside.bundle.model.n_parameters,
            "parts": [
                {"name": part.name, "layer": part.layer, "shapes": part.shapes, "n_parameters": part.n_parameters}
                for part in parts(inside.bundle.model)
            ],
        },
        "tokens": [
            {"position": at, "id": piece.id, "text": piece.text, "bytes": list(piece.bytes), "role": role,
             "surprise": round(surprise, 4)}
            for at, (piece, role, surprise) in enumerate(zip(pieces, inside.roles, inside.surprise(), strict=True))
        ],
        "steps": [_step(inside, inside.first + index, n_candidates) for index in range(len(reply.steps))],
        "topics": [_rounded(topics) for topics in topics_by_layer(inside)],
        "attention": torch.stack([layer[0] for layer in inside.trace.attention]).double().round(decimals=4).tolist(),
        "heads": [
            {"does": name, "layer": habit.layer, "head": habit.head, "share": round(habit.share, 4),
             "by_chance": round(habit.by_chance, 4)}
            for name, habit in strongest(habits([inside])).items()
        ],
    }  # fmt: skip


def _step(inside: Inside, position: int, n_candidates: int) -> dict[str, Any]:
    step = inside.step_at(position)
    assert step is not None, "every position of the reply was drawn"
    layers = by_layer(inside, position)
    return {
        "position": position,
        "id": step.id,
        "p": round(step.p, 4),
        "uniform": step.uniform,
        "sampling": step.sampling.to_dict(),
        "candidates": [
            {"id": one.id, "text": _text(inside, one.id), "rank": one.rank, "logit": round(one.logit, 3),
             "p_model": round(one.p_model, 4), "p_drawn": round(one.p_drawn, 4), "fate": one.fate}
            for one in step.candidates(n_candidates)
        ],
        "layers": [
            {"n_layers": layer.n_layers, "p_said": round(layer.p_said, 4), "rank_said": layer.rank_said,
             "best": [{"id": one.id, "text": _text(inside, one.id), "p": round(one.p, 4)} for one in layer.best]}
            for layer in layers
        ],
        "settled_at": settled_at(layers),
        "pushes": [
            {"part": one.part, "layer": one.layer, "amount": round(one.amount, 3)} for one in pushes(inside, position)
        ],
        "sizes": [
            {"before": round(one.before, 3), "attention": round(one.attention, 3),
             "feed_forward": round(one.feed_forward, 3), "after": round(one.after, 3), "n_firing": one.n_firing}
            for one in layer_sizes(inside, position - 1)
        ],
    }  # fmt: skip


def _text(inside: Inside, id: int) -> str:
    return inside.bundle.tokenizer.pieces([id])[0].text


def _rounded(shares: Any) -> dict[str, float]:
    return {name: round(share, 4) for name, share in sorted(shares.items(), key=lambda entry: -entry[1])[:8]}
