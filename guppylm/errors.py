"""Every mistake a user can make, as one tree of exceptions.

    GuppyError                 a sentence, and what to do about it
    ├── PackError              a persona pack does not hold together; carries every Finding
    ├── NotFoundError          no such persona, bundle or topic; names the nearest
    ├── BundleError            a trained bundle is broken, half written or does not fit together
    ├── TrainingError          a run cannot start or go on
    ├── ChatError              a reply cannot be made
    └── ExamError              an examination cannot be held

The library raises these and never prints. The command line turns them into one sentence on standard
error and exit code 2; the page shows the same sentence. Any other exception is a fault of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


class GuppyError(Exception):
    """Something the user can put right: what was found, and what to do."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.help = help

    def __str__(self) -> str:
        return f"{self.message}\n{self.help}" if self.help else self.message


class NotFoundError(GuppyError):
    """A name that stands for nothing here."""


class BundleError(GuppyError):
    """A folder that is not a whole, consistent bundle."""


class TrainingError(GuppyError):
    """A training run that cannot start or go on."""


class ChatError(GuppyError):
    """A message that cannot be answered, or settings that make no sense."""


class ExamError(GuppyError):
    """An examination that cannot be held."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing to know about a pack: a place, what was found there, what to do.

    Attributes:
        code: `E…` for an error, `W…` for a warning; the catalogue is in personas/README.md.
        message: what was found, in one clause.
        help: the remedy, in one clause; empty where the message says it all.
        file: the file, relative to the folder that holds the persona packs.
        line: 1-based line in that file, or None for a JSON pack or a whole file.
        column: 1-based column, or None.
        path: where in the file's structure, as in `scenes[0].reply[3]`.
    """

    code: str
    message: str
    help: str = ""
    file: str = ""
    line: int | None = None
    column: int | None = None
    path: str = ""

    @property
    def severity(self) -> Literal["error", "warning"]:
        return "error" if self.code.startswith("E") else "warning"

    @property
    def where(self) -> str:
        """`file:line:column`, or `file:path` where there is no line."""
        if self.line is not None:
            return f"{self.file}:{self.line}:{self.column or 1}"
        return f"{self.file}:{self.path}" if self.path else self.file

    def __str__(self) -> str:
        head = f"{self.where}: {self.code} {self.message}"
        return f"{head}\n  {self.help}" if self.help else head


class PackError(GuppyError):
    """A pack with errors. `findings` holds all of them, sorted by place."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        count = sum(finding.severity == "error" for finding in self.findings)
        summary = f"{count} error" + ("" if count == 1 else "s")
        super().__init__("\n".join([*map(str, self.findings), summary]))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a `did you mean …?` for a misspelt name, or the known names, or an empty string."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    if not names:
        return ""
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"known: {shown}"
