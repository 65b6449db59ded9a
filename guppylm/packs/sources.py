"""Turns the name of a pack into all that was written for it: its own files and those of packs it extends.

A source is one folder with its files read and validated. The sources of a persona come in order, the ones
it extends first, so that whatever comes later has the last word. Merging them is lists.py's and load.py's
business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from guppylm.errors import Finding, NotFoundError, nearest
from guppylm.packs.document import MAX_NODES, Document, finding_at
from guppylm.packs.files import read_files
from guppylm.packs.place import Place
from guppylm.packs.read import read_document
from guppylm.packs.validate import validate

PERSONAS_DIR = Path(__file__).resolve().parents[2] / "personas"

_SUFFIXES = (".yaml", ".yml", ".json")
_ROOT_KINDS = ("persona", "words", "phrases", "short", "exam")
_MARKERS = ("im_start", "im_end")  # a topic's gist is a token like theirs
_PACK_NAME = re.compile(r"\w[\w-]{0,63}")
_MAX_CHAIN = 8


@dataclass(kw_only=True)
class Source:
    """One folder of a pack.

    Attributes:
        files: the bytes of every file, by `guppy/topics/food.yaml`. documents, contents: what was read and
        what it means, by `persona`, `words`, `phrases`, `short`, `exam`
            and `topics/food`; a file with errors is in neither.
        broken: the same names, of the files with errors.
    """

    name: str
    folder: Path
    files: dict[str, bytes] = field(default_factory=dict)
    documents: dict[str, Document] = field(default_factory=dict)
    contents: dict[str, BaseModel] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def topic_names(self) -> list[str]:
        """Return the names of its topics, also of those with errors."""
        names = {*self.contents, *self.broken}
        return sorted(name.removeprefix("topics/") for name in names if name.startswith("topics/"))


def find_folder(name_or_path: str | Path, personas_dir: Path | None = None) -> Path:
    """Return the folder of a persona.

    Args:
        name_or_path: a name in `personas_dir`, or a path to the folder of a pack or of a trained bundle.

    Raises:
        NotFoundError: with the nearest persona there is.
    """
    root = Path(personas_dir or PERSONAS_DIR)
    text = str(name_or_path)
    is_path = isinstance(name_or_path, Path) or "/" in text or "\\" in text or text in ("", ".", "..")
    folder = Path(text) if is_path else root / text
    if is_path and folder.is_dir():
        folder = _inside_bundle(folder.resolve())
    if folder.name.startswith("_"):
        raise NotFoundError(f"{folder.name} is only for others to extend", "name a persona that extends it")
    has_persona = any((folder / f"persona{suffix}").is_file() for suffix in _SUFFIXES)
    if _is_reserved(folder.name) or not has_persona:
        if folder.is_dir():
            raise NotFoundError(f"{folder} is not a persona: it has no persona.yaml", "see personas/README.md")
        shown = folder if is_path else text
        raise NotFoundError(f"there is no persona called {shown}", nearest(folder.name, list_personas(root)))
    return folder


def _inside_bundle(folder: Path) -> Path:
    """Return the pack inside a trained bundle, or the folder itself when it is no bundle."""
    inside = [path for path in sorted(folder.glob("pack/*")) if path.is_dir() and not path.name.startswith("_")]
    return inside[0] if len(inside) == 1 else folder


def list_personas(personas_dir: Path | None = None) -> list[str]:
    """Return the names of all personas of a folder: each is there because its own folder is."""
    root = Path(personas_dir or PERSONAS_DIR)
    found = {path.parent.name for suffix in _SUFFIXES for path in root.glob(f"*/persona{suffix}")}
    return sorted(name for name in found if not _is_reserved(name))


def _is_reserved(name: str) -> bool:
    """Say whether a folder beside the personas is a shared pack or the schema."""
    return name.startswith(("_", ".")) or name == "schema"


def read_sources(folder: Path) -> tuple[list[Source], list[Finding]]:
    """Return the folder and the packs it extends, those first, and everything wrong with their files."""
    findings: list[Finding] = []
    sources: dict[str, Source] = {}
    _read_chain(folder, (), sources, findings)
    n_nodes = sum(document.n_nodes for source in sources.values() for document in source.documents.values())
    if n_nodes > MAX_NODES:
        message = f"the pack has {n_nodes:,} entries, and {MAX_NODES:,} is the most"
        findings.append(Finding(code="E106", message=message, help="leave some out", file=folder.name))
    return list(sources.values()), findings


def _read_chain(folder: Path, path: tuple[str, ...], sources: dict[str, Source], findings: list[Finding]) -> None:
    source = _read_source(folder, findings)
    for name, place in _extended(source):
        problem = _refusal(name, folder, (*path, folder.name))
        if problem:
            findings.append(finding_at(place, "E113", *problem))
        elif name not in sources:
            _read_chain(folder.parent / name, (*path, folder.name), sources, findings)
    sources[folder.name] = source


def _extended(source: Source) -> Iterator[tuple[str, Place]]:
    """Yield the names of the packs that this one extends, with their places."""
    if "persona" not in source.contents:
        return
    document = source.documents["persona"]
    names = document.tree.get("extends", [])
    for index, name in enumerate([names] if isinstance(names, str) else names):
        yield name, document.place(("extends",) if isinstance(names, str) else ("extends", index))


def _refusal(name: str, folder: Path, path: tuple[str, ...]) -> tuple[str, str] | None:
    """Return message and remedy when a pack cannot be extended."""
    if _PACK_NAME.fullmatch(name) is None:
        return f"{name} leads out of the packs folder", "write the name of a folder beside this one"
    if name in path:
        return f"a circle: {' > '.join([*path[path.index(name) :], name])}", "a pack cannot extend itself"
    if len(path) > _MAX_CHAIN:
        return f"more than {_MAX_CHAIN} packs that extend one another", ""
    if not (folder.parent / name).is_dir():
        beside = [path.name for path in folder.parent.iterdir() if path.is_dir() and path.name != "schema"]
        return f"there is no pack called {name} beside this one", nearest(name, beside)
    return None


def _read_source(folder: Path, findings: list[Finding]) -> Source:
    """Read and validate every file of one folder."""
    files, problems = read_files(folder)
    findings += problems
    source = Source(name=folder.name, folder=folder, files=files)
    for file, data in files.items():
        inside = Path(file.split("/", 1)[1])
        if inside.suffix.lower() not in _SUFFIXES:
            continue
        name = inside.with_suffix("").as_posix()
        kind = _kind_of(inside, file, findings)
        if kind is None:
            continue
        if name in source.contents or name in source.broken:
            message = f"{name} a second time, with another ending"
            findings.append(Finding(code="E110", message=message, help="keep one of the two files", file=file))
            continue
        document = read_document(data, file)
        content = validate(document, kind) if document.tree is not None else None
        findings += document.findings
        if content is None:
            source.broken.add(name)
        else:
            source.documents[name], source.contents[name] = document, content
    return source


def _kind_of(inside: Path, file: str, findings: list[Finding]) -> str | None:
    """Return which schema a file has, or None and a finding for one that nothing would read."""
    parts, stem = inside.parts, inside.stem
    if len(parts) == 1 and stem in _ROOT_KINDS:
        return stem
    if len(parts) == 2 and parts[0] == "topics":
        if _PACK_NAME.fullmatch(stem) and not stem.startswith("_") and stem not in _MARKERS:
            return "topic"
        help = "a topic's name has letters, digits, _ and -, and is not that of a chat marker"
        findings.append(Finding(code="E123", message=f"{stem} is no name for a topic", help=help, file=file))
        return None
    if parts[0] == "threads":
        message, help = "dialogues of several turns are not trained yet", "move threads/ out of the pack"
    else:
        message = f"nothing reads a file called {inside.as_posix()}"
        help = nearest(inside.as_posix(), [*(f"{kind}.yaml" for kind in _ROOT_KINDS), f"topics/{stem}.yaml"])
    findings.append(Finding(code="E120", message=message, help=help, file=file))
    return None
