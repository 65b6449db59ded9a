"""Turns a tree of text and the schema of its file into typed content, or into findings.

pydantic decides in microseconds whether a file is as it should be. When it is not, jsonschema walks the
very document that editors load from personas/schema/; each of its errors is a rule and a path, and is put
here into words an author knows, at the line and column the path stands for. A test holds the two to the
same verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from guppylm.errors import Finding, nearest
from guppylm.packs.document import MAX_FINDINGS, Document, Path, Tree, finding_at
from guppylm.packs.publish import published_schema
from guppylm.packs.schema import LINE_KEYS, MODELS

if TYPE_CHECKING:
    from jsonschema import Draft7Validator
    from jsonschema import ValidationError as SchemaError

_LIST_LINE = "put the line in quotes; as a slot it is <name>"


@cache
def _validator(kind: str) -> Draft7Validator:
    from jsonschema import Draft7Validator  # takes longer to import than a good pack takes to load

    return Draft7Validator(published_schema(kind))


def validate(document: Document, kind: str) -> BaseModel | None:
    """Return the typed content of a file that was read, or None and a finding for all that is wrong."""
    if not isinstance(document.tree, dict):
        found = "a list" if isinstance(document.tree, list) else "a text"
        message = f"the file is {found} where keys and values should be"
        document.add("E123", message, "a key, a colon, and its value", place=document.place(()))
        return None
    _refuse_lines_in_brackets(document, kind)
    try:
        return MODELS[kind].model_validate(document.tree)
    except ValidationError as error:
        document.findings += _explain_all(document, kind, error)
        return None


def _explain_all(document: Document, kind: str, verdict: ValidationError) -> list[Finding]:
    findings: list[Finding] = []
    for error in _validator(kind).iter_errors(document.tree):
        findings += islice(_explain(error, document), MAX_FINDINGS)
        if len(findings) >= MAX_FINDINGS:
            findings.append(Finding(code="E120", message="and more of the same kind", file=document.file))
            break
    if not findings:  # the two disagree, which a test should have found; say what pydantic said
        first = verdict.errors()[0]
        path = tuple(step for step in first["loc"] if not isinstance(step, str) or step.isidentifier())
        findings.append(finding_at(document.place(path), "E123", first["msg"], ""))
    return findings


def _explain(error: SchemaError, document: Document) -> Iterator[Finding]:
    """Put one error of the schema into words."""
    path: Path = tuple(error.absolute_path)
    rule, found = str(error.validator), error.instance
    if rule == "additionalProperties":
        yield from _unknown_keys(error, document, path)
    elif rule == "required":
        yield from _missing_keys(error, document, path)
    elif rule == "not":
        place = document.key_place(("scenes",))
        yield finding_at(place, "E120", "scenes beside ask, reply or held_out", "put those into a scene of their own")
    else:
        place = document.place(path)
        yield finding_at(place, *_explain_value(rule, error, found, path))


def _unknown_keys(error: SchemaError, document: Document, path: Path) -> Iterator[Finding]:
    known = error.schema.get("properties", {})
    for key in error.instance:
        if key not in known:
            place = document.key_place((*path, key))
            yield finding_at(place, "E120", f"unknown key {key}", nearest(key, known) + _elsewhere(key))


def _elsewhere(key: str) -> str:
    """Return a further hint for keys that other tools have."""
    return "; how a model is trained is not part of a pack" if key in ("model", "epochs", "temperature") else ""


def _missing_keys(error: SchemaError, document: Document, path: Path) -> Iterator[Finding]:
    """Say what is missing, unless a misspelt key already says so."""
    known = error.schema.get("properties") or _validator("topic").schema["properties"]
    strangers = [key for key in error.instance if key not in known]
    key = next(name for name in error.validator_value if name not in error.instance and f"'{name}'" in error.message)
    if any(nearest(stranger, [key]).startswith("did you mean") for stranger in strangers):
        return
    place = document.place(path)
    if key == "word":
        yield finding_at(place, "E135", "an entry with forms but without word", "write {word: shrimp, s: shrimp}")
    elif key in ("ask", "reply") and not path:
        yield finding_at(place, "E121", f"a topic without {key}", "a topic has ask and reply, or scenes")
    else:
        yield finding_at(place, "E121", f"{key} is missing", _HELP_MISSING.get(key, f"add {key}:"))


_HELP_MISSING = {
    "format": "add the line format: persona/1",
    "name": "add name: and the name the persona goes by",
    "about": "add about: and one sentence on who this is",
}


def _explain_value(rule: str, error: SchemaError, found: Any, path: Path) -> tuple[str, str, str]:
    """Return code, message and remedy for a value that is not what its key needs."""
    wants = error.schema.get("type", "string")
    wants = [wants] if isinstance(wants, str) else wants
    if rule in ("minItems", "minLength") or found == "":
        return "E122", f"{_last_key(path)} is empty", "write something here, or take the key out"
    if rule == "maxLength":
        return (
            "E120",
            f"a text of {len(found)} characters; {error.validator_value:,} is the most",
            "make it two, or use a phrase",
        )
    if rule == "maxItems":
        return (
            "E106",
            f"{_last_key(path)} has {len(found)} entries; {error.validator_value} is the most",
            "leave some out",
        )
    if rule == "type" and isinstance(found, dict):
        return _mapping_for_text(found) if "array" in wants or "string" in wants else ("E123", "unexpected keys", "")
    if rule == "type" and isinstance(found, list):
        if "word" in str(error.schema.get("description", "")) or "object" in wants:
            return "E136", "a list where a word is due", "one word an entry; a whole list comes in as <other>"
        return "E123", f"{_last_key(path)} holds a list where a text is due", _LIST_LINE
    if rule == "type":
        due = "keys and values" if "object" in wants else "a list, each entry after '- '"
        return "E123", f"{_last_key(path)} is a text where {due} should be", ""
    if rule in ("enum", "const"):
        allowed = error.validator_value if rule == "enum" else [error.validator_value]
        names = [str(value) for value in allowed if isinstance(value, str)]
        return "E123", f"{_last_key(path)} cannot be {_short(found)}", f"write {' or '.join(names)}"
    if rule == "pattern" and "minimum" in error.schema:
        low, high = error.schema["minimum"], error.schema["maximum"]
        return (
            "E123",
            f"{_last_key(path)} cannot be {_short(found)}",
            f"write a whole number from {low} to {high}",
        )
    return "E123", f"{_last_key(path)} cannot be {_short(found)}", str(error.schema.get("description", ""))


def _mapping_for_text(found: dict[str, Any]) -> tuple[str, str, str]:
    """Explain a line that YAML took apart at its `: ` or its braces."""
    key, value = next(iter(found.items()), ("", ""))
    if value == "":
        return (
            "E120",
            f"{{{key}}} is not a text",
            f"a slot is written <{key}>; other braces need quotes around the line",
        )
    return (
        "E120",
        f"read as the key {_short(key)} and a value, because of ': '",
        "put the whole line in quotes",
    )


def _refuse_lines_in_brackets(document: Document, kind: str) -> None:
    """Refuse `[ ]` around lines, where every comma would start a new line without a word."""
    for path in sorted(document.flow, key=str):
        names = [step for step in path if isinstance(step, str)]
        is_line = kind in ("topic", "thread") and names and (names[-1] in LINE_KEYS and "words" not in names)
        is_phrase = (kind == "phrases" and len(path) == 1) or (len(path) == 2 and path[0] == "phrases")
        is_empty = _at(document, path) in ([], {})  # which is a finding of its own
        if (is_line or is_phrase) and not isinstance(path[-1], int) and not is_empty:
            place = document.place(path)
            document.add(
                "E114",
                "lines inside [ ], where a comma starts a new one",
                "a line each, after '- '",
                place=place,
            )


def _at(document: Document, path: Path) -> Tree | None:
    """Return the part of the tree at `path`."""
    tree = document.tree
    for step in path:
        tree = tree[step]  # type: ignore[index,call-overload]
    return tree


def _last_key(path: Path) -> str:
    names = [step for step in path if isinstance(step, str)]
    if not names:
        return "the file"
    return f"an entry of {names[-1]}" if isinstance(path[-1], int) else names[-1]


def _short(found: object, most: int = 40) -> str:
    text = str(found)
    return text if len(text) <= most else text[: most - 1] + "…"
