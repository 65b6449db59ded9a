"""Turns a zip file into the folder of a pack, for as long as it is read.

Zip files come from strangers: names that lead elsewhere, links, and a few kilobytes that unpack to a terabyte are all
refused before or while they are unpacked, by the bounds that hold for folders (files.py). The file holds a pack's
folder or its files; packs that it extends may lie in it too, or are taken from the packs folder.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from guppylm.errors import Finding, PackError
from guppylm.packs.files import MAX_FILES, MAX_PACK_BYTES
from guppylm.packs.sources import PERSONAS_DIR, find_folder

_LEFT_OUT = ("__MACOSX", ".DS_Store", "Thumbs.db")  # what desktops put in beside what was asked for
_REMEDY = "zip the folder of the pack, and nothing else"


@contextmanager
def opened(name_or_path: str | Path, personas_dir: Path | None = None) -> Iterator[tuple[Path, Path]]:
    """Yield the folder of a pack to read now, and the folder that findings should name.

    Raises NotFoundError like `find_folder`, and PackError for a zip file that cannot be a pack.
    """
    archive = Path(name_or_path)
    if archive.suffix.lower() == ".zip" and archive.is_file():
        with _unpacked(archive, Path(personas_dir or PERSONAS_DIR)) as folder:
            yield folder, archive / folder.name
    else:
        folder = find_folder(name_or_path, personas_dir)
        yield folder, folder


@contextmanager
def _unpacked(archive: Path, personas_dir: Path) -> Iterator[Path]:
    """Unpack a zip file and yield the folder of the pack in it; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="pack-") as scratch:
        root = Path(scratch)
        for path, data in _contents(archive):
            target = root.joinpath(*path.parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        folder = _pack_in(root, archive)
        for shared in sorted(personas_dir.glob("_*")):
            if shared.is_dir() and not shared.is_symlink() and not (folder.parent / shared.name).exists():
                shutil.copytree(shared, folder.parent / shared.name, symlinks=True)
        yield folder


def _contents(archive: Path) -> list[tuple[PurePosixPath, bytes]]:
    """Return the files of a zip, within bounds."""
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = [entry for entry in opened.infolist() if not entry.is_dir() and not _is_clutter(entry)]
            if len(entries) > MAX_FILES:
                raise _refused(archive, "E112", f"the zip file has more than {MAX_FILES} files", "leave some out")
            left, found = MAX_PACK_BYTES, []
            for entry in entries:
                path = _path(archive, entry)
                with opened.open(entry) as stream:
                    data = stream.read(left + 1)  # what the file says of its sizes need not be true
                left -= len(data)
                if left < 0:
                    message = f"the zip file unpacks to more than {MAX_PACK_BYTES:,} bytes"
                    raise _refused(archive, "E112", message, "leave some out")
                found.append((path, data))
            return found
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        # RuntimeError is a password, NotImplementedError a way of packing that Python does not know.
        raise _refused(archive, "E100", f"not a zip file that can be read: {error}", _REMEDY) from error


def _is_clutter(entry: zipfile.ZipInfo) -> bool:
    return bool(set(PurePosixPath(entry.filename).parts) & set(_LEFT_OUT))


def _path(archive: Path, entry: zipfile.ZipInfo) -> PurePosixPath:
    """Return where a file of the zip belongs, or raise PackError where that is not inside."""
    name = entry.filename
    path = PurePosixPath(name)
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise _refused(archive, "E113", f"{name} is a link, which may lead out of the pack", "put the file itself in")
    outside = path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or len(path.parts) > 5
    if outside or not path.parts or "\0" in name or len(name) > 300:
        raise _refused(archive, "E113", f"{name[:80]!r} leads out of the pack", _REMEDY)
    return path


def _pack_in(root: Path, archive: Path) -> Path:
    """Return the folder that holds persona.yaml; one without a folder around it gets the zip's name."""
    suffixes = (".yaml", ".yml", ".json")
    if any((root / f"persona{suffix}").is_file() for suffix in suffixes):
        folder = root / "packs" / archive.stem
        inside = list(root.iterdir())
        folder.mkdir(parents=True)
        for path in inside:
            shutil.move(path, folder / path.name)
        return folder
    found = {path.parent for suffix in suffixes for path in root.glob(f"**/persona{suffix}")}
    found = {folder for folder in found if not folder.name.startswith("_")}
    if len(found) != 1:
        count = "no" if not found else "more than one"
        raise _refused(archive, "E121", f"the zip file holds {count} folder with a persona.yaml", _REMEDY)
    return found.pop()


def _refused(archive: Path, code: str, message: str, help: str) -> PackError:
    return PackError([Finding(code=code, message=message, help=help, file=archive.name)])
