"""Turns a visitor's wish into a folder of their own with a pack in it, and edits into files of that pack.

A bench is found again by a token that only the visitor's browser knows; nothing a visitor sends is ever used as a path.
It lives for the visit: untouched for some hours, or when the page ends, it is swept away. The pack on it is read by the
same code, within the same bounds, as every other pack. Nothing here knows gradio.
"""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from guppylm.errors import GuppyError, NotFoundError, nearest
from guppylm.packs.archive import opened
from guppylm.packs.check import Report, check_pack
from guppylm.packs.files import MAX_FILES, MAX_PACK_BYTES
from guppylm.packs.generate import Conversation, Dataset, generate
from guppylm.packs.load import load_pack
from guppylm.packs.pack import Pack
from guppylm.packs.sources import list_personas
from guppylm.packs.starter import write_starter
from guppylm.packs.table import topic_file, write_pack_of_table
from guppylm.ui.shelf import Shelf

MAX_BENCHES = 40
HOURS_UNTOUCHED = 3.0
MAX_FILE_CHARACTERS = 300_000

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_FILE = re.compile(r"(topics/)?[^\W_][\w-]{0,62}\.(yaml|yml|json|svg)")


class Bench:
    """One visitor's pack, and the bundle that was raised on it. `begin` puts a pack on it.

    Attributes:
        token: by which the visitor's browser finds it again.
        name: of the pack; empty while there is none.
    """

    def __init__(self, folder: Path, personas_dir: Path, token: str) -> None:
        self.token = token
        self.name = ""
        self.touched = time.monotonic()
        self.packs_dir, self.models_dir = folder / "personas", folder / "models"
        self._personas_dir = personas_dir
        self._lock = threading.Lock()
        self.shelf = Shelf(models_dir=self.models_dir, personas_dir=self.packs_dir, n_kept=1)

    @property
    def pack_dir(self) -> Path:
        """The pack's folder. Raises GuppyError while there is none."""
        if not self.name:
            raise GuppyError("There is no persona on your bench yet.", "Begin one in step 1.")
        return self.packs_dir / self.name

    @property
    def bundle_dir(self) -> Path:
        return self.models_dir / self.name

    # ---- beginning

    def begin_new(self, name: str) -> None:
        """Begin with the small pack that teaches by its comments."""
        with self._laid_out(name):
            write_starter(name, self.packs_dir)

    def begin_copy(self, name: str, of: str) -> None:
        """Begin with a copy of a persona that is here."""
        known = list_personas(self._personas_dir)
        if of not in known:
            raise NotFoundError(f"There is no persona called {of!r}.", nearest(of, known))
        with self._laid_out(name):
            shutil.copytree(self._personas_dir / of, self.packs_dir / name, symlinks=True)

    def begin_table(self, name: str, table: Path) -> list[str]:
        """Begin with what a spreadsheet says. Returns a sentence for each topic that has too little."""
        with self._laid_out(name):
            _, too_little = write_pack_of_table(name, table, self.packs_dir)
        return too_little

    def begin_zip(self, name: str, archive: Path) -> None:
        """Begin with a pack from a zip file. Raises PackError where that is not one."""
        with opened(archive, self._personas_dir) as (folder, _), self._laid_out(name):
            shutil.copytree(folder, self.packs_dir / name, symlinks=True)

    def _laid_out(self, name: str) -> _Fresh:
        if _NAME.fullmatch(name) is None:
            raise GuppyError(
                f"{name!r} cannot be the folder of a persona." if name else "A persona needs a name.",
                "Use small letters a to z, digits, - and _, 32 at most.",
            )
        return _Fresh(self, name)

    # ---- writing

    def files(self) -> list[str]:
        """List the files of the pack that can be edited, persona.yaml first."""
        folder = self.pack_dir
        found = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if _is_own(path)]
        return sorted(
            (file for file in found if _FILE.fullmatch(file)),
            key=lambda file: (file.count("/"), file != "persona.yaml", file),
        )

    def read(self, file: str) -> str:
        return self._path(file).read_text(encoding="utf-8", errors="replace")

    def write(self, file: str, text: str) -> None:
        """Write a file of the pack. Raises GuppyError where that would be too much."""
        if len(text) > MAX_FILE_CHARACTERS:
            raise GuppyError(
                f"{file} has {len(text):,} characters, and {MAX_FILE_CHARACTERS:,} is the most here.", "Split it."
            )
        path = self._path(file)
        with self._lock:
            total = sum(other.stat().st_size for other in self.pack_dir.rglob("*") if other.is_file() and other != path)
            if total + len(text.encode("utf-8", "replace")) > MAX_PACK_BYTES:
                raise GuppyError(f"The pack would have more than {MAX_PACK_BYTES:,} bytes.", "Leave something out.")
            half_written = path.with_name(f".{path.name}.new")
            half_written.write_text(text, encoding="utf-8", errors="replace", newline="\n")
            half_written.replace(path)

    def add_topic(self, name: str, asks: str, replies: str) -> str:
        """Write a new topic of plain lines, one text each, and return its file."""
        file = f"topics/{name}.yaml"
        if not _FILE.fullmatch(file):
            raise GuppyError(
                f"{name!r} cannot be the name of a topic." if name else "A topic needs a name.",
                "Use letters, digits and _.",
            )
        if file in self.files():
            raise GuppyError(f"There is a topic {name} already.", f"Write into {file}, or choose another name.")
        if len(self.files()) >= MAX_FILES:
            raise GuppyError(f"A pack has {MAX_FILES} files at most.", "Write into one that is there.")
        lines = [[line.strip() for line in text.splitlines() if line.strip()] for text in (asks, replies)]
        if not all(lines):
            raise GuppyError(
                "A topic needs something that is said to it, and something it answers.",
                "Write one line of each at least.",
            )
        (self.pack_dir / "topics").mkdir(exist_ok=True)
        (self.pack_dir / file).touch()
        self.write(file, topic_file(name, *lines))
        return file

    def _path(self, file: str) -> Path:
        """Return where a file is; only those that are listed can be meant."""
        if file not in self.files():
            raise NotFoundError(f"There is no file {file!r} in {self.name}.", nearest(str(file), self.files()))
        return self.pack_dir / file

    # ---- seeing

    def check(self, n_rows: int) -> Report:
        return check_pack(self.pack_dir, n_rows=n_rows)

    def pack(self) -> Pack:
        """Return the pack as it is now. Raises PackError."""
        return load_pack(self.pack_dir)

    def dataset(self, n_rows: int) -> tuple[Pack, Dataset]:
        pack = self.pack()
        return pack, generate(pack, n_rows=n_rows, seed=0)

    def samples(self, n: int, *, seed: int) -> list[Conversation]:
        """Return conversations of all topics, as training would get them."""
        pack = self.pack()
        rows = generate(pack, n_rows=max(n, 6 * len(pack.topics)), n_exam=0, seed=seed).train
        return list(rows[:n])

    # ---- taking away

    def pack_zip(self) -> Path:
        return self._zip(self.pack_dir, f"{self.name}.zip", self.packs_dir)

    def bundle_zip(self) -> Path:
        """Return a zip of the bundle. Raises GuppyError while there is none."""
        if not (self.bundle_dir / "config.json").is_file():
            raise GuppyError("It has not been trained yet.", "Train it in step 4.")
        return self._zip(self.bundle_dir, f"{self.name}-bundle.zip", self.models_dir)

    def save(self, personas_dir: Path, models_dir: Path) -> list[Path]:
        """Copy the pack, and the bundle where there is one, into folders of the computer. Nothing is overwritten."""
        found = [(self.pack_dir, personas_dir / self.name)]
        if (self.bundle_dir / "config.json").is_file():
            found.append((self.bundle_dir, models_dir / self.name))
        for _, target in found:
            if target.exists():
                raise GuppyError(f"{target} is already there.", "Delete it, or begin again under another name.")
        for source, target in found:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as scratch:
                shutil.copytree(source, Path(scratch) / self.name)
                shutil.move(Path(scratch) / self.name, target)
        return [target for _, target in found]

    def _zip(self, folder: Path, name: str, root: Path) -> Path:
        target = self.packs_dir.parent / name
        with self._lock, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                if _is_own(path) and not path.name.startswith("."):
                    archive.write(path, path.relative_to(root))
        return target


class _Fresh:
    """Empties a bench for a new pack, and puts the old one back where the new one does not come about."""

    def __init__(self, bench: Bench, name: str) -> None:
        self._bench, self._name = bench, name
        self._packs, self._old = bench.packs_dir, bench.packs_dir.with_name("before")

    def __enter__(self) -> None:
        self._bench._lock.acquire()
        shutil.rmtree(self._old, ignore_errors=True)
        if self._packs.exists():
            self._packs.rename(self._old)
        self._packs.mkdir(parents=True)
        for shared in self._bench._personas_dir.glob("_*"):
            if shared.is_dir() and not shared.is_symlink():
                shutil.copytree(shared, self._packs / shared.name, symlinks=True)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            shutil.rmtree(self._bench.models_dir, ignore_errors=True)
            self._bench.name = self._name
        else:
            shutil.rmtree(self._packs, ignore_errors=True)
            if self._old.exists():
                self._old.rename(self._packs)
        self._bench._lock.release()


def _is_own(path: Path) -> bool:
    """Say whether a path is a file itself, and not a link to one that may lie anywhere."""
    return path.is_file() and not path.is_symlink()


class Benches:
    """All benches of a page. Safe to use from many threads."""

    def __init__(self, personas_dir: Path) -> None:
        self._personas_dir = personas_dir
        self._lock = threading.Lock()
        self._benches: dict[str, Bench] = {}
        self._root: tempfile.TemporaryDirectory | None = None

    def find(self, token: str) -> Bench | None:
        """Return the bench of that token, if it is still there."""
        with self._lock:
            bench = self._benches.get(token) if isinstance(token, str) else None
            if bench:
                bench.touched = time.monotonic()
            return bench

    def open(self, token: str = "") -> Bench:
        """Return the bench of that token, or a new one. Raises GuppyError where there is no room for more."""
        if bench := self.find(token):
            return bench
        with self._lock:
            self._sweep()
            if len(self._benches) >= MAX_BENCHES:
                raise GuppyError(
                    "Many people are making personas here right now.", "Try again in an hour, or on your own computer."
                )
            self._root = self._root or tempfile.TemporaryDirectory(prefix="guppylm-", ignore_cleanup_errors=True)
            token = secrets.token_urlsafe(18)
            self._benches[token] = Bench(Path(self._root.name) / secrets.token_hex(8), self._personas_dir, token)
            return self._benches[token]

    def _sweep(self) -> None:
        for token in list(self._old()):
            bench = self._benches.pop(token)
            shutil.rmtree(bench.packs_dir.parent, ignore_errors=True)

    def _old(self) -> Iterator[str]:
        now = time.monotonic()
        for token, bench in self._benches.items():
            if now - bench.touched > 3600 * HOURS_UNTOUCHED:
                yield token
