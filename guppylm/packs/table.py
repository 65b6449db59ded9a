"""Turns a table of topic, prompt and reply, as spreadsheets export it, into a pack.

    topic,prompt,reply                       topics/weather.yaml   ask:   - will it rain
    weather,will it rain,the leaf says no.                                - is it windy
    weather,is it windy,ask the leaf.                              reply: - the leaf says no.
                                                                          - ask the leaf.

Within a topic every reply may answer every prompt: that is what makes many conversations out of few lines, and what an
author has to look at first. What has a meaning in lines, such as brackets with a bar, is taken as plain text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from guppylm.errors import GuppyError, nearest
from guppylm.packs.starter import write_pack_files

COLUMNS = ("topic", "prompt", "reply")
MAX_TABLE_BYTES = 8_000_000
ENOUGH_PROMPTS, ENOUGH_REPLIES = 20, 15  # of a topic; see personas/README.md

_SPECIAL = re.compile(r"[<>(|)\\]")
_WEIGHT = re.compile(r"^(\d{1,6})\* ")


class _Indented(yaml.SafeDumper):
    """Writes lists as people do, a step to the right of their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


@dataclass(kw_only=True)
class Texts:
    """What a table says of one topic: each text once, in the order of the rows."""

    label: str
    prompts: dict[str, None] = field(default_factory=dict)
    replies: dict[str, None] = field(default_factory=dict)


def write_pack_of_table(name: str, table: Path, personas_dir: Path) -> tuple[Path, list[str]]:
    """Write a new pack from a table and return its folder, and a sentence for every topic that has too little.

    Raises:
        GuppyError: the name cannot be a folder's or is taken; the table cannot be read, with the line.
    """
    topics = read_table(table)
    files = {"persona.yaml": _persona(name, topics)}
    files |= {f"topics/{topic}.yaml": _topic(texts) for topic, texts in topics.items()}
    folder = write_pack_files(name, personas_dir, files)
    return folder, list(_too_little(topics))


def topic_file(label: str, prompts: Iterable[str], replies: Iterable[str]) -> str:
    """Return the file of a topic in which every text means just itself."""
    texts = Texts(label=label)
    texts.prompts = dict.fromkeys(_plain(" ".join(prompt.split())) for prompt in prompts)
    texts.replies = dict.fromkeys(_plain(" ".join(reply.split())) for reply in replies)
    return _topic(texts)


def read_table(table: Path) -> dict[str, Texts]:
    """Return the texts of a table by topic, under names that files can have."""
    rows = _rows(table)
    header = [cell.strip().lower() for cell in next(rows, (0, []))[1]]
    columns = {name: _column(name, header, table) for name in COLUMNS}
    topics: dict[str, Texts] = {}
    for line, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        values = {name: _cell(cells, columns[name]) for name in COLUMNS}
        if missing := [name for name in COLUMNS if not values[name]]:
            raise GuppyError(f"{table}:{line}: no {' and no '.join(missing)}", "fill the cell, or delete the row")
        texts = topics.setdefault(_file_name(values["topic"], table, line), Texts(label=values["topic"]))
        texts.prompts[_plain(values["prompt"])] = None
        texts.replies[_plain(values["reply"])] = None
    if not topics:
        raise GuppyError(f"{table} has no rows", f"put rows of {', '.join(COLUMNS)} under the header")
    return topics


def _rows(table: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows with the lines they end on. Comma, semicolon and tab are told apart by the header."""
    try:
        if table.stat().st_size > MAX_TABLE_BYTES:
            raise GuppyError(f"{table} has more than {MAX_TABLE_BYTES:,} bytes", "split it")
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise GuppyError(f"{table} is not UTF-8", "save it as CSV UTF-8") from error
    except OSError as error:
        raise GuppyError(f"{table} cannot be read: {error.strerror}", "see that it is there") from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise GuppyError(f"{table}:{reader.line_num}: {error}", "save it as CSV once more") from error


def _column(name: str, header: list[str], table: Path) -> int:
    if name in header:
        return header.index(name)
    help = nearest(name, [cell for cell in header if cell not in COLUMNS])
    raise GuppyError(
        f"{table}:1: no column called {name}", f"name the columns {', '.join(COLUMNS)}; {help}".rstrip("; ")
    )


def _cell(cells: list[str], column: int) -> str:
    return " ".join(cells[column].split()) if column < len(cells) else ""


def _file_name(topic: str, table: Path, line: int) -> str:
    name = re.sub(r"[^\w]+", "_", topic.lower()).strip("_")[:60]
    if not name or name in ("im_start", "im_end"):
        raise GuppyError(f"{table}:{line}: {topic} is no name for a topic", "give it one with letters or digits")
    return name


def _plain(text: str) -> str:
    """Return a text as a line that means just this text."""
    text = _SPECIAL.sub(lambda found: "\\" + found[0], text)
    return _WEIGHT.sub(r"\1\* ", text)


def _persona(name: str, topics: Mapping[str, Texts]) -> str:
    starters = [prompt for texts in topics.values() for prompt in list(texts.prompts)[:1] if "\\" not in prompt][:8]
    keys = {
        "format": "persona/1",
        "name": name[:1].upper() + name[1:],
        "language": "en",
        "about": "who this is, in one sentence: write it here",
        "starters": starters,
    }
    return _yaml("persona", {key: value for key, value in keys.items() if value})


def _topic(texts: Texts) -> str:
    return _yaml("topic", {"label": texts.label, "ask": list(texts.prompts), "reply": list(texts.replies)})


def _yaml(kind: str, keys: Mapping[str, object]) -> str:
    depth = "../" if kind == "persona" else "../../"
    head = f"# yaml-language-server: $schema={depth}schema/{kind}.json\n"
    return head + yaml.dump(keys, Dumper=_Indented, allow_unicode=True, sort_keys=False, width=10_000)


def _too_little(topics: Mapping[str, Texts]) -> Iterator[str]:
    for topic, texts in topics.items():
        n_prompts, n_replies = len(texts.prompts), len(texts.replies)
        if n_prompts < ENOUGH_PROMPTS or n_replies < ENOUGH_REPLIES:
            yield f"{topic} has {_count(n_prompts, 'prompt', 'prompts')} and {_count(n_replies, 'reply', 'replies')}"


def _count(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"
