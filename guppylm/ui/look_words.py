"""Turns what was found inside a reply into the sentences the page shows. Plain English, no markup."""

from __future__ import annotations

import math
from typing import Any

END = "(end)"

# What took a candidate out of the draw.
FATES = {
    "kept": "",
    "control": "a marker, never said",
    "repeat": "would repeat itself",
    "temperature": "temperature 0 takes only the best",
    "top_k": "cut by top-k",
    "top_p": "cut by top-p",
}

VERDICTS = {
    "word for word": "Word for word: this very reply was among the {n_rows} conversations about {topic} it was "
    "trained on.",
    "mix": "A new mix of known parts: no single one of {n_rows} training conversations about {topic} has this reply, "
    "but {n_runs} together do.",
    "new": "New: some of these words stand like this in none of {n_rows} training conversations about {topic}.",
}

HABITS = {
    "previous": "looks at the token just before",
    "first": "looks at the very first token, as heads do that have nothing to do",
    "same": "looks for the same token earlier on",
    "copy": "looks at the word of the message that is said next",
    "gist": "keeps looking at the topic while it speaks",
    "message": "gathers up the message where the topic is decided",
}

# What each part of the drawn model does, by its name in the code.
PARTS = {
    "tokens": "one row for each token of the vocabulary; read again at the end, to score every token",
    "positions": "one row for each place in the text",
    "attention_norm": "brings the row to a common size before attention reads it",
    "attention.qkv": "makes query, key and value of each token, for all heads at once",
    "attention.out": "writes what the heads fetched back into the stream",
    "feed_forward_norm": "brings the row to a common size once more",
    "feed_forward.up": "the first table of the small network; what comes out below zero is set to zero",
    "feed_forward.down": "the second table: what the neurons that fired add to the stream",
    "norm": "brings the stream to a common size before it is read out",
}


def percent(share: float) -> str:
    """Return a share in percent, never rounded to 0 or 100 unless it is that."""
    if 0 < share < 0.005:
        return "under 1 %"
    if 0.995 <= share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %"


def quoted(token: str) -> str:
    return f"“{token.strip() or token}”"


def topic_token(topic: str) -> str:
    return f"topic: {topic}"


def habit(found: Any) -> str:
    """Say what a head does, how much, and how much any head would."""
    where = f"Layer {found.layer + 1}, head {found.head + 1}"
    much = f"{percent(found.share)} of its attention on average; spread evenly it would be {percent(found.by_chance)}"
    return f"{where} {HABITS[found.name]} ({much})."


def verdict(kind: str, topic: str, n_rows: int, n_runs: int) -> str:
    return VERDICTS[kind].format(topic=topic, n_rows=f"{n_rows:,}", n_runs=n_runs)


def frame(found: Any) -> str:
    """Say where in training a frame is, and what its loss means."""
    if found.loss is None:
        return "Before the first step: every number is noise."
    return (
        f"After {found.step:,} steps and {found.n_tokens:,} tokens: a loss of {found.loss:.2f}, as if it hesitated "
        f"between {among(found.loss)} tokens each time."
    )


def among(loss: float) -> str:
    """Return e^loss, between how many equally likely tokens somebody with this loss would hesitate."""
    n = math.exp(min(loss, 20.0))
    return f"{n:,.0f}" if n >= 10 else f"{n:.1f}"


def why_topic(topic: str, share: float) -> str:
    return f"Before it spoke, it took the message to be about {topic} ({percent(share)} sure)."


def why_looked(token: str, share: float, layer: int, head: int) -> str:
    return (
        f"Of the earlier words, {quoted(token)} was looked at most: "
        f"layer {layer + 1}, head {head + 1} gave it {percent(share)} of its attention. (A look is not yet a reason.)"
    )


def why_settled(said: str, favourite: str, is_favourite: bool, settled: int, n_layers: int) -> str:
    """Say where the favourite took the lead, and whether it was what was said."""
    where = "from the start" if settled == 0 else f"behind layer {settled} of {n_layers}"
    if is_favourite:
        return f"{quoted(said)} became the favourite {where}, and stayed it."
    return f"The favourite was {quoted(favourite)}, {where}; {quoted(said)} was behind it."


def why_chosen(p_model: float, dice: str) -> str:
    return f"It was chosen by hand: the model gave it {percent(p_model)}, and the dice would have said {quoted(dice)}."


def why_drawn(p_model: float, p: float, n_left: int, uniform: float) -> str:
    if n_left == 1:
        return f"The model gave it {percent(p_model)}, and the others were so unlikely that top-k or top-p cut them."
    return (
        f"The model gave it {percent(p_model)}; temperature, top-k and top-p made that {percent(p)} "
        f"among {n_left} tokens, and the dice fell on it ({uniform:.2f})."
    )
