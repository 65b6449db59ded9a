"""Turns a bundle into its report: everything asked, every reply judged, simpler models beside it.

Replies are made at the bundle's own settings, which are those of the page. The rows that it was trained on are made
again from its own pack, and compared by their digest with those of training: what is said of them is true of them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from guppylm.chat.engine import Chat
from guppylm.chat.many import reply_to_all
from guppylm.errors import ExamError
from guppylm.exam import rates
from guppylm.exam.answers import Answer, Sitting, Tell, ask_all
from guppylm.exam.baselines import NGram
from guppylm.exam.judge import Judge, TextClassifier
from guppylm.exam.questions import Paper, papers
from guppylm.model.bundle import Bundle
from guppylm.model.tokenizer import Tokenizer
from guppylm.packs.generate import Conversation, Dataset, digest_of_rows, generate

N_ROWS = 600  # questions from each set of the generator
N_DISTINCT = 10  # seeds for which one message of each topic is answered, to see how varied it is


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
    digests = bundle.metrics.get("digests", {})
    tell("making its training rows again")
    dataset = generate(pack, n_rows=settings.get("n_rows", 60_000), seed=settings.get("seed", 0))
    asked = papers(pack, dataset, n_rows=n_rows, exam=exam)
    if not asked:
        raise ExamError(f"{pack.name} has no rows and no exam.yaml to ask from.", "Give the pack topics.")
    free = "final" if "final" in asked else next(iter(asked))
    chat = Chat(bundle)
    tell("teaching the judge")
    judge = Judge(pack, dataset)
    answers = ask_all(chat, judge, asked, seeds, tell)
    found = rates.rates(answers, pack, judge)
    tell(f"asking one message of each topic {N_DISTINCT} times")
    found["distinct of ten"] = distinct(chat, asked[free])
    tell("asking simpler models")
    return {
        "format": "exam/1",
        "persona": bundle.name,
        "title": pack.title,
        "weights": digests.get("weights", ""),
        "are_its_rows": digests.get("data") == digest_of_rows(dataset.train),
        "seeds": list(seeds),
        "sampling": bundle.generation.to_dict(),
        "questions": {name: len(paper) for name, paper in asked.items()},
        "n_replies": sum(len(sitting) for sittings in answers.values() for sitting in sittings),
        "rates": found,
        "judge_accuracy": judge.accuracy,
        "free": free,
        "novelty": rates.novelty(answers[free]),
        "topics": rates.by_topic(answers[free]),
        "confusions": rates.confusions(answers.get("practice", answers[free])),
        "practice": [_wrong(answer) for answer in _to_learn_from(answers, exam) if not answer.is_on_topic],
        "prompt_classifier": prompt_classifier(dataset, asked),
        "loss": losses(bundle, dataset),
        "seconds": round(time.monotonic() - began, 1),
    }


def _to_learn_from(answers: Mapping[str, list[Sitting]], exam: Mapping[str, Sequence[str]] | None) -> Sitting:
    """Return the answers that an author may look at: to the practice half, or to messages of their own."""
    sittings = answers.get("practice" if exam is None else "final")
    return sittings[0] if sittings else []


def _wrong(answer: Answer) -> dict[str, str]:
    """Return a message that was misunderstood, and what came of it."""
    question = answer.question
    taken_for = min(answer.judged.topics)
    return {"topic": question.topic, "message": question.text, "taken_for": taken_for, "reply": answer.text}


def distinct(chat: Chat, paper: Paper) -> dict[str, Any]:
    """Return how many different replies ten seeds give, on average over one message of each topic."""
    firsts = list({question.topic: question.text for question in reversed(paper)}.values())
    by_seed = [
        [reply.text for reply in reply_to_all(chat, firsts, seed=seed, keep_steps=False)] for seed in range(N_DISTINCT)
    ]
    return rates.spread([rates.mean(len(set(said)) for said in zip(*by_seed, strict=True))], n=len(firsts))


def prompt_classifier(dataset: Dataset, asked: Mapping[str, Paper]) -> dict[str, float]:
    """Return how often a classifier that learns from the same prompts finds the topic of a message, by paper."""
    reader = TextClassifier([(row.input, row.category) for row in dataset.train], unit="characters")
    found = {}
    for name, paper in asked.items():
        guessed = reader.predict([question.text for question in paper])
        found[name] = rates.mean(guess == question.topic for guess, question in zip(guessed, paper, strict=True))
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
