"""Turns the models of schema.py into the JSON Schema files that editors load from personas/schema/.

Editors read draft 7 and pydantic writes 2020-12; the difference is small and is rewritten here. After a
change to schema.py, `python -m guppylm.packs.publish` writes the files anew. A test fails until that is done.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from guppylm.packs.schema import MODELS

SCHEMA_DIR = Path(__file__).resolve().parents[2] / "personas" / "schema"

_TITLES = {
    "persona": "persona.yaml: who it is",
    "words": "words.yaml: word lists",
    "phrases": "phrases.yaml: bits of sentences",
    "short": "short.yaml: chat short forms",
    "topic": "topics/*.yaml: one thing people talk about",
    "thread": "threads/*.yaml: a dialogue of several turns",
    "exam": "exam.yaml: messages to examine with",
}


def published_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of one kind of file."""
    schema = _to_draft_7(MODELS[kind].model_json_schema())
    schema.pop("title", None)
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": _TITLES[kind]}
    if kind == "topic":
        schema["if"] = {"required": ["scenes"]}
        schema["then"] = {"not": {"anyOf": [{"required": [key]} for key in ("ask", "reply", "held_out")]}}
        schema["else"] = {"required": ["ask", "reply"]}
    return head | schema


def published_text(kind: str) -> str:
    """Return the text of `personas/schema/<kind>.json`."""
    return json.dumps(published_schema(kind), indent=2, ensure_ascii=False) + "\n"


def _to_draft_7(node: Any) -> Any:
    """Rewrite pydantic's 2020-12 schema: definitions, plain refs, no nulls for what may be left out."""
    if isinstance(node, list):
        return [_to_draft_7(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("anyOf") and {"type": "null"} in node["anyOf"]:
        node = {**node, **node["anyOf"][0]}
        del node["anyOf"]
    rewritten = {}
    for key, value in node.items():
        if key == "title" and isinstance(value, str):
            continue
        if key == "default" and (value in (None, []) or isinstance(value, dict)):
            continue
        key = {"$defs": "definitions", "prefixItems": "items"}.get(key, key)
        if key == "properties":
            rewritten[key] = {name: _to_draft_7(inner) for name, inner in value.items()}
        elif key == "$ref":
            rewritten[key] = value.replace("#/$defs/", "#/definitions/")
        else:
            rewritten[key] = _to_draft_7(value)
    if "$ref" in rewritten and len(rewritten) > 1:
        rewritten["allOf"] = [{"$ref": rewritten.pop("$ref")}]
    return rewritten


def publish(folder: Path = SCHEMA_DIR) -> None:
    """Write the schema of every kind of file into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in MODELS:
        (folder / f"{kind}.json").write_text(published_text(kind), encoding="utf-8")


if __name__ == "__main__":
    publish()
