"""Reading one file: text stays text, everything has a place, and whatever could surprise is refused."""

from __future__ import annotations

import json
import time

import pytest
import yaml

from guppylm.packs import read
from guppylm.packs.document import Document
from guppylm.packs.hidden import find_hidden
from guppylm.packs.read import read_document


def read_text(text: str | bytes, file: str = "moth/topics/food.yaml") -> Document:
    return read_document(text if isinstance(text, bytes) else text.encode(), file)


def codes(document: Document) -> list[str]:
    return [finding.code for finding in document.findings]


@pytest.mark.parametrize(
    "scalar",
    [
        "no",
        "yes",
        "on",
        "null",
        "~",
        "1.10",
        "007",
        "0x1F",
        "3:30",
        "2024-01-01",
        "1e3",
        ".inf",
        "=",
        "1_0",
        "True",
    ],
)
def test_every_scalar_is_text(scalar):
    assert read_text(f"a: {scalar}\nb: [{scalar}]\n").tree == {"a": scalar, "b": [scalar]}


def test_keys_are_text_too():
    assert read_text("no: 1\n12: 2\nnull: 3\n").tree == {"no": "1", "12": "2", "null": "3"}


def test_slots_and_choices_need_no_quotes():
    lines = [
        "<hey> you",
        "(please |)go",
        "is it <it>?",
        "a > b",
        "tell me, then",
        "3* yes",
        "50% off :)",
        "it's",
    ]
    tree = read_text("ask:\n" + "".join(f"  - {line}\n" for line in lines)).tree
    assert tree == {"ask": lines}


def test_json_gives_the_same_tree():
    tree = {"ask": ["no", "<hey> 🐟", ""], "weight": "3", "words": {"it": [{"word": "rain", "s": "rains"}]}}
    assert read_text(json.dumps(tree), "moth/topics/food.json").tree == tree
    assert read_text(yaml.safe_dump(tree, allow_unicode=True)).tree == tree


def test_json_keeps_numbers_as_they_were_written():
    document = read_text('{"a": [1.10, 1e5, true, null, NaN, 12345678901234567890]}', "a.json")
    assert document.tree == {"a": ["1.10", "1e5", "true", "", "NaN", "12345678901234567890"]}


def test_line_ends_and_byte_order_mark_do_not_matter():
    unix = read_text("ask:\n  - a\n  - b\n")
    windows = read_text(b"\xef\xbb\xbfask:\r\n  - a\r\n  - b\r\n")
    assert windows.tree == unix.tree == {"ask": ["a", "b"]}
    assert windows.values == unix.values
    assert read_text("ask:\r  - a\r").tree == {"ask": ["a"]}


def test_places_are_those_of_the_text_itself():
    document = read_text(
        """\
about: food
ask:
  - plain text
  - 'quoted text'
  - "double text"
  - |
    block text
  - >-

    folded text
scenes:
  - {reply: "flow"}
"""
    )
    places = {path: (document.place(path).line, document.place(path).column) for path in document.paths}
    assert places[("about",)] == (1, 8)
    assert places[("ask", 0)] == (3, 5)
    assert places[("ask", 1)] == (4, 6)
    assert places[("ask", 2)] == (5, 6)
    assert places[("ask", 3)] == (7, 5)
    assert places[("ask", 4)] == (10, 5)
    assert places[("scenes", 0, "reply")] == (12, 14)
    key = document.key_place(("scenes", 0, "reply"))
    assert (key.line, key.column, key.path) == (12, 6, "scenes[0].reply")


def test_an_offset_is_a_column_only_where_the_text_stands_as_it_is():
    document = read_text("ask:\n  - plain\n  - 'it''s'\n  - two\n    lines\n")
    plain, escaped, folded = (document.place(("ask", index)) for index in range(3))
    assert plain.at(3).column == 8
    assert (escaped.at(3), folded.at(3)) == (escaped, folded)


def test_a_missing_place_is_that_of_what_is_around_it():
    document = read_text("ask:\n  - a\n")
    assert (document.place(("ask", 7)).line, document.place(("reply",)).line) == (2, 1)


@pytest.mark.parametrize(
    ("line", "warned"),
    [
        ("- you are my #1 fan", True),
        ("- are you there # or not", True),
        ("- are you there  #or not", True),
        ("- are you there  # a comment", False),
        ("- c# is a note", False),
        ("- 'you are my #1 fan'", False),
        ("# - commented out", False),
    ],
)
def test_a_comment_that_may_have_been_text_is_a_warning(line, warned):
    document = read_text(f"ask:\n  - a\n  {line}\n")
    assert codes(document) == ["W201"] * warned
    assert document.tree is not None


@pytest.mark.parametrize("character", "\u202e\u2066\u200b\u200f\ufeff\u00ad\u2028\u0085\u2060\U000e0041\x07\x7f")
def test_hidden_characters_are_refused_as_they_are_and_behind_escapes(character):
    for text, file in (
        (f"a: fo{character}od", "a.yaml"),
        (f"fo{character}od: a", "a.yaml"),
        (f"a: b  # fo{character}od", "a.yaml"),
        (f'a: "fo\\U{ord(character):08x}od"', "a.yaml"),
        (json.dumps({"a": f"fo{character}od"}), "a.json"),
        (json.dumps({f"fo{character}od": "a"}), "a.json"),
    ):
        document = read_text(text, file)
        assert (codes(document), document.tree) == (["E103"], None), text


def test_half_a_character_is_refused():
    assert codes(read_text('{"a": "\\ud83d"}', "a.json")) == ["E103"]
    assert read_text('{"a": "\\ud83d\\udc1f"}', "a.json").tree == {"a": "🐟"}


def test_joiners_that_a_script_or_an_emoji_needs_may_stay():
    assert find_hidden("می‌خواهم 👩‍🚀 क्‍ष ❤️") == []
    assert [name for _, name in find_hidden("fo\u200dod")] == ["U+200D zero width joiner"]
    assert [at for at, _ in find_hidden("\u200cیک")] == [0]


@pytest.mark.parametrize(
    "text",
    [
        'a: "open\n',
        "a: b: c\n",
        "a:\n\t- b\n",
        "a:\n  - @b\n",
        "a:\n  - `b\n",
        "a:\n  - %b\n",
        "a:\n  - &\n",
        "a:\n  - * b\n",
        "a:\n  - b\n c\n",
        "a: [b\n",
        "a: {b\n",
        'a: "b" c\n',
        'a: "\\d"\n',
        "? [a]\n: b\n",
        "a:\n  - |b\n",
        "a:\n  - ,b\n",
        "a: - b\n",
        "%YAML 9.9\n---\na: b\n",
    ],
)
def test_the_slow_parser_finds_the_same_as_the_fast_one(text, monkeypatch):
    def refused() -> tuple:
        document = read_text(text)
        assert document.tree is None
        (finding,) = document.findings
        assert finding.help
        assert "this is not YAML" not in finding.message or "%YAML" in text
        return finding.code, finding.line

    fast = refused()
    monkeypatch.setattr(read, "_LOADER", yaml.Loader)
    assert refused() == fast


@pytest.mark.parametrize(
    ("text", "file", "code"),
    [
        ("[" * 100_000, "a.yaml", "E107"),
        ("{a: " * 100_000, "a.yaml", "E107"),
        ("- " * 100_000, "a.yaml", "E107"),
        ("[" * 100_000, "a.json", "E107"),
        ('{"a":' * 100_000, "a.json", "E107"),
        ("[[[[[[[[[1]]]]]]]]]", "a.json", "E107"),
        ("- word\n" * 80_000, "a.yaml", "E106"),
        ("".join(f"k{n}: v\n" for n in range(80_000)), "a.yaml", "E106"),
        (json.dumps({f"k{n}": "v" for n in range(50_000)}), "a.json", "E106"),
        (json.dumps(["word"] * 80_000), "a.json", "E106"),
        ("a: " + "b" * 1_000_000, "a.yaml", "E101"),
        ("a: &a [x, x]\nb: &b [*a, *a]\n", "a.yaml", "E104"),
        ("".join(f"k: {n}\n" for n in range(3_000)), "a.yaml", "E110"),
        ("\u202e" * 300_000, "a.yaml", "E103"),
    ],
)
def test_a_hostile_file_is_refused_at_once(text, file, code):
    started = time.process_time()
    document = read_text(text, file)
    assert time.process_time() - started < 1
    assert document.tree is None
    assert set(codes(document)) == {code}
    assert len(document.findings) <= 60


def test_many_files_are_read_quickly():
    text = "ask:\n" + "".join(f"  - are you (hungry|peckish) number {n}\n" for n in range(100))
    started = time.process_time()
    for _ in range(60):
        assert read_text(text).tree is not None
    assert time.process_time() - started < 0.5
