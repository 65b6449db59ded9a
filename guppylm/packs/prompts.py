"""Turns all that can be asked of a persona into what is asked twice, leaks into the examination, or never.

An examination is honest when none of its prompts was trained on, and a topic can be learned when its
prompts are its own. Both are compared normalised (normalise.py) and exactly, over trees and not over
samples (overlap.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from guppylm.errors import Finding
from guppylm.packs.document import finding_at
from guppylm.packs.generate import SceneTrees
from guppylm.packs.lang import Option
from guppylm.packs.overlap import TooManyPromptsError, shared_texts
from guppylm.packs.pack import Pack
from guppylm.packs.place import Place
from guppylm.packs.recognise import ManyRecogniser, Recogniser, TooManyStatesError

MAX_OVERLAPS = 200
MAX_EXAMPLES = 6  # of the prompts that two topics, or two scenes, share
MAX_PAIRED = 8  # of the scenes that share one prompt
MAX_GIVEN_UP = 3  # messages too ambiguous to be traced, after which no more are tried

Trees = Mapping[str, list[SceneTrees]]


def overlap_findings(pack: Pack, trees: Trees) -> list[Finding]:
    """Return what two places can be asked alike.

    An error for every held-out line that can make a prompt which is also trained, a warning for every two
    topics, or two scenes of one, that share a prompt.
    """
    asked = {f"{name} {scene.scene.index}": scene for name, scenes in trees.items() for scene in scenes}
    held_out = {f"held out {number}": option for number, option in enumerate(_held_out(trees))}
    owners = {key: scene.ask for key, scene in asked.items()}
    owners |= {key: option.node for key, option in held_out.items()}
    leaks: dict[str, tuple[str, str]] = {}  # held-out line -> a prompt, and a scene that trains on it
    pairs: dict[object, tuple[tuple[str, str], list[str]]] = {}  # scenes or topics -> two scenes, and what they share
    findings: list[Finding] = []
    try:
        for text, shared in shared_texts(owners, limit=MAX_OVERLAPS, n_each=MAX_EXAMPLES, quiet=held_out):
            scenes = [key for key in shared if key in asked]
            for key in shared if scenes else ():
                if key in held_out:
                    leaks.setdefault(key, (text, scenes[0]))
            for pair in combinations(scenes[:MAX_PAIRED], 2):
                both = pair if _same_topic(pair) else frozenset(map(_topic, pair))
                pairs.setdefault(both, (pair, []))[1].append(text)
    except TooManyPromptsError:
        message, help = (
            "too many prompts to compare them all",
            "fewer choices in a row make lines that can be compared",
        )
        findings.append(Finding(code="W213", message=message, help=help, file=pack.name))
    findings += [_leak(held_out[key], *leak, trees) for key, leak in leaks.items()]
    return findings + [_shared(pair, texts, trees) for pair, texts in pairs.values()]


def _held_out(trees: Trees) -> Iterator[Option]:
    for scenes in trees.values():
        for scene in scenes:
            if scene.held_out is not None:
                yield from scene.held_out.options


def _topic(key: str) -> str:
    return key.rsplit(" ", 1)[0]


def _same_topic(pair: tuple[str, str]) -> bool:
    return _topic(pair[0]) == _topic(pair[1])


def _leak(option: Option, text: str, scene: str, trees: Trees) -> Finding:
    assert isinstance(option.place, Place)
    line = _line_that_asks(text, scene, trees)
    message = f"held out, yet topic {_topic(scene)} trains on {_shown(text)}{_where(line)}"
    return finding_at(option.place, "E150", message, "change this line, or the line of ask that makes the same")


def _shared(pair: tuple[str, str], texts: Sequence[str], trees: Trees) -> Finding:
    """Return the warning about two scenes, at a line of the first that makes the first prompt they share."""
    first, second = pair
    text, *others = dict.fromkeys(texts)
    place = _line_that_asks(text, first, trees) or trees[_topic(first)][0].scene.ask[0].place
    there = _where(_line_that_asks(text, second, trees))
    more = f"; so do {', '.join(map(_shown, others[: MAX_EXAMPLES - 1]))}" if others else ""
    more = more.replace("so do", "so does") if len(others) == 1 else more
    if _same_topic(pair):
        numbers = " and ".join(str(int(key.rsplit(" ", 1)[1]) + 1) for key in pair)
        message = f"{_shown(text)} belongs to scenes {numbers} of this topic{there}{more}"
        return finding_at(place, "W212", message, "leave it to one of them, or their replies get mixed")
    message = f"{_shown(text)} belongs to topics {_topic(first)} and {_topic(second)}{there}{more}"
    return finding_at(place, "W211", message, "leave it to one of them, or the model has to guess")


def _where(place: Place | None) -> str:
    """Return a place for the middle of a message."""
    if place is None:
        return ""
    return f" ({place.file}:{place.line})" if place.line else f" ({place.file}:{place.path})"


def _shown(text: str) -> str:
    """Return a normalised prompt for a message; of one that has no letters nothing is left to show."""
    return f"'{text}'" if text else "a message without any letters"


def message_findings(pack: Pack, trees: Trees) -> Iterator[Finding]:
    """Yield what is wrong with single messages of the pack.

    An error for every starter that no line of `ask` makes, a warning for every message of the exam that some
    line does make.
    """
    tracer = _Tracer(trees)
    for index, starter in enumerate(pack.starters):
        topics = tracer.who_asks(starter)
        if topics is None or topics:
            continue
        held_out = tracer.who_asks(starter, held_out=True)
        place = pack.places.get(f"starters[{index}]") or pack.places["starters"]
        if held_out:
            message = f"the starter '{starter}' is held out in topic {held_out[0]}"
        else:
            message = f"no line of ask makes the starter '{starter}'"
        yield finding_at(place, "E153", message, "add it to the ask of a topic, or change it")
    trained = _who_asks_any([text for texts in pack.exam.values() for text in texts], trees)
    for topic, messages in pack.exam.items():
        for index, message in enumerate(messages):
            if message in trained:
                place = pack.places.get(f"exam/{topic}[{index}]") or pack.places.get(f"exam/{topic}")
                help = "an examination tells more when its messages are new; training leaves this one out"
                # Its words are not told: who widens a pack with them before the eyes writes them into it.
                told = f"topic {trained[message]} can also be asked the message that stands here"
                yield finding_at(place or Place(file=f"{pack.name}/exam.yaml"), "W217", told, help)


def _who_asks_any(messages: Sequence[str], trees: Trees) -> dict[str, str]:
    """Return the first topic that can be asked each message, for those that any can, as far as it can be told."""
    recogniser = ManyRecogniser(messages)
    found: dict[str, str] = {}
    try:
        for name, scenes in trees.items():
            for scene in scenes:
                found = dict.fromkeys(recogniser.found(scene.ask), name) | found
    except TooManyStatesError:
        pass
    return found


class _Tracer:
    """Traces messages back to topics, for as long as that does not take forever."""

    def __init__(self, trees: Trees) -> None:
        self.trees = trees
        self.n_given_up = 0

    def who_asks(self, message: str, *, held_out: bool = False) -> list[str] | None:
        """Return the first topic that can be asked this, in a list, or None when it cannot be told."""
        if self.n_given_up >= MAX_GIVEN_UP:
            return None
        recogniser = Recogniser(message)
        try:
            for name, scenes in self.trees.items():
                for scene in scenes:
                    tree = scene.held_out if held_out else scene.ask
                    if tree is not None and recogniser.fits(tree):
                        return [name]
        except TooManyStatesError:
            self.n_given_up += 1
            return None
        return []


def _line_that_asks(text: str, scene: str, trees: Trees) -> Place | None:
    """Return the place of the line of a scene's `ask` that makes a prompt."""
    recogniser = Recogniser(text)
    name, number = scene.rsplit(" ", 1)
    for option in next(one for one in trees[name] if one.scene.index == int(number)).ask.options:
        try:
            if recogniser.fits(option.node):
                return option.place if isinstance(option.place, Place) else None
        except TooManyStatesError:
            return None
    return None
