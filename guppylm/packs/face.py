"""Turns a pack's folder into what a card shows of it: its name, a sentence, a drawing, a few messages.

Only persona.yaml and the drawing are read, which takes a millisecond. Loading a whole pack takes up to a second, and
a page may show forty.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from guppylm.errors import Finding, NotFoundError, PackError
from guppylm.packs.avatar import MAX_BYTES, read_avatar
from guppylm.packs.read import read_document
from guppylm.packs.schema import PersonaFile
from guppylm.packs.sources import find_folder
from guppylm.packs.validate import validate

MAX_PERSONA_BYTES = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Face:
    """What a persona shows of itself; fields as in `Pack`."""

    title: str
    about: str
    language: str = "en"
    avatar_svg: str = ""
    starters: tuple[str, ...] = ()


def read_face(folder: Path) -> Face:
    """Return the face of the pack in a folder, or in the folder of a trained bundle.

    Raises:
        NotFoundError: there is none.
        PackError: persona.yaml does not hold together.
    """
    folder = find_folder(folder)
    path = next(path for path in sorted(folder.glob("persona.*")) if path.suffix in (".yaml", ".yml", ".json"))
    if path.is_symlink() or path.stat().st_size > MAX_PERSONA_BYTES:
        raise NotFoundError(f"{path} is no file that a pack may have", "see what check says")
    document = read_document(path.read_bytes(), f"{folder.name}/{path.name}")
    keys = validate(document, "persona") if document.tree is not None else None
    if not isinstance(keys, PersonaFile):
        raise PackError(document.findings)
    unread: list[Finding] = []  # a drawing that is not fit to be shown is not shown; check tells why
    drawing = _files(folder, keys.avatar)
    avatar = read_avatar(keys.avatar, folder.name, drawing, document.place(("avatar",)), unread)
    return Face(
        title=keys.name,
        about=keys.about,
        language=keys.language,
        avatar_svg=avatar,
        starters=tuple(keys.starters),
    )


def _files(folder: Path, name: str | None) -> dict[str, bytes]:
    """Return the drawing as the files of a pack are given, or nothing where it cannot be one."""
    if not name or "/" in name or "\\" in name or name.startswith("."):
        return {}
    path = folder / name
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_BYTES:
        return {}
    return {f"{folder.name}/{name}": path.read_bytes()}
