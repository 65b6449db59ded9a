"""Turns all that can be asked of a persona into what is asked twice, leaks into the examination, or never.

An examination is honest when none of its prompts was trained on, and a topic can be learned when its prompts are
its own. Both are compared normalised (normalise.py) and exactly, over trees and not over samples (overlap.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from guppylm.errors import Finding
from guppylm.packs.generate import SceneTrees
from guppylm.packs.grammar import Bound
from guppylm.packs.lang import Choice, Option
from guppylm.packs.overlap import TooManyPromptsError, shared_texts
from guppylm.packs.pack import Pack
from guppylm.packs.place import Place
from guppylm.packs.read import finding_at
from guppylm.packs.recognise import Recogniser, TooManyStatesError

MAX_OVERLAPS = 200

Trees = Mapping[str, list[SceneTrees]]


def leak_findings(pack: Pack, trees: Trees) -> Iterator[Finding]:
    """Yield an error for every held-out line that can make a prompt which is also trained."""
    lines: dict[str, tuple[Place, Bound]] = {}
    for scenes in trees.values():
        for scene in scenes:
            for option in scene.held_out.options if scene.held_out else ():
                assert isinstance(option.place, Place)
                lines[f"held out {len(lines)}"] = (option.place, option.node)
    if not lines:
        return
    asked = {f"topic {name}": _all_prompts(scenes) for name, scenes in trees.items()}
    found: dict[str, str] = {}
    try:
        for text, owners in shared_texts(
            asked | {key: tree for key, (_, tree) in lines.items()}, limit=MAX_OVERLAPS
        ):
            topics = [owner.removeprefix("topic ") for owner in owners if owner in asked]
            for owner in owners if topics else ():
                if owner in lines and owner not in found:
                    found[owner] = text
                    message = f"held out, yet topic {topics[0]} trains on it: {text}"
                    help = "change this line, or the line of ask that makes the same prompt"
                    yield finding_at(lines[owner][0], "E150", message, help)
    except TooManyPromptsError:
        yield _too_many(pack, "held-out prompts with trained ones")


def overlap_findings(pack: Pack, trees: Trees) -> Iterator[Finding]:
    """Yield a warning for every two topics, or two scenes of one, that can be asked the same thing."""
    owners = {(name, scene.scene.index): scene.ask for name, scenes in trees.items() for scene in scenes}
    keys = {f"{name} {index}": (name, index) for name, index in owners}
    try:
        for text, shared in shared_texts(
            {key: owners[owner] for key, owner in keys.items()}, limit=MAX_OVERLAPS
        ):
            scenes = [keys[key] for key in shared]
            topics = sorted({name for name, _ in scenes})
            first = pack.topics[topics[0]]
            if len(topics) > 1:
                message = f"a prompt of topics {' and '.join(topics)}: {text}"
                place = _line_that_asks(text, trees[topics[0]]) or first.place
                yield finding_at(place, "W211", message, "let one of them keep it, or the model has to guess")
            else:
                numbers = " and ".join(str(index + 1) for _, index in scenes)
                message = f"a prompt of scenes {numbers} of this topic: {text}"
                place = _line_that_asks(text, trees[topics[0]]) or first.place
                yield finding_at(place, "W212", message, "let one of them keep it, or the replies get mixed")
    except TooManyPromptsError:
        yield _too_many(pack, "the topics' prompts with one another")


def starter_findings(pack: Pack, trees: Trees) -> Iterator[Finding]:
    """Yield an error for every starter that no line of `ask` makes."""
    for index, starter in enumerate(pack.starters):
        if _who_asks(starter, trees) is None:
            held_out = _who_asks(starter, trees, held_out=True)
            if held_out:
                message = f"the starter is held out in topic {held_out}: {starter}"
            else:
                message = f"no ask line makes the starter: {starter}"
            place = pack.places.get(f"starters[{index}]") or pack.places["starters"]
            yield finding_at(place, "E153", message, "add it to the ask of a topic, or change it")


def exam_findings(pack: Pack, trees: Trees) -> Iterator[Finding]:
    """Yield a warning for every message of the examination that is also trained."""
    for topic, messages in pack.exam.items():
        for index, message in enumerate(messages):
            owner = _who_asks(message, trees)
            if owner is not None:
                place = pack.places.get(f"exam/{topic}[{index}]") or Place(file=f"{pack.name}/exam.yaml")
                help = "an examination tells more when its messages are new"
                yield finding_at(place, "W217", f"topic {owner} also trains on: {message}", help)


def _who_asks(message: str, trees: Trees, *, held_out: bool = False) -> str | None:
    """Return the topic that can be asked this message, or None."""
    recogniser = Recogniser(message)
    for name, scenes in trees.items():
        for scene in scenes:
            tree = scene.held_out if held_out else scene.ask
            try:
                if tree is not None and recogniser.fits(tree):
                    return name
            except TooManyStatesError:
                recogniser = Recogniser(message)
    return None


def _line_that_asks(text: str, scenes: list[SceneTrees]) -> Place | None:
    """Return the place of the first line of `ask` that makes a prompt."""
    recogniser = Recogniser(text)
    for scene in scenes:
        for option in scene.ask.options:
            try:
                if recogniser.fits(option.node):
                    return option.place if isinstance(option.place, Place) else None
            except TooManyStatesError:
                return None
    return None


def _all_prompts(scenes: list[SceneTrees]) -> Choice:
    return Choice(tuple(Option(1, scene.ask) for scene in scenes))


def _too_many(pack: Pack, what: str) -> Finding:
    message = f"too many prompts to compare {what}"
    help = "fewer choices in a row make lines that can be compared; what is trained is still kept apart"
    return Finding(code="W213", message=message, help=help, file=pack.name)
