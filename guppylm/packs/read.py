"""Turns the bytes of one file of a pack into a tree of text, and remembers where everything stood.

YAML is convenient to write and full of traps: `no` becomes False, `1.10` becomes 1.1, a key given twice
loses its first value without a word, an alias of an alias fills the memory. So we take only the parser's
event stream and build the tree ourselves: mappings, lists, and scalars that are always text. Whatever a
pack has no use for (aliases, tags, merge keys, a second document) is refused where it stands, with what to
write instead. JSON with the same keys gives the same tree; its places are paths, for it has no lines an
author would count.

What is deliberately not done here: nothing knows which keys exist. That is the schema's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from guppylm.packs.document import (
    MAX_DEPTH,
    MAX_FINDINGS,
    MAX_LIST,
    MAX_NODES,
    Document,
    Mark,
    Path,
    RefusedError,
    Tree,
    show_path,
)
from guppylm.packs.hidden import find_hidden
from guppylm.packs.place import Place
from guppylm.packs.read_json import read_json
from guppylm.packs.remedies import explain_syntax

MAX_FILE_BYTES = 1_000_000

_LOADER = getattr(yaml, "CLoader", yaml.Loader)


def read_document(data: bytes, file: str) -> Document:
    """Return the tree in the bytes of `file`, or a Document whose findings say why there is none."""
    document = Document(file=file)
    text = _decode(data, document)
    if text is None:
        return document
    for at, name in find_hidden(text)[:MAX_FINDINGS]:
        line, column = _line_and_column(text, at)
        place = Place(file=file, line=line, column=column)
        document.add("E103", f"a hidden character: {name}", "delete it and type the word again", place=place)
    if document.findings:
        return document
    try:
        if file.lower().endswith(".json"):
            read_json(text, document)
        else:
            _Builder(document, text).build()
    except RefusedError:
        document.tree = None
    if any(finding.code.startswith("E") for finding in document.findings):
        document.tree = None
    return document


def _decode(data: bytes, document: Document) -> str | None:
    """Return the text of the file with plain line ends, or None and a finding."""
    if len(data) > MAX_FILE_BYTES:
        message = f"the file has {len(data):,} bytes, and {MAX_FILE_BYTES:,} is the most"
        document.add("E101", message, "split it: a topic a file")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _line_and_column(data[: error.start].decode("utf-8", "replace"), error.start)
        place = Place(file=document.file, line=line, column=column)
        document.add("E102", "the file is not UTF-8 text", 'save it again with the encoding "UTF-8"', place=place)
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _line_and_column(text: str, at: int) -> tuple[int, int]:
    before = text[:at]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


class _Builder:
    """Builds the tree of one YAML document from its events."""

    def __init__(self, document: Document, text: str) -> None:
        self.document = document
        self.text = text
        self.lines = text.split("\n")
        self.may_hold_comments = " #" in text
        self.events: Iterator[yaml.Event] = iter(())
        self.anchor: yaml.NodeEvent | None = None

    def build(self) -> None:
        try:
            self.events = yaml.parse(self.text, Loader=_LOADER)
            self._stream()
        except yaml.YAMLError as error:
            message, help, line, column = explain_syntax(error, self.lines)
            self._refuse("E100", message, help, Place(file=self.document.file, line=line, column=column))

    def _stream(self) -> None:
        next(self.events)  # the start of the stream
        event = next(self.events)
        if not isinstance(event, yaml.StreamEndEvent):
            event = next(self.events)  # past the start of the document
            self.document.tree = self._node(event, (), 1)
            next(self.events)  # the end of the document
            event = next(self.events)
        if self.document.tree in (None, ""):
            self._refuse("E108", "the file is empty", "fill it, or delete it")
        if self.anchor is not None:
            message = f"&{self.anchor.anchor} is an anchor"
            self._refuse("E104", message, "put the whole line in quotes", self._at(self.anchor))
        if not isinstance(event, yaml.StreamEndEvent):
            self._refuse("E111", "a second document starts here", "take out the line ---", self._at(event))

    def _node(self, event: yaml.Event, path: Path, depth: int) -> Tree:
        self._count(event)
        if isinstance(event, yaml.AliasEvent):
            help = "write the text out again, or make it a phrase"
            self._refuse("E104", f"*{event.anchor} is an alias", help, self._at(event))
        self._note_anchor(event)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._refuse("E105", f"{tag} is a tag", "put the whole line in quotes", self._at(event))
        if isinstance(event, yaml.ScalarEvent):
            self.document.values[path] = self._mark(event)
            if not event.value and not event.style:
                self.document.blank.add(show_path(path))
            return self._scalar(event)
        if depth > MAX_DEPTH:
            self._refuse("E107", f"more than {MAX_DEPTH} levels of lists and keys", "", self._at(event))
        mark = event.start_mark
        self.document.values[path] = (mark.line + 1, mark.column + 1, False)
        if event.flow_style:
            self.document.flow.add(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(path, depth)
        return self._mapping(path, depth)

    def _note_anchor(self, event: yaml.NodeEvent) -> None:
        """Remember the first anchor. Mostly it comes with an alias, which is what gets reported."""
        if event.anchor is not None and self.anchor is None:
            self.anchor = event

    def _count(self, event: yaml.Event) -> None:
        self.document.n_nodes += 1
        if self.document.n_nodes > MAX_NODES:
            self._refuse("E106", f"the file has more than {MAX_NODES:,} entries", "", self._at(event))

    def _list(self, path: Path, depth: int) -> list[Tree]:
        items: list[Tree] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            if len(items) == MAX_LIST:
                self._refuse("E106", f"a list of more than {MAX_LIST:,} entries", "", self._at(event))
            items.append(self._node(event, (*path, len(items)), depth + 1))
        return items

    def _mapping(self, path: Path, depth: int) -> dict[str, Tree]:
        mapping: dict[str, Tree] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event)
            here = (*path, key)
            if first := self.document.keys.get(here):
                message = f"the key {key} a second time; the first is in line {first[0]}"
                self.document.add("E110", message, "put both under one key", place=self._at(event))
                here = (*here, "a second time")  # so that the first one keeps its places
            self.document.keys.setdefault(here, self._mark(event))
            value = self._node(next(self.events), here, depth + 1)
            mapping.setdefault(key, value)
        return mapping

    def _key(self, event: yaml.Event) -> str:
        self._count(event)
        if isinstance(event, yaml.AliasEvent) or event.tag is not None:
            self._node(event, (), 1)  # which refuses it
        self._note_anchor(event)
        if not isinstance(event, yaml.ScalarEvent):
            help = "put the whole line in quotes"
            self._refuse("E100", "a key must be plain text", help, self._at(event))
        if event.value == "<<" and event.implicit[0]:
            self._refuse("E104", "<< is a merge key", "write the keys out again", self._at(event))
        return self._scalar(event)

    def _scalar(self, event: yaml.ScalarEvent) -> str:
        text: str = event.value
        if event.style == '"':
            for _, name in find_hidden(text)[:1]:
                message = f"a hidden character behind an escape: {name}"
                self.document.add("E103", message, "delete it", place=self._at(event))
        elif self.may_hold_comments and not event.style and text:
            self._look_for_comment(event)
        return text

    def _look_for_comment(self, event: yaml.ScalarEvent) -> None:
        """Warn where YAML drops the end of a line as a comment and its author may not know.

        A comment two spaces away with a space after its mark was meant as one.
        """
        end = event.end_mark
        rest = self.lines[end.line][end.column :]
        if (found := re.match(r"( +)#(\S?)", rest)) and (len(found[1]) == 1 or found[2] not in ("", "#")):
            at = Place(file=self.document.file, line=end.line + 1, column=end.column + len(found[1]) + 1)
            message = f"{_short(rest.strip())} is read as a comment, not as text"
            help = "put the whole line in quotes; or, for a comment, two spaces before # and one after it"
            self.document.add("W201", message, help, place=at)

    def _mark(self, event: yaml.ScalarEvent) -> Mark:
        """Return where the text of a scalar starts, after its quote or under the sign of its block."""
        start = event.start_mark
        line, column = start.line, start.column
        if event.style in ("|", ">"):
            line += 1
            while line + 1 < len(self.lines) and not self.lines[line].strip():
                line += 1
            body = self.lines[line] if line < len(self.lines) else ""
            column = len(body) - len(body.lstrip(" "))
        elif event.style:
            column += 1
        exact = line < len(self.lines) and self.lines[line].startswith(event.value.rstrip("\n"), column)
        return line + 1, column + 1, exact

    def _at(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(file=self.document.file, line=mark.line + 1, column=mark.column + 1)

    def _refuse(self, code: str, message: str, help: str = "", place: Place | None = None) -> None:
        self.document.add(code, message, help, place=place)
        raise RefusedError


def _short(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
