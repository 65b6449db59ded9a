"""Turns two folders, of persona packs and of trained bundles, into the personas one can talk to.

A persona exists because its folder does; it can talk because its bundle opens. The shelf looks at the disk
each time it is asked, so a persona trained while the page is open appears on the next visit, and it keeps
the few bundles used last. A bundle that does not open tells why on its own card and disturbs nobody else.
No gradio here, and torch only inside `open_chat`: the page comes up before torch does.
"""

from __future__ import annotations

import base64
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from guppylm.errors import GuppyError, NotFoundError, PackError, nearest
from guppylm.ui.browse import TopicCard, topics_of
from guppylm.ui.report_card import ReportCard, read_card

State = Literal["ready", "untrained", "broken"]


@dataclass(frozen=True, kw_only=True)
class Persona:
    """What a card shows.

    Attributes:
        name: the folder's name, by which the persona is asked for.
        state: ready to talk, untrained (a pack without weights), or broken (something does not load).
        problem: why it cannot talk, in one sentence; empty when it can.
        command: what to type so that it can; empty when it can.
        max_turns: how many exchanges the weights were raised to see.
        pack: the pack behind it, or None where it did not load.
    """

    name: str
    title: str
    about: str = ""
    avatar_svg: str = ""
    starters: tuple[str, ...] = ()
    state: State = "ready"
    problem: str = ""
    command: str = ""
    max_turns: int = 1
    pack: Any = field(default=None, repr=False, compare=False)

    @property
    def ready(self) -> bool:
        return self.state == "ready"

    @property
    def avatar(self) -> str:
        """A data: address for an <img>, where an SVG can run no script and fetch nothing."""
        svg = self.avatar_svg or resources.files("guppylm.ui").joinpath("assets/avatar.svg").read_text("utf-8")
        return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")

    def summary(self) -> dict[str, Any]:
        """Return what the /personas endpoint tells."""
        return {
            "name": self.name,
            "title": self.title,
            "about": self.about,
            "ready": self.ready,
            "state": self.state,
            "problem": self.problem,
            "command": self.command,
            "max_turns": self.max_turns,
            "starters": list(self.starters),
        }


def read_pack(folder: Path) -> Any:
    """Read the pack in that folder, or the one that a bundle's folder carries. Raises PackError."""
    from guppylm.packs.load import load_pack

    return load_pack(folder)


def open_chat(folder: Path) -> Any:
    """Load a bundle for chatting on the CPU. Raises BundleError."""
    import torch

    from guppylm.chat import Chat
    from guppylm.model import Bundle

    # A reply is many tiny matrix products: a second thread costs more than it brings, and others want it.
    torch.set_num_threads(1)
    return Chat(Bundle.load(folder, device="cpu"))


class Shelf:
    """The personas of a models folder and a personas folder. Safe to use from many threads.

    Args:
        n_kept: how many opened bundles stay in memory, the least recently used going first.
        open_chat, read_pack: how a bundle and a pack are read; tests bring their own.
    """

    def __init__(
        self,
        *,
        models_dir: Path,
        personas_dir: Path,
        n_kept: int = 4,
        open_chat: Callable[[Path], Any] = open_chat,
        read_pack: Callable[[Path], Any] = read_pack,
    ) -> None:
        self.models_dir = Path(models_dir)
        self.personas_dir = Path(personas_dir)
        self._n_kept = n_kept
        self._open_chat = open_chat
        self._read_pack = read_pack
        self._opening = threading.Lock()  # two locks, so that nobody's reply waits for somebody's pack
        self._reading = threading.Lock()
        self._chats: OrderedDict[tuple, Any] = OrderedDict()  # (name, fingerprint) -> Chat
        self._sound: dict[tuple, int] = {}  # (name, fingerprint) -> max_turns of a bundle that once opened
        self._problems: dict[tuple, GuppyError] = {}  # (name, fingerprint) -> why it did not open
        self._packs: dict[tuple, Any] = {}  # (folder, fingerprint) -> Pack or the error it raised
        self._topics: dict[tuple, tuple[TopicCard, ...]] = {}
        self._report_cards: dict[tuple, ReportCard | None] = {}  # (name, fingerprint) -> what its report says

    def personas(self) -> tuple[Persona, ...]:
        """Return every persona, those that can talk first. Each bundle is opened once, to see if it holds."""
        found = [self._look_at(name) for name in self._names()]
        order = ("ready", "untrained", "broken")
        return tuple(sorted(found, key=lambda persona: (order.index(persona.state), persona.title.casefold())))

    def persona(self, name: str) -> Persona:
        """Return one persona. Raises NotFoundError with the nearest name."""
        self._check_name(name)
        return self._look_at(name)

    def chat(self, name: str) -> Any:
        """Return the persona's Chat, opening its bundle if need be.

        Raises:
            NotFoundError: no such persona, or one without weights.
            BundleError: its bundle does not hold together.
        """
        self._check_name(name)
        if (self.models_dir / name).is_dir():
            return self._open(name)
        persona = self._look_at(name)
        raise NotFoundError(persona.problem, f"What to do: {persona.command}")

    def topics(self, persona: Persona) -> tuple[TopicCard, ...]:
        """Return the persona's topics, each with a few prompts drawn from its pack."""
        if persona.pack is None:
            return ()
        key = (persona.name, persona.pack.digest)
        with self._reading:
            if key not in self._topics:
                if len(self._topics) >= 16:
                    self._topics.clear()
                self._topics[key] = topics_of(persona.pack)
            return self._topics[key]

    def report_card(self, persona: Persona) -> ReportCard | None:
        """Return what the examination of the persona's weights found; None where they were never examined."""
        folder = self.models_dir / persona.name
        key = (persona.name, _fingerprint(folder))
        with self._reading:
            if key not in self._report_cards:
                if len(self._report_cards) >= 64:
                    self._report_cards.clear()
                self._report_cards[key] = read_card(folder)
            return self._report_cards[key]

    def exam_command(self, persona: Persona) -> str:
        """Return what to type to examine the persona."""
        at_home = self.models_dir == Path("models")
        return f"python -m guppylm exam {persona.name if at_home else self.models_dir / persona.name}"

    def warm_up(self) -> None:
        """Do ahead what the first visitor would wait for: import torch, open bundles, read packs."""
        for name in _bundles(self.models_dir)[: self._n_kept]:
            with suppress(GuppyError):  # its card will tell
                self.chat(name).reply("", seed=0, max_tokens=1)
        for persona in self.personas():
            self.topics(persona)

    def _names(self) -> list[str]:
        from guppylm.packs.sources import list_personas

        packs = list_personas(self.personas_dir) if self.personas_dir.is_dir() else []
        return sorted({*packs, *_bundles(self.models_dir)})

    def _check_name(self, name: str) -> None:
        """Raise NotFoundError unless it is one of ours; a name like ../x never reaches the disk."""
        known = self._names()
        if name not in known:
            raise NotFoundError(f"There is no persona called {name!r}.", nearest(str(name), known))

    def _look_at(self, name: str) -> Persona:
        bundle = self.models_dir / name
        trained = bundle.is_dir()
        pack = self._pack(bundle) if trained else None
        if not _is_pack(pack):
            pack = self._pack(self.personas_dir / name)
        facts = _facts(name, pack)
        if trained:
            return self._trained(name, facts)
        if isinstance(pack, GuppyError):
            return Persona(**facts, state="broken", problem=_sentence(pack), command=self._command("check", name))
        problem = f"{facts['title']} has no weights yet."
        return Persona(**facts, state="untrained", problem=problem, command=self._command("train", name))

    def _trained(self, name: str, facts: dict[str, Any]) -> Persona:
        max_turns = self._sound.get((name, _fingerprint(self.models_dir / name)))
        try:
            max_turns = max_turns or self._open(name).max_turns
        except GuppyError as error:
            return Persona(**facts, state="broken", problem=_sentence(error), command=self._command("train", name))
        except Exception as error:  # a fault of ours or of the disk; it must not take the other personas down
            problem = f"This bundle could not be opened: {type(error).__name__}."
            return Persona(**facts, state="broken", problem=problem, command=self._command("train", name))
        return Persona(**facts, max_turns=max_turns)

    def _open(self, name: str) -> Any:
        folder = self.models_dir / name
        key = (name, _fingerprint(folder))
        with self._opening:
            if key in self._problems:
                raise self._problems[key].with_traceback(None)
            if key not in self._chats:
                self._forget(name)
                try:
                    self._chats[key] = self._open_chat(folder)
                except GuppyError as error:
                    self._problems[key] = error
                    raise
                self._sound[key] = self._chats[key].max_turns
            self._chats.move_to_end(key)
            while len(self._chats) > self._n_kept:
                self._chats.popitem(last=False)
            return self._chats[key]

    def _forget(self, name: str) -> None:
        """Drop what was known of an earlier state of this bundle: it was trained again."""
        for known in (self._chats, self._sound, self._problems):
            for key in [key for key in known if key[0] == name]:
                del known[key]

    def _pack(self, folder: Path) -> Any:
        """Return the Pack in a folder, or the error that reading it raised; None where there is no folder."""
        if not folder.is_dir():
            return None
        key = (str(folder), _fingerprint(folder), _fingerprint(folder.parent, "_*/**/*"))
        with self._reading:
            if key not in self._packs:
                if len(self._packs) >= 64:
                    self._packs.clear()
                try:
                    self._packs[key] = self._read_pack(folder)
                except GuppyError as error:
                    self._packs[key] = error
            return self._packs[key]

    def _command(self, verb: Literal["train", "check"], name: str) -> str:
        pack = name if self.personas_dir == Path("personas") else str(self.personas_dir / name)
        if verb == "check":
            return f"python -m guppylm check {pack}"
        out = "" if self.models_dir == Path("models") else f" --out {self.models_dir / name}"
        return f"python train.py --persona {pack}{out}"


def _bundles(folder: Path) -> list[str]:
    """List the sub-folders that are, or want to be, bundles: not hidden, not empty."""
    if not folder.is_dir():
        return []
    return [sub.name for sub in folder.iterdir() if sub.is_dir() and sub.name[0] not in "._" and any(sub.iterdir())]


def _fingerprint(folder: Path, pattern: str = "**/*") -> tuple:
    """Return something that changes when any of these files does."""
    found = []
    for path in sorted(folder.glob(pattern)):
        try:
            stat = path.stat()
        except OSError:  # replaced while we look: the next look sees the new one
            continue
        found.append((str(path.relative_to(folder)), stat.st_size, stat.st_mtime_ns))
    return tuple(found)


def _is_pack(pack: Any) -> bool:
    return pack is not None and not isinstance(pack, GuppyError)


def _facts(name: str, pack: Any) -> dict[str, Any]:
    if not _is_pack(pack):
        return {"name": name, "title": name}
    return {
        "name": name,
        "title": pack.title,
        "about": pack.about,
        "avatar_svg": pack.avatar_svg,
        "starters": tuple(pack.starters),
        "pack": pack,
    }


def _sentence(error: GuppyError) -> str:
    """Return an error in one line: for a pack its first finding and how many more there are."""
    if isinstance(error, PackError) and error.findings:
        more = len(error.findings) - 1
        first = " ".join(str(error.findings[0]).split())
        return f"{first} (and {more} more)" if more else first
    return " ".join(str(error).split())
