"""`python -m guppylm explain NAME TEXT`: which lines of a pack can make a text, and which topics know its words."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from guppylm.packs.explain import Explanation, Way, explain
from guppylm.packs.load import load_pack
from guppylm.packs.pack import Pack

_EXAMPLES = """examples:
  python -m guppylm explain guppy "are you hungry"
  python -m guppylm explain guppy "the kettle is boiling" --json"""

N_SHOWN = 12  # lines of each kind; --json has them all

_ROLES = {
    "asked": "people can say it",
    "held out": "people can say it, in the examination only",
    "said": "NAME says it",
}


def add(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EXAMPLES
    parser.add_argument("name", metavar="NAME", help="a folder of personas/, or a path to a pack")
    parser.add_argument("text", metavar="TEXT", help="a message or a reply")
    parser.add_argument("--json", action="store_true", help="write JSON and nothing else to standard output")
    parser.add_argument("--personas", type=Path, metavar="DIR", help="where packs are (default: personas/)")


def run(options: argparse.Namespace) -> int:
    pack = load_pack(options.name, personas_dir=options.personas)
    found = explain(pack, options.text)
    print(json.dumps(asdict(found), ensure_ascii=False, indent=2) if options.json else "\n".join(_shown(pack, found)))
    return 0


def _shown(pack: Pack, found: Explanation) -> Iterator[str]:
    for role, title in _ROLES.items():
        ways = [way for way in found.ways if way.role == role]
        if ways:
            yield title.replace("NAME", pack.title) + ":"
            yield from map(_way, ways[:N_SHOWN])
            if len(ways) > N_SHOWN:
                yield f"  and {len(ways) - N_SHOWN} more lines"
    if found.unsure:
        yield f"too many ways to read it, so perhaps also: {', '.join(found.unsure)}"
    if not found.ways:
        yield f"no line of {pack.name} can make this, word for word"
    if not any(way.role == "asked" for way in found.ways) and found.likely:
        yield "as a message, its words are known to:"
        width = max(map(len, found.likely))
        yield from (f"  {topic.ljust(width)}  {', '.join(words)}" for topic, words in found.likely.items())
    if found.unknown:
        yield f"words that no message in {pack.name} has: {', '.join(found.unknown)}"


def _way(way: Way) -> str:
    where = f"{way.place.file}:{way.place.line}" if way.place.line else f"{way.place.file}:{way.place.path}"
    words = "".join(f"  <{slot}> = {word}" for slot, word in way.words)
    return f"  {way.topic}, scene {way.scene + 1}  {where}{words}"
