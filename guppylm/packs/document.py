"""What one file of a pack is once it has been read: a tree of text, and where every piece of it stood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from guppylm.errors import Finding
from guppylm.packs.place import Place

MAX_NODES = 100_000
MAX_LIST = 20_000
MAX_DEPTH = 8
MAX_FINDINGS = 50  # of one kind in one file; a file in another encoding should not fill the screen

Tree = dict[str, "Tree"] | list["Tree"] | str
Path = tuple[str | int, ...]
Mark = tuple[int, int, bool]  # 1-based line and column of the text itself, and whether offsets in it are columns


@dataclass(kw_only=True)
class Document:
    """One file, read.

    Attributes:
        file: its name, relative to the folder that holds the packs. tree: mappings, lists and text; None
        when the file could not be read. values, keys: where each value and each key stands, by path; None
        stands for a place that JSON has not. flow: the paths of the lists and mappings written inside `[ ]`
        and `{ }`. blank: the paths of values left out, as `show_path` writes them. n_nodes: keys, values,
        lists and mappings together. findings: what was wrong.
    """

    file: str
    tree: Tree | None = None
    values: dict[Path, Mark | None] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)
    flow: set[Path] = field(default_factory=set)
    blank: set[str] = field(default_factory=set)
    n_nodes: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def paths(self) -> Mapping[Path, object]:
        """The paths of all values of the tree."""
        return self.values

    def place(self, path: Path) -> Place:
        """Return where the value at `path` stands, or the nearest thing around it that has a place."""
        return self._place(path, self.values)

    def key_place(self, path: Path) -> Place:
        """Return where the key that ends `path` stands."""
        return self._place(path, self.keys if path in self.keys else self.values)

    def _place(self, path: Path, marks: Mapping[Path, Mark | None]) -> Place:
        around = path
        while around and around not in marks:
            around = around[:-1]
        mark = marks.get(around)
        if mark is None:
            return Place(file=self.file, path=show_path(path), exact=False)
        line, column, exact = mark
        return Place(file=self.file, line=line, column=column, path=show_path(path), exact=exact and around == path)

    def add(self, code: str, message: str, help: str = "", *, place: Place | None = None) -> None:
        """Add a finding at a place, or about the whole file. Of many alike, the first are kept."""
        place = place or Place(file=self.file)
        n_alike = sum(finding.code == code for finding in self.findings[-MAX_FINDINGS - 1 :])
        if n_alike < MAX_FINDINGS:
            self.findings.append(finding_at(place, code, message, help))
        elif n_alike == MAX_FINDINGS:
            self.findings.append(finding_at(place, code, "and more of the same kind", help))


def finding_at(place: Place, code: str, message: str, help: str = "") -> Finding:
    """Return the finding that says this about that place."""
    return Finding(
        code=code,
        message=message,
        help=help,
        file=place.file,
        line=place.line,
        column=place.column,
        path=place.path,
    )


def show_path(path: Path) -> str:
    """Return a path as people write it: `scenes[0].reply[3]`."""
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return shown.removeprefix(".")


class RefusedError(Exception):
    """Reading this file stops here; the finding is already in its document."""
