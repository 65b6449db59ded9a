"""`python -m guppylm data NAME`: what the training data of a pack would be like, before anything is trained on it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from guppylm.errors import GuppyError
from guppylm.model.transformer import PRESETS
from guppylm.packs.describe import Description, describe
from guppylm.packs.generate import SETS, Dataset, generate
from guppylm.packs.load import load_pack
from guppylm.packs.pack import Pack
from guppylm.packs.place import Place
from guppylm.training.prepare import ear, make_tokenizer
from guppylm.training.settings import TrainSettings

_EXAMPLES = """examples:
  python -m guppylm data guppy
  python -m guppylm data guppy --rows 240000 --json"""

_N_SHOWN = 8  # lines that were never used


def add(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EXAMPLES
    parser.add_argument("name", metavar="NAME", help="a folder of personas/, or a path to a pack")
    parser.add_argument("--rows", type=int, default=60_000, metavar="N", help="conversations (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the same seed gives the same rows")
    parser.add_argument("--preset", default="3m", choices=list(PRESETS), help="whose context to measure against")
    parser.add_argument("--json", action="store_true", help="write JSON and nothing else to standard output")
    parser.add_argument("--personas", type=Path, metavar="DIR", help="where packs are (default: personas/)")


def run(options: argparse.Namespace) -> int:
    if options.rows < 1:
        raise GuppyError(f"--rows {options.rows} asks for nothing", "ask for 1 or more")
    pack = load_pack(options.name, personas_dir=options.personas)
    dataset = generate(pack, n_rows=options.rows, seed=options.seed)
    found = describe(pack, dataset, {name: len(getattr(dataset, name)) for name in SETS})
    lengths = _tokens_per_row(pack, dataset, options.preset)
    context = int(PRESETS[options.preset]["context"])
    if options.json:
        print(json.dumps({**asdict(found), "tokens": {**lengths, "context": context}}, ensure_ascii=False, indent=2))
    else:
        print("\n".join(_shown(found, lengths, context)))
    return 0


def _tokens_per_row(pack: Pack, dataset: Dataset, preset: str) -> dict[str, float]:
    """Return mean, middle, 99th percentile and longest length of the training rows, in tokens."""
    tokenizer = make_tokenizer(pack, dataset, vocab_size=TrainSettings.of(preset).vocab_size)
    hear = ear(pack)
    texts = (text for row in dataset.train for text in (hear(row.input), row.output))
    words = tokenizer.encode_all(texts)
    lengths = sorted(
        len(tokenizer.conversation([(next(words), next(words))], gist=row.gist)[0]) for row in dataset.train
    )
    n = len(lengths)
    return {
        "mean": sum(lengths) / n if n else 0.0,
        "median": lengths[n // 2] if n else 0,
        "of_99_in_100": lengths[min(n - 1, n * 99 // 100)] if n else 0,
        "longest": lengths[-1] if n else 0,
        "vocabulary": tokenizer.vocab_size,
    }


def _shown(found: Description, lengths: dict[str, float], context: int) -> Iterator[str]:
    counts = found.counts
    yield (
        f"{counts['rows']:,} rows: {counts['pairs']:,} different pairs, {counts['prompts']:,} prompts "
        f"({counts['clean_prompts']:,} before typing), {counts['replies']:,} replies"
    )
    yield "to examine with: " + ", ".join(f"{n:,} {name}" for name, n in found.sets.items() if name != "train")
    yield (
        f"tokens a row: {lengths['mean']:.0f} on average, {lengths['of_99_in_100']} or fewer in 99 of 100, "
        f"{lengths['longest']} at most; the model sees {context}"
    )
    reply, n_times = found.commonest
    yield f"most repeated reply: {n_times:,} times '{reply}'"
    yield "fewest different replies: " + ", ".join(
        f"{thin.topic} ({thin.replies:,} in {thin.rows:,} rows)" for thin in found.thinnest
    )
    if found.short_of:
        yield "short of their share: " + ", ".join(f"{topic} by {n:,}" for topic, n in found.short_of.items())
    yield _unused(found.unused, found.n_lines)


def _unused(places: Sequence[Place], n_lines: int) -> str:
    if not places:
        return f"all {n_lines:,} lines were used"
    shown = ", ".join(f"{place.file}:{place.line or place.path}" for place in places[:_N_SHOWN])
    more = f" and {len(places) - _N_SHOWN:,} more" if len(places) > _N_SHOWN else ""
    return f"{len(places):,} of {n_lines:,} lines were never used: {shown}{more}"
