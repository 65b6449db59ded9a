"""Turns two folders, of persona packs and of trained bundles, into the personas one can talk to.

A persona exists because its folder does; it can talk because its bundle opens. The shelf looks at the disk
each time it is asked, so a persona trained while the page is open appears on the next visit. Cards are made
of the small files alone; a bundle's weights are read when somebody picks it, and those of the few used last
are kept. A bundle that does not hold together tells why on its own card and disturbs nobody else. No gradio
here, and torch only inside `open_chat` and `look_inside`: the page comes up before torch does.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from guppylm.errors import BundleError, GuppyError, NotFoundError, PackError, nearest
from guppylm.packs.face import Face, read_face
from guppylm.ui.browse import TopicCard, topics_of
from guppylm.ui.persona import Persona
from guppylm.ui.report_card import ReportCard, read_card

T = TypeVar("T")


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


def look_inside(folder: Path) -> int:
    """Check a bundle without reading its weights; return its max_turns. Raises BundleError."""
    from guppylm.model.folder import read_parts

    return int(read_parts(folder).metrics.get("max_turns", 1))


class Shelf:
    """The personas of a models folder and a personas folder. Safe to use from many threads.

    Args:
        n_kept: how many opened bundles stay in memory, the least recently used going first.
        open_chat, look_inside, read_pack: how a bundle and a pack are read; tests bring their own.
    """

    def __init__(
        self,
        *,
        models_dir: Path,
        personas_dir: Path,
        n_kept: int = 4,
        open_chat: Callable[[Path], Any] = open_chat,
        look_inside: Callable[[Path], int] = look_inside,
        read_pack: Callable[[Path], Any] = read_pack,
    ) -> None:
        self.models_dir = Path(models_dir)
        self.personas_dir = Path(personas_dir)
        self._n_kept = n_kept
        self._open_chat = open_chat
        self._look_inside = look_inside
        self._read_pack = read_pack
        self._opening = threading.Lock()  # two locks, so that nobody's reply waits for somebody's pack
        self._reading = threading.Lock()
        self._chats: OrderedDict[tuple, Any] = OrderedDict()  # (name, fingerprint) -> Chat
        self._sound: dict[tuple, int] = {}  # (name, fingerprint) -> max_turns of a bundle that was looked into
        self._problems: dict[tuple, GuppyError] = {}  # (name, fingerprint) -> why it did not open
        self._packs: dict[tuple, Any] = {}  # (folder, fingerprint) -> Pack or the error it raised
        self._faces: dict[tuple, Face | None] = {}  # (folder, fingerprint) -> what a bundle's pack shows of itself
        self._topics: dict[tuple, tuple[TopicCard, ...]] = {}
        self._report_cards: dict[tuple, ReportCard | None] = {}  # (name, fingerprint) -> what its report says

    def personas(self) -> tuple[Persona, ...]:
        """Return every persona, those that can talk first. No weights are read for it."""
        found = _told_apart([self._look_at(name) for name in self._names()])
        order = ("ready", "untrained", "broken")
        return tuple(sorted(found, key=lambda persona: (order.index(persona.state), persona.title.casefold())))

    def persona(self, name: str) -> Persona:
        """Return one persona, its bundle opened. Raises NotFoundError with the nearest name."""
        self._check_name(name)
        if (self.models_dir / name).is_dir():
            with suppress(GuppyError):  # its card will tell
                self._open(name)
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

    def pack(self, persona: Persona) -> Any:
        """Return the pack behind a persona, or None where none loads."""
        for folder in (self.models_dir / persona.name, self.personas_dir / persona.name):
            if _is_pack(pack := self._pack(folder)):
                return pack
        return None

    def topics(self, persona: Persona) -> tuple[TopicCard, ...]:
        """Return the persona's topics, each with a few prompts drawn from its pack."""
        pack = self.pack(persona)
        if pack is None:
            return ()
        key = (persona.name, pack.digest)
        with self._reading:
            if key not in self._topics:
                if len(self._topics) >= 16:
                    self._topics.clear()
                self._topics[key] = topics_of(pack)
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
        """Do ahead what the first visitor would wait for: import torch, open the first bundle, draw its prompts."""
        for persona in self.personas()[:1]:
            if persona.ready:
                with suppress(GuppyError):  # its card will tell
                    self.chat(persona.name).reply("", seed=0, max_tokens=1)
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
        if (self.models_dir / name).is_dir():
            return self._trained(name)
        pack = self._pack(self.personas_dir / name)
        facts = _facts(name, pack if _is_pack(pack) else None)
        if isinstance(pack, GuppyError):
            return Persona(**facts, state="broken", problem=_sentence(pack), command=self._command("check", name))
        problem = f"{facts['title']} has no weights yet."
        return Persona(**facts, state="untrained", problem=problem, command=self._command("train", name))

    def _trained(self, name: str) -> Persona:
        facts = _facts(name, self._face(name))
        try:
            return Persona(**facts, max_turns=self._sound_turns(name))
        except GuppyError as error:
            return Persona(**facts, state="broken", problem=_sentence(error), command=self._command("train", name))

    def _face(self, name: str) -> Face | None:
        """Return what a bundle's own pack shows of itself, else the pack of that name; None where neither can."""
        for folder in (self.models_dir / name, self.personas_dir / name):
            key = (str(folder), _fingerprint(folder))
            with self._reading:
                if key not in self._faces:
                    if len(self._faces) >= 256:
                        self._faces.clear()
                    try:
                        self._faces[key] = read_face(folder)
                    except (GuppyError, OSError):
                        self._faces[key] = None
                if face := self._faces[key]:
                    return face
        return None

    def _sound_turns(self, name: str) -> int:
        """Return the max_turns of a bundle that holds together as far as one can see without its weights."""
        folder = self.models_dir / name
        key = (name, _fingerprint(folder))
        with self._opening:
            if key in self._problems:
                raise self._problems[key].with_traceback(None)
            if key not in self._sound:
                self._sound[key] = self._guarded(key, self._look_inside, folder)
            return self._sound[key]

    def _guarded(self, key: tuple, read: Callable[[Path], T], folder: Path) -> T:
        """Read a bundle, and remember why where that fails."""
        try:
            return read(folder)
        except GuppyError as error:
            self._problems[key] = error
            raise
        except Exception as error:  # a fault of ours or of the disk; it must not take the other personas down
            self._problems[key] = BundleError(f"This bundle could not be opened: {type(error).__name__}.")
            raise self._problems[key] from error

    def _open(self, name: str) -> Any:
        folder = self.models_dir / name
        key = (name, _fingerprint(folder))
        with self._opening:
            if key in self._problems:
                raise self._problems[key].with_traceback(None)
            if key not in self._chats:
                self._forget(name)
                self._chats[key] = self._guarded(key, self._open_chat, folder)
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


def _told_apart(personas: Sequence[Persona]) -> list[Persona]:
    """Add the folder's name to titles that more than one persona has."""
    titles = Counter(persona.title for persona in personas)
    return [
        replace(persona, title=f"{persona.title} ({persona.name})") if titles[persona.title] > 1 else persona
        for persona in personas
    ]


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


def _facts(name: str, shown: Any) -> dict[str, Any]:
    """Return what a card shows, from a Pack or a Face; of None, just the name."""
    if shown is None:
        return {"name": name, "title": name}
    facts = {key: getattr(shown, key) for key in ("title", "about", "language", "avatar_svg")}
    return {"name": name, **facts, "starters": tuple(shown.starters)}


def _sentence(error: GuppyError) -> str:
    """Return an error in one line: for a pack its first finding and how many more there are."""
    if isinstance(error, PackError) and error.findings:
        more = len(error.findings) - 1
        first = " ".join(str(error.findings[0]).split())
        return f"{first} (and {more} more)" if more else first
    return " ".join(str(error).split())
