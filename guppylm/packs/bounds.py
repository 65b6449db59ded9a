"""Turns a topic's lines into findings about their names and sizes, so that what comes out can safely be counted.

Binding says which names mean nothing. Sizes come next and are found by dynamic programming over the tree: a few
phrases that each say another one twice can make 2^(2^14) texts, and nothing may start to count or draw those.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from guppylm.errors import Finding
from guppylm.packs.count import Counter, TooLargeError, refuse_huge
from guppylm.packs.grammar import Binder, Line, Problem, Scope
from guppylm.packs.lang import Choice, Sequence
from guppylm.packs.pack import Scene, Topic
from guppylm.packs.read import finding_at

_SMALLER = "use fewer choices in one line, or put the rest into a line of its own"


def bind_topic(topic: Topic) -> tuple[list[Finding], set[str]]:
    """Return what is wrong with the names and sizes in a topic, and the names that its lines use."""
    binder = Binder(topic.scope)
    findings: list[Finding] = []
    for scene in topic.scenes:
        bound = {key: (lines, binder.bind(lines)) for key, lines in _keyed(scene)}
        if not binder.problems:
            findings += _too_large(scene, bound)
    findings += _named(binder.problems, topic)
    if not findings and any(
        entry.held_out for words in topic.scope.words.values() for entry in words.entries
    ):
        findings += _with_new_words(topic)
    return findings, binder.used


def _keyed(scene: Scene) -> list[tuple[str, tuple[Line, ...]]]:
    return [("ask", scene.ask), ("reply", scene.reply), ("held_out", scene.held_out)]


def _with_new_words(topic: Topic) -> list[Finding]:
    """Return what is wrong when only held-out words are used, as the examination does."""
    binder = Binder(topic.scope, new_words=True)
    for scene in topic.scenes:
        for _, lines in _keyed(scene):
            binder.bind(lines)
    return [
        finding_at(
            problem.place.at(problem.offset),
            problem.code,
            f"{problem.message} of the held-out words",
            "hold out more words of that list, or none",
        )
        for problem in binder.problems
    ]


def bind_unused(scope: Scope, used: set[str], pack: str) -> list[Finding]:
    """Return what is wrong in the shared phrases of this pack that no line uses."""
    binder = Binder(scope)
    for name, phrase in scope.phrases.items():
        if name not in used and phrase.place is not None and phrase.place.file.startswith(f"{pack}/"):
            binder.bind(phrase.lines)
    return _named([problem for problem in binder.problems if problem.code != "E140"], None)


def _named(problems: Iterable[Problem], topic: Topic | None) -> list[Finding]:
    """Return the problems as findings; of many words without a form, the first speaks for all."""
    alike: dict[tuple, list[Problem]] = defaultdict(list)
    for problem in problems:
        alike[problem.code, problem.place, problem.offset].append(problem)
    findings = []
    for same in alike.values():
        first = same[0]
        assert first.place is not None
        message = first.message if len(same) == 1 else f"{first.message} and {len(same) - 1} more words"
        if topic is not None and first.place.file != topic.place.file:
            message += f", when topic {topic.name} uses this line"
        findings.append(finding_at(first.place.at(first.offset), first.code, message, first.help))
    return findings


def _too_large(scene: Scene, bound: dict[str, tuple[tuple[Line, ...], Choice]]) -> Iterator[Finding]:
    """Yield a finding for each line beyond bounds, or one for the scene when only all lines together are."""
    n_found = 0
    for lines, choice in bound.values():
        for line, option in zip(lines, choice.options, strict=True):
            try:
                refuse_huge(option.node)
                Counter().poly(option.node)
            except TooLargeError as error:
                n_found += 1
                yield finding_at(line.place, error.code, str(error), _SMALLER)
    if n_found:
        return
    counter = Counter()
    for prompts in ("ask", "held_out"):
        pairs = Sequence((bound[prompts][1], bound["reply"][1]))
        try:
            counter.poly(pairs)
        except TooLargeError as error:
            yield finding_at(
                scene.place, error.code, str(error), "use fewer lists in one scene, or split the scene"
            )
