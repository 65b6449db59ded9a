"""Turns a pack's topics and starters into things to click, with prompts drawn from the pack.

The prompts come out of the same generator that writes the training rows, so what is shown is what was
raised on, and a new pack needs no list of examples. Every text is escaped here: a pack is written by a
stranger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

N_PROMPTS = 16
N_ROWS_A_TOPIC = 40


@dataclass(frozen=True, kw_only=True)
class TopicCard:
    """One topic and a few messages that belong to it."""

    name: str
    label: str
    about: str
    prompts: tuple[str, ...]


def topics_of(pack: Any) -> tuple[TopicCard, ...]:
    """Draw prompts for every topic of a pack, the same ones each time."""
    from guppylm.packs.generate import generate

    rows = generate(pack, n_rows=N_ROWS_A_TOPIC * len(pack.topics), seed=0).train
    drawn: dict[str, dict[str, None]] = {name: {} for name in pack.topics}
    for row in rows:
        drawn.setdefault(row.category, {})[row.clean] = None
    return tuple(
        TopicCard(
            name=topic.name,
            label=topic.label or topic.name.replace("_", " "),
            about=topic.about,
            prompts=short_ones_first(drawn[topic.name]),
        )
        for topic in pack.topics.values()
    )


def short_ones_first(prompts: Iterable[str]) -> tuple[str, ...]:
    """Keep what fits on a chip; where a topic only has long prompts, the shortest of them."""
    found = [prompt for prompt in prompts if prompt.strip()]
    fitting = [prompt for prompt in found if len(prompt) <= 48]
    return tuple((fitting or sorted(found, key=len))[:N_PROMPTS])


def chips_html(starters: Sequence[str], *, ready: bool) -> str:
    """Return the starters as a row of buttons; nothing where there is nobody to answer."""
    if not ready or not starters:
        return ""
    return f'<div role="group" aria-label="Ways to begin">{_chips(starters, ready=True, n_shown=6)}</div>'


def topics_html(topics: Sequence[TopicCard], *, title: str, ready: bool) -> str:
    """Return the topics as pills that open in place."""
    if not topics:
        return ""
    pills = "".join(_pill(topic, ready=ready) for topic in topics)
    lead = f"What {escape(title)} was raised on. Open one, click a line to send it."
    if not ready:
        lead = f"What {escape(title)} will be raised on."
    return f'<h2 id="topics-title">Topics</h2><p class="lead">{lead}</p><div class="topics">{pills}</div>'


def _pill(topic: TopicCard, *, ready: bool) -> str:
    about = f"<p>{escape(topic.about)}</p>" if topic.about else ""
    return (
        f'<details class="topic" name="topic"><summary>{escape(topic.label)}</summary>'
        f'<div class="inside">{about}{_chips(topic.prompts, ready=ready, n_shown=4)}</div></details>'
    )


def _chips(prompts: Sequence[str], *, ready: bool, n_shown: int) -> str:
    """Return the first few prompts as buttons, and a button that turns the page to the next few."""
    chips = []
    for index, prompt in enumerate(prompts):
        state = (" hidden" if index >= n_shown else "") + ("" if ready else " disabled")
        text = escape(prompt, quote=True)
        chips.append(f'<button type="button" class="chip" data-ask="{text}"{state}>{text}</button>')
    if len(prompts) > n_shown:
        chips.append(f'<button type="button" class="more" data-more="{n_shown}">others</button>')
    return f'<div class="chips">{"".join(chips)}</div>'
