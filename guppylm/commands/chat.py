"""`python -m guppylm chat NAME`: talk to a trained persona, line by line or in bulk."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from guppylm.errors import GuppyError, NotFoundError, nearest
from guppylm.packs.sources import PERSONAS_DIR, list_personas

if TYPE_CHECKING:
    from guppylm.chat.engine import Chat, Reply

MODELS_DIR = PERSONAS_DIR.parent / "models"

_EXAMPLES = """examples:
  python -m guppylm chat guppy
  python -m guppylm chat guppy --prompt "are you hungry" --seed 1
  python -m guppylm chat guppy --prompt "are you hungry" --seed 1 --trace trace.json
  python -m guppylm chat ./runs/moth --temperature 0.3
  python -m guppylm chat guppy --batch < messages.txt > replies.jsonl"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EXAMPLES
    parser.add_argument("name", metavar="NAME", help="a folder of models/, or a path to a trained bundle")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--prompt", metavar="TEXT", help="answer this once and end")
    help = "answer every line of standard input (plain text, or a JSON string) with a line of JSON"
    how.add_argument("--batch", action="store_true", help=help)
    parser.add_argument("--json", action="store_true", help="with --prompt: answer with a line of JSON")
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="with --prompt: write every number behind the reply to FILE, as JSON"
    )
    parser.add_argument("--seed", type=int, metavar="S", help="the same seed gives the same reply")
    parser.add_argument("--temperature", type=float, metavar="T", help="0 always takes the likeliest word")
    parser.add_argument("--top-k", type=int, metavar="K", help="choose among the K likeliest tokens; 0 for all")
    parser.add_argument("--top-p", type=float, metavar="P", help="choose among those that make up this much")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="the longest reply")
    parser.add_argument("--models", type=Path, metavar="DIR", help="where bundles are (default: models/)")


def run(options: argparse.Namespace) -> int:
    if options.trace and options.prompt is None:
        raise GuppyError("--trace needs a message", 'give one with --prompt "hello"')
    folder = find_bundle(options.name, options.models or MODELS_DIR)

    from guppylm.chat.engine import Chat
    from guppylm.model.bundle import Bundle

    chat = Chat(Bundle.load(folder))
    settings = {key: getattr(options, key) for key in ("seed", "temperature", "top_k", "top_p", "max_tokens")}
    if options.prompt is not None:
        reply = chat.reply(options.prompt, **settings)
        if options.trace:
            _write_trace(options.trace, chat, reply)
        print(_as_json(options.prompt, reply) if options.json else reply.text)
        if reply.note:
            print(f"({reply.note})", file=sys.stderr)
    elif options.batch:
        for message in _messages():
            print(_as_json(message, chat.reply(message, **settings)), flush=True)
    else:
        _talk(chat, options.name, settings)
    return 0


def _write_trace(path: Path, chat: Chat, reply: Reply) -> None:
    from guppylm.lens.inside import look_inside
    from guppylm.lens.trace import as_dict

    try:
        path.write_text(json.dumps(as_dict(look_inside(chat, reply)), ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise GuppyError(f"{path} cannot be written: {error.strerror}", "name another file") from error


def find_bundle(name: str, models_dir: Path) -> Path:
    """Return the folder of a bundle. Raises NotFoundError, which says how to get one."""
    is_path = "/" in name or "\\" in name or name in (".", "..")
    folder = Path(name) if is_path else models_dir / name
    if folder.is_dir():
        return folder
    if not is_path and name in list_personas():
        raise NotFoundError(f"{name} has not been trained yet", f"python train.py --persona {name}")
    known = [path.name for path in models_dir.iterdir() if path.is_dir()] if models_dir.is_dir() else []
    raise NotFoundError(f"there is no trained persona called {name}", nearest(folder.name, known or list_personas()))


def _messages() -> Iterator[str]:
    """Yield the messages on standard input: a line is plain text, or a JSON string when it is one."""
    for line in sys.stdin:
        text = line.rstrip("\r\n")
        try:
            message = json.loads(text) if text.startswith('"') else text
        except ValueError:
            message = text  # somebody began a message with a quote
        yield message


def _as_json(prompt: str, reply: Reply) -> str:
    row = {"prompt": prompt, "reply": reply.text, "tokens": reply.n_tokens, "stopped": reply.stopped}
    row |= {"topic": reply.gist.topic} if reply.gist else {}  # what it took the message to be about
    return json.dumps(row | ({"note": reply.note} if reply.note else {}), ensure_ascii=False)


def _talk(chat: Chat, name: str, settings: dict) -> None:
    """Talk until the input ends. Earlier exchanges go along, as far as the persona can use them."""
    is_terminal = sys.stdin.isatty()
    if is_terminal:
        with suppress(ImportError):  # not on Windows; gives input() a history and arrow keys
            import_module("readline")
        print(f"talking to {name}; Ctrl-D ends", file=sys.stderr)
    history: list[tuple[str, str]] = []
    told = ""
    while True:
        try:
            message = input("you> " if is_terminal else "")
        except EOFError:
            if is_terminal:
                print()
            return
        stream = chat.stream(message, history=history, **settings)
        shown = ""
        print(f"{name}> ", end="", flush=True)
        for token in stream:
            print(token.text_so_far[len(shown) :], end="", flush=True)
            shown = token.text_so_far
        reply = stream.reply
        print(reply.text[len(shown) :])
        if reply.note and reply.note != told:
            print(f"({reply.note})", file=sys.stderr)
            told = reply.note
        history.append((message, reply.text))
