"""`python -m guppylm check NAME`: every finding about a pack, then a table of what it can say."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from guppylm.errors import GuppyError
from guppylm.packs.archive import opened
from guppylm.packs.check import N_ROWS, Report, check_pack

_EXAMPLES = """examples:
  python -m guppylm check guppy
  python -m guppylm check ./my-packs/moth --rows 3000
  python -m guppylm check guppy --json | jq .pairs
  python -m guppylm check moth --watch

exit code: 0 without errors (there may be warnings), 2 with errors"""

SECONDS_BETWEEN_LOOKS = 0.4


def add(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EXAMPLES
    parser.add_argument("name", metavar="NAME", help="a folder of personas/, or a path to a pack")
    parser.add_argument("--personas", type=Path, metavar="DIR", help="where packs are (default: personas/)")
    help = "the rows of training that its topics should be able to share (default: %(default)s)"
    parser.add_argument("--rows", type=int, default=N_ROWS, metavar="N", help=help)
    parser.add_argument("--json", action="store_true", help="write JSON and nothing else to standard output")
    parser.add_argument("--watch", action="store_true", help="check again whenever a file changes, until Ctrl-C")


def run(options: argparse.Namespace) -> int:
    if options.watch:
        _watch(options)
    report = check_pack(options.name, personas_dir=options.personas, n_rows=options.rows)
    _show(report, options)
    return 0 if report.ok else 2


def _show(report: Report, options: argparse.Namespace) -> None:
    print(json.dumps(as_json(report), ensure_ascii=False, indent=2) if options.json else as_text(report), flush=True)


def _watch(options: argparse.Namespace) -> NoReturn:
    """Check, and again whenever a file beside or below the pack changes. Ends by KeyboardInterrupt alone."""
    with opened(options.name, options.personas) as (_, shown):
        root = shown.parent
    before: dict[Path, tuple[int, int]] = {}
    while True:
        if (now := _stamps(root)) == before:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            continue
        before = now  # taken before the check: what is saved while it runs is checked next
        try:
            _show(check_pack(options.name, personas_dir=options.personas, n_rows=options.rows), options)
        except GuppyError as error:  # a file may be gone for a moment, as some editors save
            print(error, file=sys.stderr)
        print(f"{time.strftime('%H:%M:%S')} watching; Ctrl-C ends", file=sys.stderr, flush=True)


def _stamps(root: Path) -> dict[Path, tuple[int, int]]:
    """Return when each file of the packs was changed, and its size."""
    paths = [root] if root.is_file() else [path for path in root.rglob("*") if path.is_file()]
    stamps = {}
    for path in paths:
        with suppress(OSError):  # gone since
            found = path.stat()
            stamps[path] = (found.st_mtime_ns, found.st_size)
    return stamps


def as_json(report: Report) -> dict[str, object]:
    """Return the report as `check --json` writes it."""
    keys = ("code", "severity", "file", "line", "column", "path", "message", "help")
    return {
        "ok": report.ok,
        "findings": [{key: getattr(finding, key) for key in keys} for finding in report.findings],
        "topics": {name: asdict(amount) for name, amount in report.topics.items()},
        "pairs": report.pairs,
    }


def as_text(report: Report) -> str:
    """Return the findings, their number, and a row for each topic."""
    n_errors = sum(finding.severity == "error" for finding in report.findings)
    n_warnings = len(report.findings) - n_errors
    count = f"{_plural(n_errors, 'error')}, {_plural(n_warnings, 'warning')}"
    root = _shown_root(report.root)
    findings = [f"{root}{finding}" for finding in report.findings]
    return "\n".join([*findings, *([""] if findings else []), *_table(report), count])


def _shown_root(root: Path) -> str:
    """Return the packs folder as seen from here, so that a terminal can open the places that are named."""
    with suppress(ValueError):  # not below the working directory
        return f"{root.resolve().relative_to(Path.cwd())}{os.sep}"
    return f"{root.resolve()}{os.sep}"


def _table(report: Report) -> list[str]:
    """Return the table of topics, with totals."""
    if not report.topics:
        return []
    rows = [(name, amount.prompts, amount.replies, amount.pairs) for name, amount in report.topics.items()]
    rows.append((_plural(len(rows), "topic"), *(sum(column) for column in list(zip(*rows, strict=True))[1:])))
    shown = [("topic", "prompts", "replies", "pairs"), *((row[0], *map(_number, row[1:])) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in shown
    ]
    return [*lines[:-1], "-" * len(lines[0]), lines[-1], ""]


def _number(value: int) -> str:
    """Return a number as people read it; of a large one, its size."""
    if value < 10_000_000:
        return f"{value:,}"
    for power, name in ((6, "million"), (9, "billion"), (12, "trillion"), (15, "quadrillion")):
        if value < 1000 * 10**power:
            return f"{value / 10**power:.3g} {name}"
    return f"10^{len(str(value)) - 1}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
