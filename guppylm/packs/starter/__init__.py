"""Turns a name into a small pack to start from: the files beside this module, with the name put in.

The pack is meant to be read. It shows every part of the format once, in a comment where it is used, and passes
`check` without a warning, so that whatever `check` says next is about what its author wrote.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from guppylm.errors import GuppyError

FILES = Path(__file__).parent

_NAME = re.compile(r"[^\W_][\w-]{0,63}")


def write_starter(name: str, personas_dir: Path) -> Path:
    """Write a new pack that teaches by its comments, and return its folder. Raises like `write_pack_files`."""
    files = {
        source.relative_to(FILES).as_posix(): source.read_text(encoding="utf-8")
        for source in sorted(FILES.rglob("*.yaml"))
    }
    title = _title(name)
    return write_pack_files(
        name,
        personas_dir,
        {path: text.replace("TITLE", title).replace("NAME", name) for path, text in files.items()},
    )


def write_pack_files(name: str, personas_dir: Path, files: Mapping[str, str]) -> Path:
    """Write the files of a new pack, all or none, and return its folder.

    Raises:
        GuppyError: the name cannot be a folder's, or is taken.
    """
    if _NAME.fullmatch(name) is None:
        raise GuppyError(f"{name} cannot be the name of a persona", "use letters, digits, - and _")
    folder = Path(personas_dir) / name
    if folder.exists() or folder.is_symlink():
        raise GuppyError(f"{folder} is already there", "choose another name, or delete it first")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as scratch:
        half_written = Path(scratch) / name
        for path, text in files.items():
            target = half_written / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        shutil.move(half_written, folder)
    return folder


def _title(name: str) -> str:
    """Return the name as one writes it: sea-lion -> Sea Lion."""
    return " ".join(part[:1].upper() + part[1:] for part in re.split(r"[-_]+", name) if part)
