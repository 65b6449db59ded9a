"""Turns a text into what a pack knows about it: the lines that can make it, and the topics that know its words.

    are you peckish      asked    topic food, scene 1    <hey> are you (hungry|peckish)
    a nibble, perhaps?   no line; by its words most like food (nibble)

Lines are traced exactly (recognise.py), normalised as people's messages are. A model goes by more than exact lines, but
by nothing other than the words that its pack holds: a message of which the pack knows no word will be a riddle to it.
"""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from guppylm.packs.generate import SceneTrees, scene_trees
from guppylm.packs.grammar import Bound, Variable, Word
from guppylm.packs.lang import Choice, Sequence, Text
from guppylm.packs.normalise import normalise
from guppylm.packs.pack import Pack
from guppylm.packs.place import Place
from guppylm.packs.recognise import Recogniser, TooManyStatesError

Role = Literal["asked", "held out", "said"]

N_LIKELY = 4  # topics to name by their words


@dataclass(frozen=True, kw_only=True)
class Way:
    """A line that can make the text.

    Attributes:
        role: whether people say it, say it in the examination only, or the persona says it.
        scene: from 0.
        words: the word each slot stands for, as (`food2`, `peas`).
    """

    role: Role
    topic: str
    scene: int
    place: Place
    words: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What a pack knows about a text.

    Attributes:
        ways: the lines that can make it.
        unsure: topics with so many ways to read it that the search was given up.
        likely: the topics whose prompts hold most of its words, the best first, with those words, the rarest first.
        unknown: the words that no prompt of the pack holds.
    """

    ways: tuple[Way, ...]
    unsure: tuple[str, ...]
    likely: Mapping[str, tuple[str, ...]]
    unknown: tuple[str, ...]


def explain(pack: Pack, text: str) -> Explanation:
    """Return which lines of a pack can make a text, and which topics know its words."""
    ways, unsure = [], []
    heard: dict[str, set[str]] = {}  # topic -> the words of its prompts
    nodes: dict = {}
    for name, topic in pack.topics.items():
        trees = scene_trees(topic, nodes=nodes)
        heard[name] = set().union(*(words_of_tree(scene.ask) for scene in trees))
        try:
            ways += [way for scene in trees for way in _ways(text, name, scene)]
        except TooManyStatesError:
            unsure.append(name)
    words = list(dict.fromkeys(words_of(text)))
    n_topics_with = Tally(word for some in heard.values() for word in some)
    return Explanation(
        ways=tuple(ways),
        unsure=tuple(unsure),
        likely=_likely(words, heard, n_topics_with),
        unknown=tuple(word for word in words if word not in n_topics_with),
    )


def words_of(text: str) -> list[str]:
    """Return the normalised words of a text, in order."""
    return normalise(text).split()


def words_of_tree(tree: Bound) -> set[str]:
    """Return the words of all pieces of text in a tree. A word that two pieces make together counts as both."""
    seen: set[int] = set()
    return set(_words_below(tree, seen))


def _words_below(node: Bound, seen: set[int]) -> Iterator[str]:
    if id(node) in seen:
        return
    seen.add(id(node))
    match node:
        case Text(text):
            yield from words_of(text)
        case Word():
            for text in node.texts:
                yield from words_of(text)
        case Choice(options):
            for option in options:
                yield from _words_below(option.node, seen)
        case Sequence(parts):
            for part in parts:
                yield from _words_below(part, seen)


def _ways(text: str, topic: str, scene: SceneTrees) -> Iterator[Way]:
    roles: dict[Role, Choice | None] = {"asked": scene.ask, "held out": scene.held_out, "said": scene.reply}
    recogniser = Recogniser(text)
    for role, tree in roles.items():
        for option in tree.options if tree else ():
            found = next(recogniser.matches(option.node), None)
            if found is not None and isinstance(option.place, Place):
                number = scene.scene.index
                yield Way(role=role, topic=topic, scene=number, place=option.place, words=_named(found))


def _named(words: Mapping[Variable, int]) -> tuple[tuple[str, str], ...]:
    """Return words as people know them: by their slots."""
    named = (
        (f"{some.name}{index if index > 1 else ''}", some.entries[entry].word) for (some, index), entry in words.items()
    )
    return tuple(sorted(named))


def _likely(words: list[str], heard: Mapping[str, set[str]], n_topics_with: Tally[str]) -> dict[str, tuple[str, ...]]:
    """Return the topics that know most of these words. A word counts the more, the fewer topics know it."""
    worth = {word: math.log(len(heard) / n_topics_with[word]) for word in words if word in n_topics_with}
    scores = {name: sum(worth[word] for word in worth if word in known) for name, known in heard.items()}
    best = sorted((name for name in scores if scores[name] > 0), key=lambda name: (-scores[name], name))[:N_LIKELY]
    shown = sorted(worth, key=lambda word: -worth[word])
    return {name: tuple(word for word in shown if word in heard[name] and worth[word] > 0) for name in best}
