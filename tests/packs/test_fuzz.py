"""Whatever a stranger's pack holds, what comes of it is findings: no traceback, no hang.

Two hundred tries each time; `GUPPYLM_FUZZ=10000 pytest tests/packs/test_fuzz.py` for many.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from guppylm.errors import PackError
from guppylm.packs.check import check_pack
from guppylm.packs.explain import explain
from guppylm.packs.generate import generate
from guppylm.packs.load import load_pack
from guppylm.packs.starter import FILES
from tests.packs.packs import sections

N_TRIES = int(os.environ.get("GUPPYLM_FUZZ", "200"))
SECONDS = 20.0  # for one pack; on a busy machine too
BAD_PACKS = Path(__file__).parent.parent / "bad_packs"
CRUMBS = [
    *(
        "<",
        ">",
        "(",
        ")",
        "|",
        "\\",
        "<tea>",
        "<tea2>",
        "<tea9.s>",
        "<2..9>",
        "<9..2>",
        "<1..999999999>",
        "(a|)",
        "3* ",
    ),
    *(
        "- ",
        ": ",
        "\n",
        "\n  - ",
        "  ",
        "\t",
        "#",
        " #",
        "'",
        '"',
        "[",
        "]",
        "{",
        "}",
        "&a ",
        "*a",
        "!!python/name:os ",
        "%",
    ),
    *(
        "<|im_end|>",
        "<|im_",
        "start|>",
        "---\n",
        "...\n",
        "|\n",
        ">\n",
        "? ",
        "<<: ",
        "null",
        "yes",
        "1e9",
        "\x00",
        "\x1e",
    ),
    *(
        "\u202e",
        "\u200b",
        "\ufeff",
        "\U000e0041",
        "é",
        "你",
        "🐟",
        "\ud800",
        "ask:",
        "reply:",
        "scenes:",
        "words:",
        "extends: ",
    ),
]


def material() -> list[dict[str, bytes]]:
    """Packs to spoil: the one of `new`, and all that are bad already."""
    starter = {path.relative_to(FILES).as_posix(): path.read_bytes() for path in FILES.rglob("*.yaml")}
    bad = [sections(case.read_text(encoding="utf-8")) for case in sorted(BAD_PACKS.glob("*.txt"))]
    small = [files for files in bad if sum(map(len, files.values())) < 20_000]
    return [starter] * len(small) + [{**starter, **files} for files in small]


def spoilt(data: bytes, rng: random.Random) -> bytes:
    """Cut, double, move or insert a few pieces."""
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice([1, 3, 12, 60]))
        match rng.randrange(5):
            case 0:
                data = data[:start] + data[end:]
            case 1:
                data = data[:end] + data[start:end] * rng.choice([1, 2, 30]) + data[end:]
            case 2:
                there = rng.randrange(len(data) + 1)
                data = data[:there] + data[start:end] + data[there:]
            case 3:
                data = data[:start] + bytes([rng.randrange(256)]) + data[end:]
            case _:
                crumb = rng.choice(CRUMBS).encode("utf-8", "surrogatepass")
                data = data[:start] + crumb * rng.choice([1, 1, 1, 2, 200]) + data[start:]
    return data


@pytest.mark.parametrize("part", range(4))
def test_a_spoilt_pack_gives_findings_or_works(tmp_path, part):
    packs = material()
    for number in range(part, N_TRIES, 4):
        rng = random.Random(number)
        files = dict(rng.choice(packs))
        files.pop("findings", None)
        name = rng.choice(sorted(files))
        files[name] = spoilt(files[name], rng)
        folder = tmp_path / f"p{number}" / "moth"
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        try_pack(folder, number)


def try_pack(folder: Path, number: int) -> None:
    began = time.monotonic()
    if not any((folder / f"persona{suffix}").is_file() for suffix in (".yaml", ".json")):
        return
    report = check_pack(folder, n_rows=100)
    assert all(str(finding) for finding in report.findings)
    try:
        pack = load_pack(folder)
    except PackError:
        assert not report.ok, number
    else:
        rows = generate(pack, n_rows=30, seed=number).train
        assert not any("<|im_" in row.output or "<|im_" in row.input for row in rows) or not report.ok
        explain(pack, rows[0].input if rows else "hello")
    assert time.monotonic() - began < SECONDS, number
