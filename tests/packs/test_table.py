"""A spreadsheet becomes a pack that says exactly what stood in its cells."""

from __future__ import annotations

import pytest

from guppylm.errors import GuppyError
from guppylm.packs.check import check_pack
from guppylm.packs.generate import generate
from guppylm.packs.load import load_pack
from guppylm.packs.table import write_pack_of_table

NASTY = [
    "is it (hot|cold)?",
    "<food> or food2",
    "3* twice",
    r"a \ b",
    "no: yes",
    "you are my #1",
    "- dash",
    "null",
    "1.10",
    "“quoted” 'it'",
    "你好 🐟",
    "x" * 300,
]


def table(folder, text, name="t.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def made(tmp_path, text, **options):
    folder, too_little = write_pack_of_table("moth", table(tmp_path, text, **options), tmp_path / "packs")
    return load_pack(folder), too_little


def test_every_cell_comes_out_as_it_stood(tmp_path):
    rows = "".join(f'food,"{text}","r {text}"\n' for text in NASTY)
    pack, _ = made(tmp_path, f"topic,prompt,reply\n{rows}")
    found = generate(pack, n_rows=1000, n_exam=0).train
    assert {row.clean for row in found} == set(NASTY)
    assert {row.output for row in found} == {f"r {text}" for text in NASTY}
    assert not [finding for finding in check_pack(pack.folder, n_rows=1).findings if finding.severity == "error"]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_spreadsheets_differ_in_marks_order_and_capitals(tmp_path, mark):
    lines = ["Reply,Notes,TOPIC,Prompt", "no,x,Deep Sea!,hungry", ",,,", '"a\nb",,Deep Sea!,asleep']
    pack, too_little = made(tmp_path, "\ufeff" + "\r\n".join(lines).replace(",", mark))
    assert list(pack.topics) == ["deep_sea"]
    assert pack.topics["deep_sea"].label == "Deep Sea!"
    assert {row.output for row in generate(pack, n_rows=9, n_exam=0).train} == {"no", "a b"}
    assert too_little == ["deep_sea has 2 prompts and 2 replies"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv:1: no column called topic"),
        ("topic,promt,reply\na,b,c\n", "t.csv:1: no column called prompt\n.*did you mean promt"),
        ("topic,prompt,reply\n", "t.csv has no rows"),
        ("topic,prompt,reply\na,b,c\na,,\n", "t.csv:3: no prompt and no reply"),
        ("topic,prompt,reply\n?!,b,c\n", "t.csv:2: .* is no name for a topic"),
        ('topic,prompt,reply\na,"b,c\n', "t.csv:2: "),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path, text, message):
    with pytest.raises(GuppyError, match=f"(?s){message}"):
        made(tmp_path, text)
    assert not (tmp_path / "packs").exists()


def test_another_encoding_is_told(tmp_path):
    with pytest.raises(GuppyError, match="is not UTF-8"):
        made(tmp_path, "topic,prompt,reply\na,é,c\n", encoding="latin-1")


def test_a_table_that_is_not_there_is_told(tmp_path):
    with pytest.raises(GuppyError, match="cannot be read"):
        write_pack_of_table("moth", tmp_path / "none.csv", tmp_path)
