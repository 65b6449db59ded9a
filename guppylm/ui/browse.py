"""Turns a pack's topics and starters into things to click, with prompts drawn from the pack.

The prompts are drawn from the same trees that the training rows are, so what is shown can really be asked,
and a new pack needs no list of examples. Every text is escaped here: a pack is written by a stranger.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice, zip_longest
from typing import Any

N_PROMPTS = 16  # kept for a topic; four are shown at a time
N_DRAWN = 40
MAX_CHIP_LENGTH = 36


@dataclass(frozen=True, kw_only=True)
class TopicCard:
    """One topic and a few messages that belong to it."""

    name: str
    label: str
    about: str
    prompts: tuple[str, ...]


def topics_of(pack: Any) -> tuple[TopicCard, ...]:
    """Draw prompts for every topic of a pack, the same ones each time."""
    from guppylm.packs.count import Counter
    from guppylm.packs.draw import Drawer, Shares
    from guppylm.packs.generate import scene_trees

    shares = Shares("even", Counter())  # plain lines as often as those with a thousand variants
    cards = []
    for topic in pack.topics.values():
        dice = random.Random(f"topics/{pack.name}/{topic.name}")
        scenes = [
            [drawn.texts[0] for drawn in islice(Drawer([trees.ask], dice, shares), N_DRAWN)]
            for trees in scene_trees(topic)
        ]
        label = label_of(pack, topic.name)
        cards.append(TopicCard(name=topic.name, label=label, about=topic.about, prompts=pick_prompts(scenes)))
    return tuple(cards)


def label_of(pack: Any, name: str) -> str:
    """Return what people call a topic, even one that the pack no longer has, or where there is no pack."""
    topic = pack.topics.get(name) if pack else None
    return (topic.label if topic else "") or name.replace("_", " ")


def pick_prompts(scenes: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Take prompts from the scenes in turn, those that fit a chip first; where none does, the shortest."""
    in_turn = [prompt for row in zip_longest(*scenes) for prompt in row if prompt and prompt.strip()]
    fitting = [prompt for prompt in in_turn if len(prompt) <= MAX_CHIP_LENGTH]
    return tuple(dict.fromkeys(fitting or sorted(in_turn, key=len)))[:N_PROMPTS]


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
