"""`python -m guppylm new NAME`: a small pack with comments that teach, ready for `check` and for training."""

from __future__ import annotations

import argparse
from pathlib import Path

from guppylm.packs.sources import PERSONAS_DIR
from guppylm.packs.starter import write_starter

_EXAMPLES = """examples:
  python -m guppylm new moth
  python -m guppylm new moth --personas ./my-packs"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EXAMPLES
    parser.add_argument("name", metavar="NAME", help="the folder to write: letters, digits, - and _")
    parser.add_argument("--personas", type=Path, metavar="DIR", help="where packs are (default: personas/)")


def run(options: argparse.Namespace) -> int:
    folder = write_starter(options.name, options.personas or PERSONAS_DIR)
    where = f" --personas {options.personas}" if options.personas else ""
    print(f"{folder} is yours now. Next:")
    print(f"  python -m guppylm check {options.name}{where}")
    print(f"  python -m guppylm sample {options.name}{where} --why")
    if not options.personas:
        print(f"  python train.py --persona {options.name} --preset smoke")
    return 0
