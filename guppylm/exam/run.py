"""Turns a bundle into its report: every message asked, every reply judged, every rate with its spread.

A rate is measured once for each seed of the dice; it is reported as the mean over the seeds with the lowest and the
highest of them. Replies are made at the bundle's own settings, which are those of the page.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from guppylm.chat.engine import Chat, Reply
from guppylm.chat.many import reply_to_all
from guppylm.errors import ExamError
from guppylm.exam.baselines import NGram
from guppylm.exam.judge import Judge, Judged, TextClassifier
from guppylm.exam.questions import ROW_SETS, WORSE, Paper, Question, papers
from guppylm.exam.voice import Residue, broken_rule, loops
from guppylm.model.bundle import Bundle
from guppylm.model.tokenizer import Tokenizer
from guppylm.packs.generate import Conversation, Dataset, generate
from guppylm.packs.pack import Pack

N_ROWS = 600  # questions from each set of the generator
N_DISTINCT = 10  # seeds for which one message of each topic is answered, to see how varied it is
N_CONFUSIONS = 20

Tell = Callable[[str], None]


def examine(
    bundle: Bundle,
    *,
    seeds: Sequence[int] = (1, 2, 3),
    n_rows: int = N_ROWS,
    exam: Mapping[str, Sequence[str]] | None = None,
    tell: Tell = lambda _: None,
) -> dict[str, Any]:
    """Return the report of a bundle, as plain JSON (see report.py for what is made of it).

    Args:
        seeds: of the dice; more give a closer mean.
        n_rows: most questions to take from each set of generated rows.
        exam: free messages by topic, all of them asked, in place of those in the pack.
        tell: told what happens next, in a few words.

    Raises:
        BundleError, PackError: its pack does not load.
        ExamError: there is nothing to ask.
    """
    began = time.monotonic()
    pack, settings = bundle.pack, bundle.metrics.get("settings", {})
    tell("making its training rows again")
    dataset = generate(pack, n_rows=settings.get("n_rows", 60_000), seed=settings.get("seed", 0))
    asked = papers(pack, dataset, n_rows=n_rows, exam=exam)
    if not asked:
        raise ExamError(f"{pack.name} has no rows and no exam.yaml to ask from.", "Give the pack topics.")
    tell("teaching the judge")
    judge = Judge(pack, dataset)
    answers = Answers(Chat(bundle), judge, asked, seeds, tell)
    tell("asking simpler models")
    report = {
        "format": "exam/1",
        "persona": bundle.name,
        "title": pack.title,
        "weights": bundle.metrics.get("digests", {}).get("weights", ""),
        "seeds": list(seeds),
        "sampling": bundle.generation.to_dict(),
        "questions": {name: len(paper) for name, paper in asked.items()},
        "n_replies": answers.n_replies,
        "rates": answers.rates(pack, dataset),
        "judge_accuracy": judge.accuracy,
        "novelty": answers.novelty(),
        "topics": answers.topics(),
        "confusions": answers.confusions(),
        "prompt_classifier": prompt_classifier(dataset, asked),
        "loss": losses(bundle, dataset),
        "seconds": round(time.monotonic() - began, 1),
    }
    return report


class Answers:
    """The replies to every paper with every seed, and what the judge makes of them."""

    def __init__(
        self, chat: Chat, judge: Judge, asked: Mapping[str, Paper], seeds: Sequence[int], tell: Tell = lambda _: None
    ) -> None:
        self.chat, self.judge, self.asked, self.seeds, self.tell = chat, judge, asked, seeds, tell
        self.replies: dict[str, list[list[Reply]]] = {}  # paper -> seed -> reply
        self.judged: dict[str, list[list[Judged]]] = {}
        for name, paper in asked.items():
            tell(f"{name}: {len(paper)} questions, {len(seeds)} times")
            texts = [question.text for question in paper]
            self.replies[name] = [reply_to_all(chat, texts, seed=seed) for seed in seeds]
            topics = [question.topic for question in paper]
            self.judged[name] = [judge.judge([reply.text for reply in said], topics) for said in self.replies[name]]

    @property
    def n_replies(self) -> int:
        return sum(len(replies) for paper in self.replies.values() for replies in paper)

    def rates(self, pack: Pack, dataset: Dataset) -> dict[str, Any]:
        """Return every rate that can be had, by name, in the order of a report card."""
        papers = ("final", *WORSE, "practice", *ROW_SETS, "unknown")
        found = {name: self._on_topic(name) for name in papers if name in self.asked}
        for name in WORSE:
            if name in found:
                both = zip(found["final"]["of_each"], found[name]["of_each"], strict=True)
                found[f"gap: {name}"] = _spread([typed - worse for typed, worse in both], n=found[name]["n"])
        if "identity" in self.asked:
            found["identity"] = self._share("identity", lambda _, judged: bool(judged.topics & set(pack.identity)))
        found |= self._copies()
        residue = Residue(row.output for row in dataset.train)
        for name, is_bad in (
            ("voice broken", lambda text: bool(broken_rule(text, pack.voice))),
            ("residue", lambda text: bool(residue.in_(text))),
            ("loops", loops),
        ):
            found[name] = self._of_all(
                lambda reply, judged, is_bad=is_bad: judged.novelty == "new" and is_bad(reply.text)
            )
        found["ends by itself"] = self._of_all(lambda reply, _: reply.stopped == "end")
        found["distinct of ten"] = self._distinct()
        return found

    def _on_topic(self, name: str) -> dict[str, Any]:
        return self._share(name, lambda question, judged: question.topic in judged.topics)

    def _share(self, name: str, is_right: Callable[[Question, Judged], bool]) -> dict[str, Any]:
        paper = self.asked[name]
        return _spread([_mean(map(is_right, paper, judged)) for judged in self.judged[name]], n=len(paper))

    def _of_all(self, is_so: Callable[[Reply, Judged], bool]) -> dict[str, Any]:
        """Return the share of all replies, of every paper, for which something is so."""
        of_each, n = [], 0
        for i in range(len(self.seeds)):
            all_ = [
                is_so(reply, judged)
                for name in self.asked
                for reply, judged in zip(self.replies[name][i], self.judged[name][i], strict=True)
            ]
            of_each.append(_mean(all_))
            n = len(all_)
        return _spread(of_each, n=n)

    def _copies(self) -> dict[str, Any]:
        """Return how often a reply that has a place for the user's word holds that word."""
        of_each, n = [], 0
        for i in range(len(self.seeds)):
            found = [
                copied
                for name in ROW_SETS
                if name in self.asked
                for question, reply in zip(self.asked[name], self.replies[name][i], strict=True)
                if question.row and (copied := self.judge.copied(question.row, reply.text)) is not None
            ]
            if not found:
                return {}
            of_each.append(_mean(found))
            n = len(found)
        return {"slot copy": _spread(of_each, n=n)}

    def _distinct(self) -> dict[str, Any]:
        """Return how many different replies ten seeds give, on average over one message of each topic."""
        paper = self.asked.get("final") or next(iter(self.asked.values()))
        firsts = list({question.topic: question.text for question in reversed(paper)}.values())
        self.tell(f"variety: {len(firsts)} questions, {N_DISTINCT} times")
        by_seed = [[reply.text for reply in reply_to_all(self.chat, firsts, seed=seed)] for seed in range(N_DISTINCT)]
        counts = [len(set(said)) for said in zip(*by_seed, strict=True)]
        mean = _mean(counts)
        return {"mean": mean, "low": min(counts), "high": max(counts), "of_each": [mean], "n": len(firsts)}

    def novelty(self) -> dict[str, float]:
        """Return which share of the replies to free messages is memorised, valid by the grammar, or new."""
        name = "final" if "final" in self.asked else next(iter(self.asked))
        counts = Counter(judged.novelty for judgements in self.judged[name] for judged in judgements)
        return {kind: counts[kind] / max(1, counts.total()) for kind in ("memorised", "valid", "new")}

    def topics(self) -> dict[str, float]:
        """Return the on-topic rate of every topic in the final half, worst first."""
        right: dict[str, list[bool]] = {}
        for question, judged in self._final():
            right.setdefault(question.topic, []).append(question.topic in judged.topics)
        return dict(sorted(((topic, _mean(all_)) for topic, all_ in right.items()), key=lambda entry: entry[1]))

    def confusions(self) -> list[dict[str, Any]]:
        """Return the topics most often taken for another in the final half: of, as, n."""
        wrong = ((asked.topic, judged) for asked, judged in self._final() if asked.topic not in judged.topics)
        counts = Counter((topic, min(judged.topics)) for topic, judged in wrong)
        return [{"of": of, "as": as_, "n": n} for (of, as_), n in counts.most_common(N_CONFUSIONS)]

    def _final(self) -> list[tuple[Question, Judged]]:
        name = "final" if "final" in self.asked else next(iter(self.asked))
        return [pair for judged in self.judged[name] for pair in zip(self.asked[name], judged, strict=True)]


def prompt_classifier(dataset: Dataset, asked: Mapping[str, Paper]) -> dict[str, float]:
    """Return how often a classifier that learns from the same prompts finds the topic of a message, by paper."""
    reader = TextClassifier([(row.input, row.category) for row in dataset.train], unit="characters")
    found = {}
    for name, paper in asked.items():
        if name != "identity":
            guessed = reader.predict([question.text for question in paper])
            found[name] = _mean(guess == question.topic for guess, question in zip(guessed, paper, strict=True))
    return found


def losses(bundle: Bundle, dataset: Dataset) -> dict[str, float | None]:
    """Return the held-out loss of the model, and of n-grams that learn from the same replies."""
    held_out = _tokens(bundle.tokenizer, dataset.held_out)
    train = _tokens(bundle.tokenizer, dataset.train)
    size = bundle.tokenizer.vocab_size
    return {
        **{key: bundle.metrics.get("loss", {}).get(key) for key in ("held_out", "knows_nothing")},
        **{name: NGram(train, n=n, vocab_size=size).loss(held_out) for name, n in (("unigram", 1), ("trigram", 3))},
    }


def _tokens(tokenizer: Tokenizer, rows: Sequence[Conversation]) -> list[list[int]]:
    """Return what the model has to write in each row: the gist, the reply, the end."""
    learned = []
    for row in rows:
        ids, mask = tokenizer.conversation(row.turns, gist=row.gist if tokenizer.gists else "")
        learned.append([id for id, is_learned in zip(ids, mask, strict=True) if is_learned])
    return learned


def _mean(values) -> float:
    values = list(values)
    return sum(values) / max(1, len(values))


def _spread(of_each: Sequence[float], *, n: int) -> dict[str, Any]:
    return {"mean": _mean(of_each), "low": min(of_each), "high": max(of_each), "of_each": list(of_each), "n": n}
