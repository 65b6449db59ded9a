"""Turns a reply into the topics that it answers, and tells whether it was learned by heart.

First comes the grammar: where the lines of the topic that was asked about can say the reply, word for word, it is on
topic, and nobody needs to guess. Otherwise a classifier decides that was trained on generated replies: a linear one on
words, pairs and triples of words (of characters, in scripts without spaces). How often it is right on replies it has
not seen is part of the report, because a rate can be no more exact than its judge.

Deliberately not: a language model as judge, or any list of words made for this purpose.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

from guppylm.packs.count import Counter
from guppylm.packs.generate import Conversation, Dataset, SceneTrees, scene_trees
from guppylm.packs.grammar import Bound, Variable
from guppylm.packs.normalise import UNSPACED, normalise
from guppylm.packs.pack import Pack
from guppylm.packs.recognise import Recogniser, TooManyStatesError

N_TAUGHT = 40_000  # replies that the judge learns from; more change its accuracy by less than 0.1 %

Novelty = Literal["memorised", "valid", "new"]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a reply is about.

    Attributes:
        topics: those whose lines can say it, as far as was looked; for a new sentence the one the classifier takes
            it for.
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
        self._counter = Counter()
        self.trees: dict[str, list[SceneTrees]] = {
            name: scene_trees(topic, nodes=nodes) + scene_trees(topic, nodes=nodes, new_words=True)
            for name, topic in pack.topics.items()
        }
        self.trained: dict[str, set[str]] = {}
        for row in dataset.train:
            self.trained.setdefault(row.output, set()).add(row.category)
        taught = [(row.output, row.category) for row in dataset.train]
        self._classifier = TextClassifier(taught, unit="words", most=N_TAUGHT)
        self._seen = dataset.seen
        self._guessed: dict[str, str] = {}

    @cached_property
    def accuracy(self) -> float | None:
        """How often the classifier alone is right about a reply that the grammar made and that it has not seen.

        None where there are no such replies.
        """
        replies = [row for row in self._seen if row.output not in self.trained]
        guessed = self._classifier.predict([row.output for row in replies])
        right = sum(map(str.__eq__, guessed, (row.category for row in replies)))
        return right / len(replies) if replies else None

    def judge(self, replies: Sequence[str], asked: Sequence[str]) -> list[Judged]:
        """Return what each reply is about, when this is the topic it was asked about."""
        fresh = [reply for reply in dict.fromkeys(replies) if reply not in self._guessed]
        self._guessed |= zip(fresh, self._classifier.predict(fresh), strict=True)
        return [self._judged(reply, topic) for reply, topic in zip(replies, asked, strict=True)]

    def _judged(self, reply: str, asked: str) -> Judged:
        """Look in the rows, then in the grammar of the topic asked about and of the one it looks like."""
        if reply in self.trained:
            own = {asked} if self._can_say(asked, reply) else set()
            return Judged(topics=frozenset(self.trained[reply] | own), novelty="memorised")
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

    def copied(self, row: Conversation, reply: str, *, is_new: bool = False) -> bool | None:
        """Tell whether a reply repeats the very words of its prompt; None where it has no place for them.

        A place for them is where a line of the row's scene says the reply with a word of a list from which the prompt
        took one. Only lines that the prompt could have been made from count.

        Args:
            is_new: it is a sentence that no line can say, as one with a mangled word in it would be. Then it has to
                hold a word of the prompt that some line of the scene repeats; where there is no such word, None.
        """
        scenes = [scene for scene in self.trees[row.category] if scene.scene.index == row.scene]
        asks = [tree for scene in scenes for tree in (scene.ask, scene.held_out) if tree is not None]
        said = [words for ask in asks for words in _readings(row.clean, ask) if words]
        if is_new:
            slots = {
                _slot(variable) for scene in scenes for used in self._counter.poly(scene.reply) for variable in used
            }
            words = {word for asked in said for name, word in asked.items() if name in slots}
            held = f" {normalise(reply)} "
            return any(f" {normalise(word)} " in held for word in words) if words else None
        has_place = None
        for read in (words for scene in scenes for words in _readings(reply, scene.reply)):
            for asked in said:
                if shared := read.keys() & asked.keys():
                    if all(read[name] == asked[name] for name in shared):
                        return True
                    has_place = False
        return has_place


def _slot(variable: Variable) -> str:
    words, number = variable
    return f"{words.name}/{number}"


def _readings(text: str, tree: Bound) -> Iterator[dict[str, str]]:
    """Yield the ways to read a text with a tree, each as its words by slot (`food2`); none where they are too many."""
    try:
        for found in Recogniser(text, exact=True).matches(tree):
            yield {_slot(variable): variable[0].entries[entry].word for variable, entry in found.items()}
    except TooManyStatesError:
        return


class TextClassifier:
    """A linear classifier of short texts: the oldest trick there is, and hard to beat.

    Args:
        examples: (text, topic).
        unit: "words" counts words, pairs and triples of them; "characters" runs of two to five characters, which
            also sees through typos.
        most: learn from so many of them, drawn at random; None for all.
    """

    def __init__(
        self, examples: Sequence[tuple[str, str]], *, unit: Literal["words", "characters"], most: int | None = None
    ) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import SGDClassifier
        from sklearn.pipeline import make_pipeline

        chosen = random.Random(0).sample(list(examples), min(most or len(examples), len(examples)))
        texts, topics = [text for text, _ in chosen], [topic for _, topic in chosen]
        characters = {"analyzer": "char_wb", "ngram_range": (2, 5)}
        words = {"token_pattern": rf"[{UNSPACED}]|[^\s{UNSPACED}]+", "ngram_range": (1, 3)}
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
