"""Turns the inside of a reply into plain JSON for the page: what is always shown, and what belongs to one token.

The page gets numbers and texts and builds everything of them as text nodes, so nothing in here is escaped.
Positions count over the whole conversation, as in guppylm.lens.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from guppylm.lens.heads import habits, strongest
from guppylm.lens.inside import Inside
from guppylm.lens.learning import learning
from guppylm.lens.memory import Memory, Near, Run
from guppylm.lens.readout import Layer, by_layer, pushes, settled_at, topics_by_layer
from guppylm.lens.sizes import layer_sizes, parts
from guppylm.model.sampling import Sampling, Step
from guppylm.packs.generate import Conversation
from guppylm.packs.place import Place
from guppylm.ui import look_words as words
from guppylm.ui.walk import walk

N_CANDIDATES = 12
N_TOPICS = 4
Label = Callable[[str], str]


def reply_view(inside: Inside, *, label: Label = str) -> dict[str, Any]:
    """Return what is shown whichever token is looked at. `label` is what people call a topic."""
    reply, config = inside.reply, inside.bundle.config
    tokens = zip(inside.pieces(), inside.roles, inside.surprise(), strict=True)
    return {
        "text": reply.text,
        "seed": reply.seed,
        "stopped": reply.stopped,
        "note": reply.note,
        "topic": label(reply.gist.topic) if reply.gist else "",
        "first": inside.first,
        "tokens": [
            {"id": piece.id, "text": piece.text, "bytes": list(piece.bytes), "role": role, "surprise": round(nats, 3)}
            for piece, role, nats in tokens
        ],
        "attention": {"layers": config.n_layers, "heads": config.n_heads, "bytes": _attention(inside)},
        "habits": [
            {
                "layer": habit.layer,
                "head": habit.head,
                "says": words.habit(habit),
                "query": _seen_from(inside, habit.name),
            }
            for habit in strongest(habits([inside])).values()
        ],
        "topics": _topics(inside, label),
        "model": {**config.to_dict(), "n_parameters": inside.bundle.model.n_parameters, "parts": _parts(inside)},
        "stations": walk(_figures(inside)),
    }


def token_view(inside: Inside, position: int, *, label: Label = str) -> dict[str, Any]:
    """Return what is shown of the token at a position from 1 up, and why it stands there."""
    layers, step = by_layer(inside, position), inside.step_at(position)
    rival = next(one.id for one in layers[-1].best if one.id != inside.ids[position])
    return {
        "position": position,
        "why": _why(inside, position, layers, step, label),
        "layers": [
            {"best": [[_text(inside, one.id), _share(one.p), one.id] for one in layer.best],
             "p": _share(layer.p_said), "rank": layer.rank_said}
            for layer in layers
        ],
        "settled": settled_at(layers),
        "rival": _text(inside, rival),
        "pushes": [
            [one.part, one.layer, round(one.amount, 2), round(other.amount, 2)]
            for one, other in zip(pushes(inside, position), pushes(inside, position, of=rival), strict=True)
        ],
        "sizes": [
            {"before": round(one.before, 2), "attention": round(one.attention, 2), "after": round(one.after, 2),
             "feed_forward": round(one.feed_forward, 2), "firing": one.n_firing}
            for one in layer_sizes(inside, position - 1)
        ],
        "draw": draw_view(inside, step) if step else None,
    }  # fmt: skip


def draw_view(inside: Inside, step: Step, sampling: Sampling | None = None) -> dict[str, Any]:
    """Return how a token was drawn, or would have been under other settings with the same random number."""
    said, step = step.id, step.again(sampling or step.sampling)  # what the dice say, whoever chose in the end
    trail = step.trail()
    ordered = trail.probabilities.sort(descending=True, stable=True)
    ends = {int(id): float(end) for id, end in zip(ordered.indices, ordered.values.cumsum(0), strict=True)}
    return {
        "said": said,
        "id": step.id,
        "uniform": round(step.uniform, 4),
        "sampling": step.sampling.to_dict(),
        "n_left": int((trail.probabilities > 0).sum()),
        "candidates": [
            {
                "id": one.id,
                "text": _text(inside, one.id),
                "rank": one.rank,
                "logit": round(one.logit, 2),
                "tempered": _number(trail.tempered[one.id]),
                "p_model": _share(one.p_model),
                "p": _share(one.p_drawn),
                "end": round(ends[one.id], 4),
                "fate": words.FATES[one.fate],
                "pick": one.id not in step.never,
            }
            for one in step.candidates(N_CANDIDATES)
        ],
    }


def memory_view(inside: Inside, memory: Memory, *, line_at: Callable[[Place], str], label: Label) -> dict[str, Any]:
    """Return where the words stood in training. `line_at` gives the text of a line of the pack."""
    said = {at: inside.first + at for at in range(len(inside.reply.steps))}
    return {
        "verdict": memory.verdict,
        "says": words.verdict(memory.verdict, label(memory.topic), memory.n_rows, len(memory.runs)),
        "runs": [_run(run, said, line_at) for run in memory.runs],
        "unknown": [said[at] for at in memory.unknown],
        "nearest": [_near(near, line_at) for near in memory.nearest],
    }


def learning_view(bundle: Any) -> dict[str, Any]:
    """Return what was kept of the training."""
    learned = learning(bundle.replay, bundle.metrics, vocab_size=bundle.config.vocab_size)
    return {
        "frames": [
            {"step": frame.step, "loss": frame.loss, "says": words.frame(frame), "replies": frame.replies}
            for frame in learned.frames
        ],
        "curve": learned.curve,
        "held_out": learned.held_out,
        "guess": round(learned.knows_nothing, 3),
    }


def _why(inside: Inside, position: int, layers: Sequence[Layer], step: Step | None, label: Label) -> list[list[str]]:
    """Return why this token stands there, as (station, sentence)."""
    gist, word = inside.reply.gist, inside.pieces()[position].text
    found = []
    if gist and position >= inside.first - 1:
        found.append(["layers", words.why_topic(label(gist.topic), gist.topics[gist.topic])])
    if step is None:
        return found
    looked = _looked_at(inside, position)
    if looked:
        found.append(["attention", words.why_looked(*looked)])
    favourite = layers[-1].best[0]
    settled = settled_at(layers)
    found.append(
        [
            "layers",
            words.why_settled(word, _text(inside, favourite.id), favourite.id == step.id, settled, len(layers) - 1),
        ]
    )
    n_left = int((step.trail().probabilities > 0).sum())
    dice = step.again(step.sampling)
    if dice.id == step.id:
        found.append(["draw", words.why_drawn(layers[-1].p_said, step.p, n_left, step.uniform)])
    else:
        found.append(["draw", words.why_chosen(layers[-1].p_said, _text(inside, dice.id))])
    return found


def _seen_from(inside: Inside, habit: str) -> int | None:
    """Return the place from which a head does what it does, where it does it at one place only."""
    if habit != "message":
        return None
    return inside.first - 2 if inside.reply.gist else inside.first - 1


def _looked_at(inside: Inside, position: int) -> tuple[str, float, int, int] | None:
    """Return the earlier word that a head looked at most from the place before, how much, and which head it was."""
    pieces = inside.pieces()
    is_word = [
        role in ("message", "reply") and any(map(str.isalnum, piece.text))
        for role, piece in zip(inside.roles, pieces, strict=True)
    ]
    places = [at for at in range(position - 1) if is_word[at]]
    if not places:
        return None
    rows = torch.stack([layer[0, :, position - 1] for layer in inside.trace.attention])[:, :, places]  # (L, H, places)
    layer, head, at = (int(i) for i in torch.unravel_index(rows.argmax(), rows.shape))
    return pieces[places[at]].text, float(rows[layer, head, at]), layer, head


def _topics(inside: Inside, label: Label) -> list[dict[str, Any]]:
    """Return the topics that were likeliest at the end, with their probability behind each layer."""
    layers = topics_by_layer(inside)
    best = sorted(layers[-1], key=lambda name: -layers[-1][name])[:N_TOPICS] if layers else []
    return [{"label": label(name), "p": [_share(layer[name]) for layer in layers]} for name in best]


def _attention(inside: Inside) -> str:
    """Return all weights (L, H, T, T), 255 for 1, as base64."""
    weights = torch.stack([layer[0] for layer in inside.trace.attention])
    return base64.b64encode((weights * 255).round().to(torch.uint8).numpy().tobytes()).decode("ascii")


def _parts(inside: Inside) -> list[dict[str, Any]]:
    return [
        {"name": part.name, "layer": part.layer, "n": part.n_parameters, "says": words.PARTS.get(part.name, ""),
         "shapes": {name: " × ".join(map(str, shape)) for name, shape in part.shapes.items()}}
        for part in parts(inside.bundle.model)
    ]  # fmt: skip


def _figures(inside: Inside) -> dict[str, Any]:
    bundle = inside.bundle
    settings, training = bundle.metrics.get("settings"), bundle.metrics.get("training")
    n_rows = settings.get("n_rows") if isinstance(settings, dict) else None
    n_steps = training.get("n_steps") if isinstance(training, dict) else None
    return {
        **bundle.config.to_dict(),
        "n_parameters": f"{bundle.model.n_parameters:,}",
        "vocab_size": f"{bundle.config.vocab_size:,}",
        "ln_vocab": f"ln {bundle.config.vocab_size} = {math.log(bundle.config.vocab_size):.2f}",
        "n_rows": f"{n_rows:,}" if isinstance(n_rows, int) else "many",
        "n_steps": f"{n_steps:,}" if isinstance(n_steps, int) else "many",
    }


def _run(run: Run, said: dict[int, int], line_at: Callable[[Place], str]) -> dict[str, Any]:
    return {"start": said[run.start], "end": said[run.end - 1] + 1, **_row(run.row, line_at)}


def _near(near: Near, line_at: Callable[[Place], str]) -> dict[str, Any]:
    return {"shared": near.shared, "share": round(near.share, 3), **_row(near.row, line_at)}


def _row(row: Conversation, line_at: Callable[[Place], str]) -> dict[str, Any]:
    return {
        "input": row.input,
        "output": row.output,
        "asked": [_line(place, line_at) for place in row.ask_lines],
        "replied": [_line(place, line_at) for place in row.reply_lines],
        "words": row.words,
    }


def _line(place: Place, line_at: Callable[[Place], str]) -> dict[str, str]:
    where = f"{place.file}:{place.line}" if place.line else f"{place.file} {place.path}"
    return {"where": where, "text": line_at(place)}


def _text(inside: Inside, id: int) -> str:
    """Return a token as one can read it, the markers by what they mean."""
    tokenizer = inside.bundle.tokenizer
    if id == tokenizer.end_id:
        return words.END
    topic = next((name for name, gist in tokenizer.gists.items() if gist == id), None)
    return words.topic_token(topic) if topic else tokenizer.pieces([id])[0].text


def _share(value: float) -> float:
    """Round a probability to three digits that count, so that the smallest do not become 0."""
    return float(f"{value:.3g}")


def _number(value: Any) -> float | None:
    return round(float(value), 2) if math.isfinite(value) else None
