"""Turns answers into rates: the mean over the seeds, with the lowest and the highest of them.

Every rate is `{"mean", "low", "high", "of_each", "n"}`: shares from 0 to 1, one for each seed, of n answers. A rate for
which there was nothing to ask is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from guppylm.exam.answers import Answer, Sitting
from guppylm.exam.judge import Judge
from guppylm.exam.questions import ROW_SETS, WORSE
from guppylm.exam.voice import Residue, broken_rule, loops
from guppylm.packs.pack import Pack

Answers = Mapping[str, Sequence[Sitting]]

N_CONFUSIONS = 20


def rates(answers: Answers, pack: Pack, judge: Judge) -> dict[str, Any]:
    """Return every rate that can be had, by name."""
    papers = ("final", *WORSE, "practice", *ROW_SETS, "unknown")
    found = {name: share(answers[name], _on_topic) for name in papers if name in answers}
    found |= {f"gap: {name}": gap(answers["final"], answers[name]) for name in WORSE if name in answers}
    if who := [[a for a in sitting if a.question.topic in pack.identity] for sitting in answers.get("final", ())]:
        found["identity"] = share(who, lambda answer: bool(answer.judged.topics & set(pack.identity)))
    found["slot copy"] = _copies(answers, judge, ("held_out", "seen"))
    found["slot copy, new words"] = _copies(answers, judge, ("new_words",))
    everything = [_all_of(answers, nth) for nth in range(len(next(iter(answers.values()))))]
    residue = Residue(judge.trained)
    faults: dict[str, Callable[[str], Any]] = {
        "voice broken": lambda text: broken_rule(text, pack.voice),
        "residue": residue.in_,
        "loops": loops,
    }
    for name, fault in faults.items():
        found[name] = share(everything, lambda a, fault=fault: a.judged.novelty == "new" and bool(fault(a.text)))
    found["ends by itself"] = share(everything, lambda answer: answer.ended)
    return {name: rate for name, rate in found.items() if rate and rate["n"]}


def _on_topic(answer: Answer) -> bool:
    return answer.is_on_topic


def share(sittings: Sequence[Sitting], is_so: Callable[[Answer], bool]) -> dict[str, Any]:
    """Return the share of answers for which something is so."""
    return spread([mean(map(is_so, sitting)) for sitting in sittings], n=len(sittings[0]))


def gap(typed: Sequence[Sitting], worse: Sequence[Sitting]) -> dict[str, Any]:
    """Return how much of the on-topic rate worse spelling costs, over the messages that it changed."""
    lost = [
        mean(as_typed[answer.question.of].is_on_topic - answer.is_on_topic for answer in sitting)
        for as_typed, sitting in zip(typed, worse, strict=True)
    ]
    return spread(lost, n=len(worse[0]))


def _copies(answers: Answers, judge: Judge, papers: Sequence[str]) -> dict[str, Any] | None:
    """Return how often a reply with a place for the user's word holds that word; None where none has a place.

    A sentence that no line can say counts too if it is on topic: it may be one with the word in it, mangled.
    """
    sets = [answers[name] for name in papers if name in answers]
    found = []
    for sittings in zip(*sets, strict=True):
        told = []
        for a in chain.from_iterable(sittings):
            is_new = a.judged.novelty == "new"
            if a.question.row and (a.is_on_topic or not is_new):
                told.append(judge.copied(a.question.row, a.text, is_new=is_new))
        found.append([copied for copied in told if copied is not None])
    return spread([mean(copied) for copied in found], n=len(found[0])) if found and all(found) else None


def _all_of(answers: Answers, nth: int) -> Sitting:
    """Return the answers of all papers with one seed, each once, however many spellings it stands for."""
    return list({answer.shown: answer for sittings in answers.values() for answer in sittings[nth]}.values())


def by_topic(sittings: Sequence[Sitting]) -> dict[str, float]:
    """Return the on-topic rate of every topic, worst first."""
    right: dict[str, list[bool]] = {}
    for answer in _each(sittings):
        right.setdefault(answer.question.topic, []).append(answer.is_on_topic)
    return dict(sorted(((topic, mean(all_)) for topic, all_ in right.items()), key=lambda entry: entry[1]))


def confusions(sittings: Sequence[Sitting]) -> list[dict[str, Any]]:
    """Return the topics most often taken for another: of, as, n."""
    wrong = [answer for answer in _each(sittings) if not answer.is_on_topic]
    counts = Counter((answer.question.topic, min(answer.judged.topics)) for answer in wrong)
    return [{"of": of, "as": as_, "n": n} for (of, as_), n in counts.most_common(N_CONFUSIONS)]


def novelty(sittings: Sequence[Sitting]) -> dict[str, float]:
    """Return which share of the replies is memorised, valid by the grammar, or new."""
    counts = Counter(answer.judged.novelty for answer in _each(sittings))
    return {kind: counts[kind] / max(1, counts.total()) for kind in ("memorised", "valid", "new")}


def _each(sittings: Sequence[Sitting]) -> Iterable[Answer]:
    return (answer for sitting in sittings for answer in sitting)


def mean(values: Iterable[float]) -> float:
    """Return the mean, or 0 of nothing."""
    values = list(values)
    return sum(values) / max(1, len(values))


def spread(of_each: Sequence[float], *, n: int) -> dict[str, Any]:
    """Return a rate from its value with each seed."""
    return {"mean": mean(of_each), "low": min(of_each), "high": max(of_each), "of_each": list(of_each), "n": n}
