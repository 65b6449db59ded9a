"""Turns a reply into where its words stood in training: word for word, in pieces, or nowhere.

The rows a model was raised on are not kept; its pack and its seed are, and make the same rows again. Those of one topic
take half a second. A run is some tokens in a row that stand like that in one training reply:

    i love flakes . they come from above        the reply
    └───────── row 17 ────────┘
             └───────── row 203 ───────┘        no row holds all of it: a mix of two that are known

A reply is *word for word* when it is a training reply; a *mix* when every token of it lies in a run of at least
MIN_RUN tokens; else it is *new*, and the tokens in no such run are the ones that the model put there by itself.

Deliberately not: nearest rows by some embedding. What is shared can be pointed at.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from guppylm.lens.inside import Inside
from guppylm.model.tokenizer import Tokenizer
from guppylm.packs.generate import Conversation, generate
from guppylm.packs.pack import Pack

Verdict = Literal["word for word", "mix", "new"]

MIN_RUN = 4  # tokens; three in a row ("i am a") are known from anywhere

_BORDER = "\0"  # between two replies; tokens are written as characters from U+10000 on


@dataclass(frozen=True, kw_only=True)
class Run:
    """Tokens of a reply that stand like that in a training reply: from `start` up to, not including, `end`."""

    start: int
    end: int
    row: Conversation


@dataclass(frozen=True, kw_only=True)
class Near:
    """A training row that has much in common with the reply.

    Attributes:
        shared: (start, end) in the row's reply, in characters, of what stands in the reply too.
        share: how much of both texts that is, from 0 to 1.
    """

    row: Conversation
    shared: tuple[tuple[int, int], ...]
    share: float


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Where the words of a reply stood in training.

    Attributes:
        topic: the topic whose rows were looked through.
        n_rows: how many of these there are.
        runs: the fewest long runs that cover what is known, from left to right.
        unknown: the indexes of tokens of the reply that lie in no run of MIN_RUN.
        nearest: the rows most like it, the most alike first.
    """

    verdict: Verdict
    topic: str
    n_rows: int
    runs: tuple[Run, ...]
    unknown: tuple[int, ...]
    nearest: tuple[Near, ...]


class Rows:
    """The training rows of one topic, ready to be searched. Never changes, so threads may share one."""

    def __init__(self, topic: str, rows: Sequence[Conversation], tokenizer: Tokenizer) -> None:
        self.topic, self.n_rows = topic, len(rows)
        self.by_reply = {row.output: row for row in reversed(rows)}  # the first row that has it
        self.replies = list(self.by_reply)
        self._spelt = [_spell(ids) for ids in tokenizer.encode_all(self.replies)]
        self._all = _BORDER + _BORDER.join(self._spelt) + _BORDER
        self._starts = _starts(self._spelt)
        self._words = [frozenset(spelt) for spelt in self._spelt]

    def holds(self, spelt: str) -> bool:
        return spelt in self._all

    def row_with(self, spelt: str) -> Conversation:
        """Return the first row whose reply holds these tokens, one like that if there is any that is nothing else."""
        whole = self._all.find(_BORDER + spelt + _BORDER)
        at = whole + 1 if whole >= 0 else self._all.find(spelt)
        return self.by_reply[self.replies[_index_of(self._starts, at)]]

    def nearest(self, spelt: str, n: int) -> list[str]:
        """Return the n replies that have most tokens in common with this one, counted against all tokens of both."""
        words = frozenset(spelt)
        likeness = [len(words & other) / len(words | other) if words | other else 0.0 for other in self._words]
        best = sorted(range(len(likeness)), key=lambda i: -likeness[i])[:n]
        return [self.replies[i] for i in best if likeness[i] > 0]


def rows_of(pack: Pack, topic: str, tokenizer: Tokenizer, *, n_rows: int, seed: int) -> Rows:
    """Make the training rows of one topic again, from what was trained with: `n_rows` in all topics and a seed."""
    return Rows(topic, generate(pack, n_rows=n_rows, seed=seed, topics=[topic]).train, tokenizer)


def remember(inside: Inside, rows: Rows, *, n_nearest: int = 4) -> Memory:
    """Return where the words of the reply stood in those rows."""
    end_id = inside.bundle.tokenizer.end_id
    spelt = _spell([step.id for step in inside.reply.steps if step.id != end_id])
    reach = _reach(spelt, rows)
    known = {
        at for start, end in enumerate(reach) if end - start >= min(MIN_RUN, len(spelt)) for at in range(start, end)
    }
    unknown = tuple(at for at in range(len(spelt)) if at not in known)
    is_whole = bool(spelt) and rows.holds(_BORDER + spelt + _BORDER)
    return Memory(
        verdict="word for word" if is_whole else "new" if unknown or not spelt else "mix",
        topic=rows.topic,
        n_rows=rows.n_rows,
        runs=tuple(
            Run(start=start, end=end, row=rows.row_with(spelt[start:end])) for start, end in _cover(reach, set(unknown))
        ),
        unknown=unknown,
        nearest=tuple(_near(inside.reply.text, rows.by_reply[text]) for text in rows.nearest(spelt, n_nearest)),
    )


def _reach(spelt: str, rows: Rows) -> list[int]:
    """Return, for each token, how far the longest run that begins there reaches."""
    reach, end = [], 0
    for start in range(len(spelt)):
        end = max(end, start)
        while end < len(spelt) and rows.holds(spelt[start : end + 1]):
            end += 1
        reach.append(end)
    return reach


def _cover(reach: Sequence[int], unknown: set[int]) -> list[tuple[int, int]]:
    """Return the fewest runs that cover all known tokens: always the one that reaches furthest."""
    runs, at = [], 0
    while at < len(reach):
        if at in unknown:
            at += 1
            continue
        starts = [
            start for start in range(at + 1) if reach[start] > at and reach[start] - start >= min(MIN_RUN, len(reach))
        ]
        best = max(starts, key=lambda start: (reach[start], -start))
        runs.append((best, reach[best]))
        at = reach[best]
    return runs


def _near(text: str, row: Conversation) -> Near:
    """Compare word by word, or character by character where nobody puts spaces between words."""
    matcher = SequenceMatcher(None, text, row.output, autojunk=False)
    blocks = [block for block in matcher.get_matching_blocks() if block.size > 2]
    shared = tuple((block.b, block.b + block.size) for block in blocks)
    return Near(
        row=row, shared=shared, share=2 * sum(block.size for block in blocks) / max(1, len(text) + len(row.output))
    )


def _spell(ids: Sequence[int]) -> str:
    """Write each token as one character, so that Python's own search for text does the work."""
    return "".join(chr(0x10000 + id) for id in ids)


def _starts(spelt: Sequence[str]) -> list[int]:
    """Return where each reply begins in all of them joined."""
    starts, at = [], 1
    for one in spelt:
        starts.append(at)
        at += len(one) + 1
    return starts


def _index_of(starts: Sequence[int], at: int) -> int:
    return bisect_right(starts, at) - 1
