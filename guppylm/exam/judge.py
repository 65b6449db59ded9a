"""Turns a reply into the topics that it answers, and tells whether it was learned by heart.

First comes the grammar: where the lines of the topic that was asked about can say the reply, word for word, it is on
topic, and nobody needs to guess. Otherwise a classifier decides that was trained on generated replies: a linear one on
words, pairs and triples of words. How often it is right on replies it has not seen is part of the report, because a
rate can be no more exact than its judge.

Deliberately not: a language model as judge, or any list of words made for this purpose.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

from guppylm.packs.generate import Conversation, Dataset, SceneTrees, scene_trees
from guppylm.packs.pack import Pack
from guppylm.packs.recognise import Recogniser, TooManyStatesError

N_TAUGHT = 40_000  # replies, or prompts, that a classifier learns from; more change its accuracy by less than 0.1 %

Novelty = Literal["memorised", "valid", "new"]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a reply is about.

    Attributes:
        topics: those whose lines can say it; for a new sentence the one the classifier takes it for.
        novelty: "memorised" when it stands in the training rows, "valid" when it does not but the grammar can say it,
            "new" when neither the lines of the topic asked about can nor those of the one it looks like.
    """

    topics: frozenset[str]
    novelty: Novelty


class Judge:
    """Judges replies of one persona.

    Args:
        pack: whose grammar decides.
        dataset: the rows it was trained on; `seen` is what the classifier is measured on.
    """

    def __init__(self, pack: Pack, dataset: Dataset) -> None:
        nodes: dict = {}
        self.trees: dict[str, list[SceneTrees]] = {
            name: scene_trees(topic, nodes=nodes) + scene_trees(topic, nodes=nodes, new_words=True)
            for name, topic in pack.topics.items()
        }
        self.trained: dict[str, set[str]] = {}
        for row in dataset.train:
            self.trained.setdefault(row.output, set()).add(row.category)
        self._classifier = TextClassifier([(row.output, row.category) for row in dataset.train], unit="words")
        self._seen = dataset.seen
        self._guessed: dict[str, str] = {}

    @cached_property
    def accuracy(self) -> float:
        """How often the classifier alone is right about a reply that the grammar made and that it has not seen."""
        replies = [row for row in self._seen if row.output not in self.trained] or self._seen
        guessed = self._classifier.predict([row.output for row in replies])
        return sum(map(str.__eq__, guessed, (row.category for row in replies))) / max(1, len(replies))

    def judge(self, replies: Sequence[str], asked: Sequence[str]) -> list[Judged]:
        """Return what each reply is about, when this is the topic it was asked about."""
        fresh = [reply for reply in dict.fromkeys(replies) if reply not in self._guessed]
        self._guessed |= zip(fresh, self._classifier.predict(fresh), strict=True)
        return [self._judged(reply, topic) for reply, topic in zip(replies, asked, strict=True)]

    def _judged(self, reply: str, asked: str) -> Judged:
        """Look in the rows, then in the grammar of the topic asked about and of the one it looks like."""
        if reply in self.trained:
            return Judged(topics=frozenset(self.trained[reply]), novelty="memorised")
        guess = self._guessed[reply]
        topics = frozenset(topic for topic in (asked, guess) if self._can_say(topic, reply))
        if topics:
            return Judged(topics=topics, novelty="valid")
        return Judged(topics=frozenset({guess}), novelty="new")

    @lru_cache(maxsize=100_000)  # noqa: B019 - a judge lives as long as its examination
    def _can_say(self, topic: str, reply: str) -> bool:
        recogniser = Recogniser(reply, exact=True)
        try:
            return any(recogniser.fits(scene.reply) for scene in self.trees.get(topic, ()))
        except TooManyStatesError:  # so ambiguous that nobody can say; the classifier may
            return False

    def copied(self, row: Conversation, reply: str) -> bool | None:
        """Tell whether a reply repeats the very words of its prompt; None where it has no place for them.

        A place for them is where a line of the row's scene can say the reply with a word from a list that the prompt
        took a word from.
        """
        said = dict(row.words)
        recogniser = Recogniser(reply, exact=True)
        has_place = None
        for scene in self.trees[row.category]:
            if scene.scene.index != row.scene:
                continue
            try:
                for words in recogniser.matches(scene.reply):
                    read = {_name(found.name, n): found.entries[entry].word for (found, n), entry in words.items()}
                    shared = [name for name in read if name in said and said[name] in row.clean]
                    if shared and all(read[name] == said[name] for name in shared):
                        return True
                    has_place = False if shared else has_place
            except TooManyStatesError:
                continue
        return has_place


def _name(words: str, number: int) -> str:
    return words + (str(number) if number > 1 else "")


class TextClassifier:
    """A linear classifier of short texts: the oldest trick there is, and hard to beat.

    Args:
        examples: (text, topic).
        unit: "words" counts words, pairs and triples of them; "characters" runs of two to five characters, which
            also sees through typos.
    """

    def __init__(self, examples: Sequence[tuple[str, str]], *, unit: Literal["words", "characters"]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import SGDClassifier
        from sklearn.pipeline import make_pipeline

        chosen = random.Random(0).sample(list(examples), min(N_TAUGHT, len(examples)))
        texts, topics = [text for text, _ in chosen], [topic for _, topic in chosen]
        characters = {"analyzer": "char_wb", "ngram_range": (2, 5)}
        words = {"token_pattern": r"\S+", "ngram_range": (1, 3)}
        self._only = topics[0] if len(set(topics)) == 1 else None
        self._pipeline = make_pipeline(
            TfidfVectorizer(sublinear_tf=True, **(characters if unit == "characters" else words)),
            SGDClassifier(alpha=1e-6, max_iter=15, tol=None, random_state=0),
        )
        if self._only is None:
            self._pipeline.fit(texts, topics)

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Return the likeliest topic of each text."""
        if not texts:
            return []
        return [self._only] * len(texts) if self._only else [str(topic) for topic in self._pipeline.predict(texts)]
