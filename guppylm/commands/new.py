"""`python -m guppylm new NAME`: a small pack with comments that teach, or one made of a table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from guppylm.packs.sources import PERSONAS_DIR
from guppylm.packs.starter import write_starter
from guppylm.packs.table import ENOUGH_PROMPTS, ENOUGH_REPLIES, write_pack_of_table

_EXAMPLES = """examples:
  python -m guppylm new moth
  python -m guppylm new moth --personas ./my-packs
  python -m guppylm new moth --from-csv moth.csv     (columns topic, prompt, reply)"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EXAMPLES
    parser.add_argument("name", metavar="NAME", help="the folder to write: letters, digits, - and _")
    help = "make it of a spreadsheet's columns topic, prompt and reply"
    parser.add_argument("--from-csv", type=Path, metavar="FILE", help=help)
    parser.add_argument("--personas", type=Path, metavar="DIR", help="where packs are (default: personas/)")


def run(options: argparse.Namespace) -> int:
    personas_dir = options.personas or PERSONAS_DIR
    if options.from_csv:
        folder = _of_table(options.name, options.from_csv, personas_dir)
    else:
        folder = write_starter(options.name, personas_dir)
    where = f" --personas {options.personas}" if options.personas else ""
    print(f"{folder} is yours now. Next:")
    print(f"  python -m guppylm check {options.name}{where}")
    print(f"  python -m guppylm sample {options.name}{where} --why")
    if not options.personas:
        print(f"  python train.py --persona {options.name} --preset smoke")
    return 0


def _of_table(name: str, table: Path, personas_dir: Path) -> Path:
    folder, too_little = write_pack_of_table(name, table, personas_dir)
    for sentence in too_little:
        print(sentence, file=sys.stderr)
    if too_little:
        print(f"a topic learns well from {ENOUGH_PROMPTS} prompts and {ENOUGH_REPLIES} replies up", file=sys.stderr)
    print("Within a topic any reply may follow any prompt: split topics where that is wrong.")
    return folder
