"""Small packs for tests: a good one, and folders written from the sections of one text.

    --- topics/food.yaml
    ask: are you hungry
    reply: yes
    === findings
    …

A section's name may end in `(escaped)`, for bytes that no editor shows, or in `(3000 times)`, for files that
are too large to look at.
"""

from __future__ import annotations

import re
from pathlib import Path

from guppylm.packs.check import Report, check_pack

GOOD = {
    "persona.yaml": "format: persona/1\nname: Moth\nabout: a small moth\nfallback: food\n",
    "topics/food.yaml": "ask:\n  - are you hungry\nreply:\n  - i am\n",
}


def write_pack(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write a pack made of GOOD and these files; an empty text takes a file away."""
    for name, content in {**GOOD, **files}.items():
        if content == "":
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def sections(text: str) -> dict[str, bytes]:
    """Return the files that a text describes, and `findings` if it says some."""
    found: dict[str, bytes] = {}
    for part in re.split(r"^(?=--- |=== )", text, flags=re.MULTILINE):
        head, _, body = part.partition("\n")
        if not head.strip():
            continue
        match = re.fullmatch(r"(?:---|===) (\S+)(?: \((escaped|(\d+) times)\))?", head)
        assert match, head
        if match[2] == "escaped":
            found[match[1]] = body.encode().decode("unicode_escape").encode("latin-1")
        else:
            found[match[1]] = body.encode() * int(match[3] or 1)
    return found


def check_files(folder: Path, files: dict[str, str | bytes], *, n_rows: int = 1) -> Report:
    """Return the report on a pack `moth` made of GOOD and these; `../name/file` is for another pack."""
    write_pack(folder / "moth", files)
    return check_pack(folder / "moth", n_rows=n_rows)


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]
