"""Turns JSON into the same tree of text that YAML gives.

Numbers, true and false stay the words they were written as, and a key given twice is found, which
Python's own reader lets pass. Places are paths, for JSON has no lines that an author would count.
"""

from __future__ import annotations

import json

from guppylm.packs.document import (
    MAX_DEPTH,
    MAX_LIST,
    MAX_NODES,
    Document,
    Path,
    RefusedError,
    Tree,
    show_path,
)
from guppylm.packs.hidden import find_hidden
from guppylm.packs.place import Place


class _Pairs(list):
    """A JSON object as its keys and values, doubles and all."""


def read_json(text: str, document: Document) -> None:
    """Fill the tree from JSON; numbers, true, false and null stay the text they were written as."""
    if not text.strip():
        document.add("E108", "the file is empty", "fill it, or delete it")
        raise RefusedError
    try:
        raw = json.loads(text, object_pairs_hook=_Pairs, parse_int=str, parse_float=str, parse_constant=str)
    except RecursionError:
        document.add("E107", f"more than {MAX_DEPTH} levels of lists and keys")
        raise RefusedError from None
    except json.JSONDecodeError as error:
        place = Place(file=document.file, line=error.lineno, column=error.colno)
        help = "look at the comma or quote before it"
        document.add("E100", "this is not JSON from here on", help, place=place)
        raise RefusedError from None
    document.tree = _json_node(raw, (), 1, document)
    if document.tree == "":
        document.add("E108", "the file is empty", "fill it, or delete it")


def _json_node(raw: object, path: Path, depth: int, document: Document) -> Tree:
    place = Place(file=document.file, path=show_path(path), exact=False)
    document.values[path] = None
    document.n_nodes += 1
    if document.n_nodes > MAX_NODES:
        document.add("E106", f"the file has more than {MAX_NODES:,} entries", place=place)
        raise RefusedError
    if isinstance(raw, str):
        for _, name in find_hidden(raw)[:1]:
            document.add("E103", f"a hidden character: {name}", "delete it", place=place)
        return raw
    if not isinstance(raw, list):
        return {True: "true", False: "false", None: ""}[raw]  # type: ignore[index]
    if depth > MAX_DEPTH:
        document.add("E107", f"more than {MAX_DEPTH} levels of lists and keys", place=place)
        raise RefusedError
    if not isinstance(raw, _Pairs):
        if len(raw) > MAX_LIST:
            document.add("E106", f"a list of more than {MAX_LIST:,} entries", place=place)
            raise RefusedError
        return [_json_node(item, (*path, index), depth + 1, document) for index, item in enumerate(raw)]
    mapping: dict[str, Tree] = {}
    for key, value in raw:
        document.n_nodes += 1
        for _, name in find_hidden(key)[:1]:
            document.add("E103", f"a hidden character: {name}", "delete it", place=place)
        if key in mapping:
            twice = Place(file=document.file, path=show_path((*path, key)))
            document.add("E110", f"the key {key} a second time", "put both under one key", place=twice)
        mapping.setdefault(key, _json_node(value, (*path, key), depth + 1, document))
    return mapping
