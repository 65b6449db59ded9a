"""Turns a topic's lines into trees that can safely be counted, and findings about names and sizes.

Binding says which names mean nothing. Sizes come next and are found by dynamic programming over the tree: a
few phrases that each say another one twice can make 2^(2^14) texts, and nothing may start to count or draw
those.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import cast

from guppylm.errors import Finding
from guppylm.packs.count import Counter, TooLargeError, refuse_huge
from guppylm.packs.document import finding_at
from guppylm.packs.generate import SceneTrees
from guppylm.packs.grammar import Binder, Line, Problem, Scope
from guppylm.packs.lang import Choice, Option, Sequence
from guppylm.packs.pack import Scene, Topic
from guppylm.packs.place import Place
from guppylm.packs.schema import NAME

_SLOT_NAME = re.compile(rf"<({NAME.pattern})")
_SMALLER = "use fewer choices in one line, or put the rest into a line of its own"


@dataclass(frozen=True, kw_only=True)
class BoundTopic:
    """A topic's scenes as trees, the names that their lines use, and what is wrong with names and sizes."""

    trees: list[SceneTrees]
    used: set[str]
    findings: list[Finding]


def bind_topic(topic: Topic, *, pack: str, local: Collection[str], counter: Counter, nodes: dict) -> BoundTopic:
    """Return a topic's trees and what is wrong with them.

    Args:
        pack: the folder of the persona, whose own files are in the author's hands.
        local: the names that any topic has of its own. A shared phrase may count on a topic to bring one.
        counter: what counts the trees, and remembers.
        nodes: the nodes that topics have in common; see `Binder`.
    """
    binder = Binder(topic.scope, nodes=nodes)
    trees = [SceneTrees(scene, binder) for scene in topic.scenes]
    findings = [finding for problem in binder.problems for finding in _named(problem, topic, pack, local)]
    if not findings:
        findings += _too_large(trees, counter)
    if not findings and any(entry.held_out for words in topic.scope.words.values() for entry in words.entries):
        findings += _with_new_words(topic)
    return BoundTopic(trees=trees, used=binder.used, findings=_one_a_place(findings))


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
    """Return what is wrong in the shared phrases of this pack that no line uses.

    A name they do not know is let pass: it may be one that a topic has to bring.
    """
    binder = Binder(scope)
    for name, phrase in scope.phrases.items():
        if name not in used and phrase.place is not None and phrase.place.file.startswith(f"{pack}/"):
            binder.bind(phrase.lines)
    return _one_a_place([_plainly(problem) for problem in binder.problems if problem.code != "E140"])


def bind_alone(lines: Iterable[Line], scope: Scope) -> tuple[set[str], list[Finding]]:
    """Return the names used by lines that belong to no topic, and what is wrong with names and sizes."""
    binder = Binder(scope)
    tree = binder.bind(lines)
    findings = [_plainly(problem) for problem in binder.problems]
    return binder.used, _one_a_place(findings or list(_too_large_options(tree.options)))


def _plainly(problem: Problem) -> Finding:
    assert problem.place is not None
    return finding_at(problem.place.at(problem.offset), problem.code, problem.message, problem.help)


def _named(problem: Problem, topic: Topic, pack: str, local: Collection[str]) -> Iterator[Finding]:
    """Yield the finding for a problem with a name, at the line that has to change.

    In the topic's own lines that is the line itself. In a shared phrase it is the topic's line that uses the
    phrase, when the phrase counts on the topic to bring the name.
    """
    assert problem.place is not None
    finding = _plainly(problem)
    if problem.code != "E140" or problem.place.file == topic.place.file:
        yield finding
        return
    phrase, missing = _missing_name(problem, topic.scope)
    if missing in local or not problem.place.file.startswith(f"{pack}/"):
        line = _first_user(problem, topic)
        message = f"<{phrase}> needs <{missing}>, which this topic does not have"
        yield finding_at(line.place, "E140", message, f"give the topic words or a phrase called {missing}")
    else:
        yield finding


def _missing_name(problem: Problem, scope: Scope) -> tuple[str, str]:
    """Return the phrase in which the problem stands, and the name that means nothing there."""
    for phrase in scope.phrases.values():
        for line in phrase.lines:
            if line.place == problem.place and (slot := _SLOT_NAME.match(line.text, problem.offset)):
                return phrase.name, slot[1]
    raise AssertionError(f"no phrase holds {problem}")


def _first_user(problem: Problem, topic: Topic) -> Line:
    """Return the first line of the topic that leads to the problem."""
    own = [line for scene in topic.scenes for _, lines in _keyed(scene) for line in lines]
    own += [line for phrase in topic.scope.phrases.values() for line in phrase.lines]
    for line in own:
        if line.place.file == topic.place.file:
            binder = Binder(topic.scope)
            binder.bind([line])
            if problem in binder.problems:
                return line
    raise AssertionError(f"no line leads to {problem}")


def _one_a_place(findings: list[Finding]) -> list[Finding]:
    """Return the findings, of many with the same code at one place only the first, which speaks for all."""
    alike: dict[tuple, list[Finding]] = defaultdict(list)
    for finding in findings:
        alike[finding.code, finding.file, finding.line, finding.column, finding.path].append(finding)
    return [
        same[0] if len(same) == 1 else replace(same[0], message=f"{same[0].message}, and {len(same) - 1} more here")
        for same in alike.values()
    ]


def _too_large(trees: list[SceneTrees], counter: Counter) -> Iterator[Finding]:
    """Yield a finding for each line beyond bounds, or for a scene when only its whole is."""
    try:
        # All of a topic at once, since its trees have their phrases in common.
        refuse_huge(Choice(tuple(Option(1, tree) for scene in trees for tree in _parts(scene))))
        for scene in trees:
            _count(scene, counter)
    except TooLargeError:
        for scene in trees:
            yield from _too_large_lines(scene)


def _parts(scene: SceneTrees) -> list[Choice]:
    return [tree for tree in (scene.ask, scene.held_out, scene.reply) if tree is not None]


def _count(scene: SceneTrees, counter: Counter) -> None:
    """Count what the generator will want counted. Raises TooLargeError."""
    counter.poly(scene.exchange)
    if scene.held_out is not None:
        counter.poly(Sequence((scene.held_out, scene.reply)))


def _too_large_lines(scene: SceneTrees) -> Iterator[Finding]:
    found = list(_too_large_options(option for tree in _parts(scene) for option in tree.options))
    yield from found
    if found:
        return
    try:
        _count(scene, Counter())
    except TooLargeError as error:
        help = "use fewer lists in one scene, or split the scene"
        yield finding_at(cast(Place, scene.scene.place), error.code, str(error), help)


def _too_large_options(options: Iterable[Option]) -> Iterator[Finding]:
    for option in options:
        try:
            refuse_huge(option.node)
            Counter().poly(option.node)
        except TooLargeError as error:
            yield finding_at(cast(Place, option.place), error.code, str(error), _SMALLER)
