"""The schema that editors load, the models behind it, and the words in which their verdicts are put."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from guppylm.packs.document import Document
from guppylm.packs.publish import SCHEMA_DIR, publish, published_schema, published_text
from guppylm.packs.read import read_document
from guppylm.packs.schema import MODELS
from guppylm.packs.sources import PERSONAS_DIR
from guppylm.packs.starter import FILES as STARTER
from guppylm.packs.validate import validate

EXAMPLES: dict[str, dict] = {
    "persona": {
        "format": "persona/1",
        "name": "Moth",
        "language": "pt-BR",
        "about": "a small moth",
        "avatar": "moth.svg",
        "extends": ["_chat"],
        "skip": "bye",
        "voice": {"case": "lower", "max_words": "30", "max_chars": "200", "forbid": ["as an ai", "!!"]},
        "noise": {"keep": "60", "case": "0", "marks": "100", "around": "16"},
        "fallback": "food",
        "identity": ["about", "name"],
        "starters": ["hello", ""],
        "mode": "rich",
    },
    "words": {"snack": ["wool", {"word": "sock", "s": "socks", "held_out": "yes"}], "laps": "3..40"},
    "phrases": {"yes": ["2* yes.", "no"], "no": "no"},
    "short": {"you": ["u", "ya"], "are": "r"},
    "exam": {"food": ["got an appetite"], "_unknown": "what is a passport"},
    "topic": {
        "about": "food",
        "label": "Food",
        "weight": "3",
        "words": {"snack": ["wool"]},
        "phrases": {"yes": ["yes"]},
        "scenes": [{"ask": ["a", "b"], "reply": "c", "held_out": ["d"], "weight": "1000"}],
    },
    "thread": {
        "about": "a name",
        "weight": "1",
        "words": {"person": ["ana"]},
        "turns": [{"ask": "i am <person>", "reply": "hello"}, {"any": ["food"], "times": "0..2"}],
    },
}


def document(tree: object) -> Document:
    return Document(file="moth/x.yaml", tree=tree)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_published_schema_is_current(kind):
    published = (SCHEMA_DIR / f"{kind}.json").read_text(encoding="utf-8")
    assert published == published_text(kind), "run python -m guppylm.packs.publish"


def test_publishing_writes_every_kind(tmp_path):
    publish(tmp_path / "schema")
    assert {path.stem for path in (tmp_path / "schema").iterdir()} == set(MODELS)
    assert {path.stem for path in SCHEMA_DIR.iterdir()} == set(MODELS)


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_schema_is_draft_7_and_explains_every_key(kind):
    schema = published_schema(kind)
    Draft7Validator.check_schema(schema)
    text = json.dumps(schema)
    assert "$defs" not in text
    for keys in [schema, *schema.get("definitions", {}).values()]:
        assert keys.get("description"), keys
        for name, value in keys.get("properties", {}).items():
            assert value.get("description"), (kind, name)
    assert not _refs_with_siblings(schema)


def _refs_with_siblings(node: object) -> list[object]:
    if isinstance(node, dict):
        here = [node] if "$ref" in node and len(node) > 1 else []
        return here + [found for value in node.values() for found in _refs_with_siblings(value)]
    if isinstance(node, list):
        return [found for value in node for found in _refs_with_siblings(value)]
    return []


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_an_example_with_every_key_is_valid_for_both(kind):
    assert validate(document(EXAMPLES[kind]), kind) is not None
    Draft7Validator(published_schema(kind)).validate(EXAMPLES[kind])
    properties = published_schema(kind).get("properties", {})
    missing = set(properties) - set(EXAMPLES[kind])
    assert missing <= {"ask", "reply", "held_out"}, missing


MUTATIONS = [
    "",
    "x",
    "0",
    "1001",
    "-1",
    "3.5",
    "yes",
    "a" * 401,
    [],
    ["x"],
    [[]],
    {},
    {"x": "y"},
    {"word": "x"},
]


def mutate(tree: object, rng: random.Random) -> object:
    """Return the tree with one thing replaced, taken out, or put in."""
    if isinstance(tree, dict) and tree and rng.random() < 0.8:
        key = rng.choice(sorted(tree))
        chance = rng.random()
        if chance < 0.15:
            return {name: value for name, value in tree.items() if name != key}
        if chance < 0.25:
            return {**tree, key + "x": tree[key]}
        return {**tree, key: mutate(tree[key], rng)}
    if isinstance(tree, list) and tree and rng.random() < 0.7:
        at = rng.randrange(len(tree))
        return [*tree[:at], mutate(tree[at], rng), *tree[at + 1 :]]
    return rng.choice(MUTATIONS)


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_models_and_schema_agree_on_mutants(kind):
    rng = random.Random(kind)
    validator = Draft7Validator(published_schema(kind))
    n_valid = 0
    for _ in range(600):
        tree = EXAMPLES[kind]
        for _ in range(rng.randrange(1, 4)):
            tree = mutate(tree, rng)
        if not isinstance(tree, dict):
            continue
        checked = document(tree)
        is_valid = validate(checked, kind) is not None
        assert is_valid == validator.is_valid(tree), tree
        assert is_valid == (not checked.findings), tree
        n_valid += is_valid
    assert 20 < n_valid < 580  # both verdicts were given


@pytest.mark.parametrize(
    "text",
    [
        "ask:\n  - no\n  - 12\n  - 1.5\n  - null\n  - yes: a\nreply:\n  - true\nweight: 3\n",
        "ask: hello\nreply: 7\nwords:\n  n: [1, true, null, {word: 2, s: 3}]\n  laps: 3..40\n",
    ],
)
def test_an_editor_that_knows_types_sees_the_same_as_check(text):
    """Editors hand the schema numbers, booleans and nulls, where the loader reads text."""
    ours = read_document(text.encode(), "moth/topics/food.yaml")
    is_valid = validate(ours, "topic") is not None
    assert Draft7Validator(published_schema("topic")).is_valid(yaml.safe_load(text)) == is_valid


def test_editor_accepts_a_weight_as_number_and_refuses_one_out_of_range():
    validator = Draft7Validator(published_schema("topic"))
    good = {"ask": "a", "reply": "b"}
    assert [validator.is_valid({**good, "weight": w}) for w in (1, 1000, 0, 1001, 2.5, True)] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


def _kind(path: Path) -> str:
    return path.parent.name.removesuffix("s") if path.parent.name in ("topics", "threads") else path.stem


@pytest.mark.parametrize(
    "path",
    sorted([*STARTER.rglob("*.yaml"), *PERSONAS_DIR.rglob("*.yaml")]),
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_the_first_line_of_a_file_points_editors_at_its_schema(path):
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    depth = "../../" if path.parent.name == "topics" else "../"
    assert first == f"# yaml-language-server: $schema={depth}schema/{_kind(path)}.json"


def test_a_flood_of_mistakes_is_cut_short():
    found = document({f"key{n}": "x" for n in range(5000)})
    assert validate(found, "topic") is None
    assert len(found.findings) < 60
