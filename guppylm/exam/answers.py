"""Turns questions into answers: what the persona said to each, and what the judge makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from guppylm.chat.engine import Chat
from guppylm.chat.many import reply_to_all
from guppylm.exam.judge import Judge, Judged
from guppylm.exam.questions import Paper, Question

Tell = Callable[[str], None]
Sitting = list["Answer"]  # the answers to one paper with one seed, in the order of its questions


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One reply.

    Attributes:
        shown: the tokens that the model was shown of the question. Questions that look alike to it share their reply.
        ended: whether it ended by itself.
    """

    question: Question
    text: str
    shown: tuple[int, ...]
    ended: bool
    judged: Judged

    @property
    def is_on_topic(self) -> bool:
        return self.question.topic in self.judged.topics


def ask_all(
    chat: Chat, judge: Judge, asked: Mapping[str, Paper], seeds: Sequence[int], tell: Tell = lambda _: None
) -> dict[str, list[Sitting]]:
    """Return the answers to every paper, once for each seed of the dice."""
    answers: dict[str, list[Sitting]] = {name: [] for name in asked}
    texts = list(dict.fromkeys(question.text for paper in asked.values() for question in paper))
    for nth, seed in enumerate(seeds, start=1):
        tell(f"asking {len(texts):,} questions, time {nth} of {len(seeds)}")
        replies = dict(zip(texts, reply_to_all(chat, texts, seed=seed, keep_steps=False), strict=True))
        for name, paper in asked.items():
            said = [replies[question.text] for question in paper]
            verdicts = judge.judge([reply.text for reply in said], [question.topic for question in paper])
            answers[name].append(
                [
                    Answer(
                        question=question,
                        text=reply.text,
                        shown=reply.window.ids,
                        ended=reply.stopped == "end",
                        judged=judged,
                    )
                    for question, reply, judged in zip(paper, said, verdicts, strict=True)
                ]
            )
    return answers
