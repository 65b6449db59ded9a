"""Turns a data set into what its author should know of it before training: how much is different, and what is thin."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from guppylm.packs.generate import Conversation, Dataset
from guppylm.packs.grammar import Line
from guppylm.packs.pack import Pack
from guppylm.packs.place import Place

N_THINNEST = 5


@dataclass(frozen=True, kw_only=True)
class Thin:
    """A topic, and how many different things its rows say."""

    topic: str
    rows: int
    prompts: int
    replies: int


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a training set holds.

    Attributes:
        counts: rows, and how many different prompts, replies and pairs are among them.
        sets: rows by set, the examinations too.
        short_of: topics that could not fill their share, and by how many rows.
        commonest: the reply that stands in most rows, and in how many.
        thinnest: the topics whose rows have the fewest different replies, fewest first.
        unused: lines of the pack from which no row was made, by place.
        n_lines: how many lines the pack has.
    """

    counts: Mapping[str, int]
    sets: Mapping[str, int]
    short_of: Mapping[str, int]
    commonest: tuple[str, int]
    thinnest: tuple[Thin, ...]
    unused: tuple[Place, ...]
    n_lines: int


def describe(pack: Pack, dataset: Dataset, sets: Mapping[str, int]) -> Description:
    """Return what a data set made from a pack holds."""
    rows = dataset.train
    replies = Tally(row.output for row in rows)
    lines = {line.place: None for line in _lines(pack)}
    used = {place for row in rows for place in (*row.ask_lines, *row.reply_lines)}
    return Description(
        counts=dataset.counts(),
        sets=sets,
        short_of=dict(dataset.short_of),
        commonest=replies.most_common(1)[0] if replies else ("", 0),
        thinnest=tuple(sorted(_topics(rows), key=lambda thin: (thin.replies, thin.topic))[:N_THINNEST]),
        unused=tuple(place for place in lines if place not in used),
        n_lines=len(lines),
    )


def _topics(rows: list[Conversation]) -> Iterator[Thin]:
    by_topic: dict[str, list[Conversation]] = {}
    for row in rows:
        by_topic.setdefault(row.category, []).append(row)
    for topic, some in by_topic.items():
        n_prompts, n_replies = len({row.clean for row in some}), len({row.output for row in some})
        yield Thin(topic=topic, rows=len(some), prompts=n_prompts, replies=n_replies)


def _lines(pack: Pack) -> Iterator[Line]:
    """Yield the lines that training could use: those of its topics, and the persona's own phrases."""
    for topic in pack.topics.values():
        for scene in topic.scenes:
            yield from (*scene.ask, *scene.reply)
        for phrase in topic.scope.phrases.values():
            yield from (line for line in phrase.lines if line.place.file.startswith(f"{pack.name}/"))
