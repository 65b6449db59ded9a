"""Turns a pack into what is written in it and does nothing: unused names, lines twice, brackets left open.

None of it keeps a pack from being trained; each is a slip that an author would want to know about.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from guppylm.errors import Finding
from guppylm.packs import lang
from guppylm.packs.count import Counter
from guppylm.packs.document import finding_at
from guppylm.packs.exchanges import unanswered
from guppylm.packs.generate import SceneTrees
from guppylm.packs.grammar import Line, Phrase, Scope, WordList
from guppylm.packs.normalise import squeeze
from guppylm.packs.pack import Pack
from guppylm.packs.place import Place
from guppylm.packs.recognise import Recogniser, TooManyStatesError
from guppylm.packs.schema import NAME
from guppylm.packs.unrank import every_text

# Prompts of one scene whose texts are compared, and of a whole pack; beyond, only lines are.
MAX_COMPARED = 1_000
MAX_COMPARED_IN_ALL = 20_000

_BRACES = re.compile(rf"\{{+({NAME.pattern})\}}+")
_OPEN = re.compile(r"(?<![:;=8])(?<![:;=8][-'])\((?!.*\))")


def unused_findings(pack: Pack, used: Mapping[str, Collection[str]]) -> Iterator[Finding]:
    """Yield a warning for every list, phrase and form of this pack that no line uses.

    Args:
        used: the names used, by the topic whose own they are; shared ones under the empty name.
    """
    lines = list(_all_lines(pack))
    forms = {form for line in lines for form in _forms(line.option.node)}
    scopes: list[tuple[str, Scope]] = [
        ("", pack.scope),
        *((name, topic.scope) for name, topic in pack.topics.items()),
    ]
    for owner, scope in scopes:
        own = [*scope.words.values(), *scope.phrases.values()]
        brought_in = {entry.place for words in scope.words.values() for entry in words.entries}
        for named in own:
            if not _is_own(named.place, owner, pack):
                continue
            kind = "phrase" if isinstance(named, Phrase) else "list"
            if named.name not in used.get(owner, ()) and not _is_brought_in(
                named, scope, used.get(owner, ()), brought_in
            ):
                message = f"no line uses the {kind} <{named.name}>"
                yield finding_at(named.place, "W202", message, "use it, or take it out")
            elif isinstance(named, WordList):
                yield from _unused_forms(named, forms)


def _is_own(place: Place | None, owner: str, pack: Pack) -> bool:
    """Say whether something stands in the file of this topic, or for a shared name, in this pack."""
    if place is None:
        return False
    if owner:
        return place.file == pack.topics[owner].place.file
    return place.file.startswith(f"{pack.name}/") and "/topics/" not in place.file


def _is_brought_in(named: WordList | Phrase, scope: Scope, used: Collection[str], brought_in: set) -> bool:
    """Say whether a list is used as part of another one."""
    if isinstance(named, Phrase):
        return False
    mine = {entry.place for entry in named.entries}
    return any(
        mine & {entry.place for entry in other.entries}
        for name, other in scope.words.items()
        if name in used and other is not named
    )


def _unused_forms(words: WordList, forms: Collection[str]) -> Iterator[Finding]:
    reported: set[str] = set()
    for entry in words.entries:
        for form in entry.forms:
            if form not in forms and form not in reported and entry.place is not None and words.place is not None:
                reported.add(form)
                if entry.place.file == words.place.file:
                    message = f"no line uses the form .{form} of <{words.name}>"
                    yield finding_at(entry.place, "W203", message, f"write <{words.name}.{form}>, or take it out")


def _forms(node: lang.Node) -> Iterator[str]:
    match node:
        case lang.Slot():
            if node.form:
                yield node.form
        case lang.Choice(options):
            for option in options:
                yield from _forms(option.node)
        case lang.Sequence(parts):
            for part in parts:
                yield from _forms(part)


def _all_lines(pack: Pack) -> Iterator[Line]:
    seen: set[int] = set()
    for phrase in pack.scope.phrases.values():
        yield from phrase.lines
    for topic in pack.topics.values():
        for scene in topic.scenes:
            yield from (*scene.ask, *scene.reply, *scene.held_out)
        for phrase in topic.scope.phrases.values():
            if id(phrase) not in seen:
                seen.add(id(phrase))
                yield from phrase.lines


def bracket_findings(pack: Pack) -> Iterator[Finding]:
    """Yield a warning for every bracket that is opened and never closed."""
    seen: set[Place] = set()
    for line in _all_lines(pack):
        found = _OPEN.search(line.text)
        if found and line.place not in seen and line.place.file.startswith(f"{pack.name}/"):
            seen.add(line.place)
            help = r"close it, or write \( to say that it is meant"
            if not line.text[: found.start()].endswith("\\"):
                yield finding_at(line.place.at(found.start()), "W204", "a bracket is opened and not closed", help)


def brace_findings(pack: Pack) -> Iterator[Finding]:
    """Yield a warning for every name in braces that would be a slot in another tool's templates."""
    seen: set[Place] = set()
    for line in _all_lines(pack):
        found = _BRACES.search(line.text)
        if found and line.place not in seen and line.place.file.startswith(f"{pack.name}/"):
            seen.add(line.place)
            message = f"{found[0]} comes out as it stands"
            yield finding_at(line.place.at(found.start()), "W205", message, f"a slot is written <{found[1]}>")


def double_findings(pack: Pack, trees: Mapping[str, list[SceneTrees]], counter: Counter) -> Iterator[Finding]:
    """Yield a warning for lines that stand twice, and for topics in which two lines make the same prompt."""
    groups = [(phrase.lines) for phrase in pack.scope.phrases.values()]
    for topic in pack.topics.values():
        groups += [lines for scene in topic.scenes for lines in (scene.ask, scene.reply, scene.held_out)]
        groups += [p.lines for p in topic.scope.phrases.values() if pack.scope.phrases.get(p.name) is not p]
    for lines in groups:
        yield from _same_lines(lines, pack)
    n_left = MAX_COMPARED_IN_ALL
    for scenes in trees.values():
        for scene in scenes:
            n_prompts = counter.total(scene.ask)
            if n_prompts <= min(MAX_COMPARED, n_left):
                n_left -= n_prompts
                yield from _same_texts(scene, counter)


def _same_lines(lines: tuple[Line, ...], pack: Pack) -> Iterator[Finding]:
    first: dict[str, Place] = {}
    for line in lines:
        text = squeeze(line.text)
        if text in first and line.place.file.startswith(f"{pack.name}/"):
            where = first[text]
            message = f"the same line as in line {where.line}" if where.line else f"the same line as {where.path}"
            yield finding_at(line.place, "W216", message, "for a line more often, write 2* before it")
        first.setdefault(text, line.place)


def _same_texts(scene: SceneTrees, counter: Counter) -> Iterator[Finding]:
    """Yield a warning when two different lines of a small scene make the same prompt."""
    owner: dict[str, int] = {}
    told: set[tuple[int, int]] = set()
    for number, option in enumerate(scene.ask.options):
        for text in every_text(option.node, counter):
            other = owner.setdefault(text, number)
            if other == number or (other, number) in told:
                continue
            told.add((other, number))
            mine, theirs = scene.scene.ask[number], scene.scene.ask[other]
            if squeeze(mine.text) == squeeze(theirs.text):
                continue  # which is reported as the same line
            where = f"line {theirs.place.line}" if theirs.place.line else theirs.place.path
            message = f"makes a prompt that {where} makes too: {text}"
            yield finding_at(mine.place, "W216", message, "it is asked once; change one of the lines")


def empty_findings(trees: Mapping[str, list[SceneTrees]]) -> Iterator[Finding]:
    """Yield a warning for every reply that can come out as nothing at all."""
    for scenes in trees.values():
        for scene in scenes:
            silence = Recogniser("", exact=True)
            for option in scene.reply.options:
                try:
                    if silence.fits(option.node) and isinstance(option.place, Place):
                        help = "leave something to say outside the choices"
                        yield finding_at(option.place, "W218", "a reply that can be empty", help)
                except TooManyStatesError:
                    continue


def unsaid_findings(trees: Mapping[str, list[SceneTrees]], counter: Counter) -> Iterator[Finding]:
    """Yield a warning for every scene in which some prompts can only be answered with a word that they do not say."""
    for scenes in trees.values():
        for scene in scenes:
            lines = unanswered(scene.ask, scene.reply, counter)
            if lines and isinstance(lines[0].place, Place):
                message = "every reply repeats a word that this line does not say"
                message += f" (one of {len(lines)} such lines)" if len(lines) > 1 else ""
                help = "add replies without that word, or make another scene"
                yield finding_at(lines[0].place, "W219", message, help)


def fallback_findings(pack: Pack) -> Iterator[Finding]:
    """Yield a warning when nothing answers what the persona does not know."""
    if not pack.fallback:
        message = "no fallback: nothing says how to answer the unknown"
        help = "write a topic of odd messages with puzzled replies, and fallback: and its name here"
        place = pack.places.get("name") or Place(file=pack.name)
        yield finding_at(Place(file=place.file), "W214", message, help)
