"""Turns a pack and its generated rows into what the examination asks.

    practice, final    the free messages of exam.yaml, as people typed them: each other message of a topic
    unknown            those of `_unknown`'s final half: outside the persona's world
    capitals, no punctuation, one typo      those of the final half that worse spelling changes, in worse spelling
    held_out, seen, noisy, new_words        rows of the generator, none of them trained

The first, third, fifth … message of a topic is for practice: whoever writes a pack may look at what goes wrong there.
The others are final: their single answers are looked at by nobody who still means to change the pack. New messages
go to the end of a topic, so that none changes sides.

Deliberately not: worse spelling of `_unknown`, of which much is no spelling at all.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from guppylm.packs.generate import Conversation, Dataset
from guppylm.packs.noise import slip
from guppylm.packs.pack import Pack

UNKNOWN = "_unknown"
ROW_SETS = ("held_out", "seen", "noisy", "new_words")


@dataclass(frozen=True, kw_only=True)
class Question:
    """Something to say to the persona.

    Attributes:
        topic: what it is about; the pack's fallback for what is outside its world.
        row: the row it was taken from, for questions that the generator made.
        of: for worse spelling, which question of the final half it is.
    """

    text: str
    topic: str
    row: Conversation | None = None
    of: int = -1


Paper = tuple[Question, ...]


def papers(
    pack: Pack,
    dataset: Dataset,
    *,
    n_rows: int,
    exam: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Paper]:
    """Return the questions by paper. A paper with nothing to ask is left out.

    Args:
        n_rows: most questions to take from each set of the generator.
        exam: free messages in place of the pack's own, all of them final.
    """
    practice, final = halves(pack.exam) if exam is None else ([], pairs(exam))
    as_typed = _free(final)
    found = {
        "practice": _free(practice),
        "final": as_typed,
        **{name: _worse(as_typed, worse) for name, worse in WORSE.items()},
        "unknown": tuple(Question(text=text, topic=pack.fallback) for topic, text in final if topic == UNKNOWN),
    }
    for name in ROW_SETS:
        rows = list(getattr(dataset, name))
        taken = random.Random(name).sample(rows, min(n_rows, len(rows)))
        found[name] = tuple(Question(text=row.input, topic=row.category, row=row) for row in taken)
    return {name: paper for name, paper in found.items() if paper and (name != "unknown" or pack.fallback)}


def halves(exam: Mapping[str, Sequence[str]]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return (topic, message) of the practice half and of the final half."""
    odd = {topic: texts[0::2] for topic, texts in exam.items()}
    even = {topic: texts[1::2] for topic, texts in exam.items()}
    return pairs(odd), pairs(even)


def pairs(exam: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Return every (topic, message) of an examination."""
    return [(topic, text) for topic, texts in exam.items() for text in texts]


def without_marks(text: str) -> str:
    """Return a message as it comes from somebody who types no punctuation."""
    kept = "".join(mark for mark in text if not unicodedata.category(mark).startswith("P"))
    return " ".join(kept.split())


def with_a_typo(text: str) -> str:
    """Return a message with a slip of the fingers in one of its words, always the same one."""
    words, dice = text.split(" "), random.Random(text)
    long = [i for i, word in enumerate(words) if len(word) >= 4 and word.isalpha()]
    if long:
        at = dice.choice(long)
        slips = (slip(words[at], dice) for _ in range(20))  # to double what is double changes nothing
        words[at] = next((typed for typed in slips if typed != words[at]), words[at])
    return " ".join(words)


WORSE: Mapping[str, Callable[[str], str]] = {
    "capitals": str.upper,
    "no punctuation": without_marks,
    "one typo": with_a_typo,
}


def _free(messages: Sequence[tuple[str, str]]) -> Paper:
    return tuple(Question(text=text, topic=topic) for topic, text in messages if topic != UNKNOWN)


def _worse(paper: Paper, worse: Callable[[str], str]) -> Paper:
    changed = ((at, question, worse(question.text)) for at, question in enumerate(paper))
    return tuple(
        Question(text=text, topic=question.topic, of=at)
        for at, question, text in changed
        if text and text != question.text
    )
