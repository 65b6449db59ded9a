"""Turns a folder into the bytes of its files, within bounds, and never looks outside it.

Packs come from strangers. So links are refused, sizes are looked at before anything is read, and names are
plain. Hidden files and an editor's backups are no part of a pack.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from guppylm.errors import Finding

MAX_FILES = 400
MAX_PACK_BYTES = 8_000_000


def read_files(folder: Path) -> tuple[dict[str, bytes], list[Finding]]:
    """Return the files of a pack by `guppy/topics/food.yaml`, sorted, and what was wrong with them."""
    sizes: dict[Path, int] = {}
    findings: list[Finding] = []
    if folder.is_symlink():
        return {}, [_link(folder.name)]
    for path, size in _walk(folder, findings):
        sizes[path] = size
        if len(sizes) > MAX_FILES:
            message = f"the pack has more than {MAX_FILES} files"
            return {}, [
                *findings,
                Finding(code="E112", message=message, help="leave some out", file=folder.name),
            ]
    if (total := sum(sizes.values())) > MAX_PACK_BYTES:
        message = f"the pack has {total:,} bytes, and {MAX_PACK_BYTES:,} is the most"
        return {}, [*findings, Finding(code="E112", message=message, help="leave some out", file=folder.name)]
    names = {f"{folder.name}/{path.relative_to(folder).as_posix()}": path for path in sizes}
    return {name: names[name].read_bytes() for name in sorted(names)}, findings


def _walk(folder: Path, findings: list[Finding]) -> list[tuple[Path, int]]:
    """Return every file below the folder with its size, up to one more than are allowed."""
    found: list[tuple[Path, int]] = []
    waiting = [folder]
    while waiting and len(found) <= MAX_FILES:
        here = waiting.pop()
        for entry in sorted(os.scandir(here), key=lambda entry: entry.name):
            path = Path(entry.path)
            if entry.name.startswith((".", "__pycache__")) or entry.name.endswith("~"):
                continue
            if entry.is_symlink():
                findings.append(_link(f"{folder.name}/{path.relative_to(folder).as_posix()}"))
            elif entry.is_dir():
                if len(path.relative_to(folder).parts) <= 3:
                    waiting.append(path)
            elif entry.is_file():
                found.append((path, entry.stat().st_size))
                if len(found) > MAX_FILES:
                    break
    return found


def _link(name: str) -> Finding:
    return Finding(code="E113", message="a link, which may lead out of the pack", help="copy the file", file=name)


def digest(files: Mapping[str, bytes]) -> str:
    """Return one sha256 for names and contents of all files, as hexadecimal digits."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{len(name.encode())} {len(files[name])}\n{name}\n".encode())
        total.update(files[name])
    return total.hexdigest()
