"""Every file of tests/bad_packs is a small pack with a mistake, and the exact findings about it.

After a message was changed on purpose, `python -m tests.packs.test_bad_packs` writes them anew. Read the
difference before you keep it.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

import guppylm.packs
from guppylm.packs.findings import CATALOGUE
from guppylm.packs.sources import PERSONAS_DIR
from tests.packs.packs import check_files, sections

FOLDER = Path(__file__).parent.parent / "bad_packs"
CASES = sorted(FOLDER.glob("*.txt"))

CODE = re.compile(r"\"([EW][12]\d\d)\"")

# Given by a test of its own, since their packs are not made of a few small files.
ELSEWHERE = {"E112", "W210", "W213"}


def findings_of(case: Path, folder: Path) -> str:
    files = sections(case.read_text(encoding="utf-8"))
    files.pop("findings", None)
    report = check_files(folder, files)
    return "".join(f"{finding}\n" for finding in report.findings)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_findings_are_exactly(case: Path, tmp_path: Path) -> None:
    text = case.read_text(encoding="utf-8")
    assert findings_of(case, tmp_path) == text.split("=== findings\n")[1]


def test_every_code_has_a_bad_pack() -> None:
    shown = {case.stem.split("_")[0] for case in CASES}
    assert shown | ELSEWHERE == set(CATALOGUE)
    assert not shown & ELSEWHERE


def test_the_catalogue_holds_the_codes_of_the_source_and_no_others() -> None:
    sources = (path for path in Path(guppylm.packs.__path__[0]).glob("*.py") if path.stem != "findings")
    given = {code for path in sources for code in CODE.findall(path.read_text(encoding="utf-8"))}
    assert given == set(CATALOGUE)


def test_the_authors_manual_explains_every_code() -> None:
    manual = (PERSONAS_DIR / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\b[EW][12]\d\d\b", manual)) == set(CATALOGUE)


def test_the_bad_pack_of_a_code_gives_that_code() -> None:
    for case in CASES:
        code = case.stem.split("_")[0]
        assert f": {code} " in case.read_text(encoding="utf-8").split("=== findings\n")[1], case.stem


if __name__ == "__main__":
    for path in CASES:
        described = path.read_text(encoding="utf-8").split("=== findings\n")[0]
        with tempfile.TemporaryDirectory() as scratch:
            path.write_text(f"{described}=== findings\n{findings_of(path, Path(scratch))}", encoding="utf-8")
