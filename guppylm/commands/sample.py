"""`python -m guppylm sample NAME`: conversations made from a pack, to read or to train on elsewhere."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from guppylm.errors import GuppyError, NotFoundError, nearest
from guppylm.packs.generate import SETS, Conversation, generate
from guppylm.packs.load import load_pack
from guppylm.packs.pack import Pack
from guppylm.packs.pairs import Pairs
from guppylm.packs.place import Place

_EXAMPLES = """examples:
  python -m guppylm sample guppy
  python -m guppylm sample guppy -n 20 --seed 3 --topic food --why
  python -m guppylm sample guppy -n 60000 --out guppy.jsonl
  python -m guppylm sample guppy --set held_out -n 50
  python -m guppylm sample guppy --topic food --rank 1000000 -n 3"""

_N_ENOUGH = 20  # rows a topic


def add(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EXAMPLES
    parser.add_argument("name", metavar="NAME", help="a folder of personas/, or a path to a pack")
    parser.add_argument("-n", type=int, default=12, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the same seed gives the same rows")
    parser.add_argument("--set", choices=SETS, default="train", help="which set they come from (default: train)")
    parser.add_argument("--topic", metavar="TOPIC", help="only rows of this topic")
    help = "pairs number K, K + 1, … of all that can be said, as they are written"
    parser.add_argument("--rank", type=int, metavar="K", help=help)
    parser.add_argument("--why", action="store_true", help="show the lines and the words behind each")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write JSON lines to this file instead")
    parser.add_argument("--json", action="store_true", help="write JSON lines to standard output")
    parser.add_argument("--personas", type=Path, metavar="DIR", help="where packs are (default: personas/)")


def run(options: argparse.Namespace) -> int:
    if options.n < 1:
        raise GuppyError(f"-n {options.n} asks for nothing", "ask for 1 or more")
    pack = load_pack(options.name, personas_dir=options.personas)
    _check_topic(pack, options.topic)
    if options.rank is not None:
        return _by_rank(pack, options)
    rows = _rows(pack, options)
    if options.out:
        _write(options.out, _lines(rows, options.why))
        print(f"{len(rows):,} rows written to {options.out}", file=sys.stderr)
    elif options.json and rows:
        print("\n".join(_lines(rows, options.why)))
    elif rows:
        print("\n\n".join(_shown(row, options.why) for row in rows))
    if len(rows) < options.n:
        count = f"only {len(rows):,}" if rows else "no"
        print(f"there are {count} such rows in {pack.name}", file=sys.stderr)
    return 0


def _check_topic(pack: Pack, topic: str | None) -> None:
    if topic is not None and topic not in pack.topics:
        raise NotFoundError(f"there is no topic called {topic}", nearest(topic, pack.topics))


def _by_rank(pack: Pack, options: argparse.Namespace) -> int:
    """Show the pairs that have these numbers."""
    if options.why or options.set != "train" or options.out:
        raise GuppyError("--rank goes with -n, --topic and --json only", "leave the others out")
    pairs = Pairs(pack, options.topic)
    if not 1 <= options.rank <= pairs.n:
        raise GuppyError(f"there is no pair number {options.rank:,}", f"choose from 1 to {pairs.n:,}")
    for rank in range(options.rank, min(options.rank + options.n, pairs.n + 1)):
        pair = pairs[rank - 1]
        if options.json:
            line = {"input": pair.input, "output": pair.output, "category": pair.topic, "rank": rank}
            print(json.dumps(line, ensure_ascii=False))
        else:
            print(f"  you  {pair.input}\n       {pair.output}    ({pair.topic}, {rank:,} of {pairs.n:,})\n")
    return 0


def _write(out: Path, lines: Sequence[str]) -> None:
    try:
        out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise GuppyError(f"{out} cannot be written: {error.strerror}", "name another file") from error


def _rows(pack: Pack, options: argparse.Namespace) -> Sequence[Conversation]:
    """Return the rows asked for. A few are picked from enough for all topics."""
    n_topics = len(pack.topics)
    n_each = options.n if options.topic else -(-options.n // n_topics)
    is_training = options.set == "train"
    n_rows = max(options.n, n_topics * max(_N_ENOUGH, n_each if is_training and options.topic else 0))
    dataset = generate(pack, n_rows=n_rows, n_exam=0 if is_training else n_each * n_topics, seed=options.seed)
    rows = [row for row in getattr(dataset, options.set) if options.topic in (None, row.category)]
    return rows[: options.n]


def _lines(rows: Sequence[Conversation], why: bool) -> list[str]:
    """Return the rows as JSON lines."""
    lines = []
    for row in rows:
        line: dict[str, object] = {"input": row.input, "output": row.output, "category": row.category}
        if why:
            line |= {"set": row.set, "clean": row.clean, "scene": row.scene, "words": dict(row.words)}
            line |= {"ask": [_where(place) for place in row.ask_lines]}
            line |= {"reply": [_where(place) for place in row.reply_lines]}
        lines.append(json.dumps(line, ensure_ascii=False))
    return lines


def _where(place: Place) -> str:
    return f"{place.file}:{place.line}" if place.line else f"{place.file}:{place.path}"


def _shown(row: Conversation, why: bool) -> str:
    """Return a row as people read a conversation."""
    shown = f"  you  {row.input}\n       {row.output}    ({row.category})"
    if why:
        if row.clean != row.input:
            shown += f"\n       typed from: {row.clean}"
        shown += f"\n       ask    {' < '.join(map(_where, row.ask_lines))}"
        shown += f"\n       reply  {' < '.join(map(_where, row.reply_lines))}"
        if row.words:
            shown += "\n       words  " + ", ".join(f"<{slot}> = {word}" for slot, word in row.words)
    return shown
