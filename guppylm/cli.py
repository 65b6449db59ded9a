"""Turns a command line into one call of the library, and its outcome into text and an exit code.

    0    done
    1    a check or an examination falls short
    2    a mistake of the user: one clear sentence on standard error
    130  interrupted by Ctrl-C

Every command is a module of guppylm/commands with `add` (its flags and its examples) and `run`. Only the
chosen one is imported, so `check` never waits for torch.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from guppylm.errors import GuppyError

COMMANDS = {
    "new": "write a small pack to start from",
    "check": "say what is wrong with a pack, and how much it can say",
    "sample": "show or write conversations made from a pack",
    "data": "say what the training data of a pack would be like",
    "explain": "say which lines and topics of a pack know a text",
    "chat": "talk to a trained persona",
    "exam": "examine a trained persona and write its report card",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # any text in, any text out, whatever the terminal's settings
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        options = _parser(arguments[0] if arguments else "").parse_args(arguments)
        code = options.run(options)
        sys.stdout.flush()
        return code
    except GuppyError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more while shutting down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"{error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        print("see that the folder is there and that you may read and write it", file=sys.stderr)
        return 2


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one sentence, and where to read on."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message}\n{self.prog} --help shows how\n")


def _parser(chosen: str) -> argparse.ArgumentParser:
    """Return the parser; of the commands only the chosen one is imported."""
    parser = _Parser(
        prog="python -m guppylm",
        description="Tiny language models with a character, from a folder of text.",
        epilog="python -m guppylm COMMAND --help shows examples.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == chosen:
            module = import_module(f"guppylm.commands.{name}")
            module.add(command)
            command.set_defaults(run=module.run)
    return parser
