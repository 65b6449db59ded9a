"""What an author is told of the data before training."""

from __future__ import annotations

from guppylm.packs.describe import describe
from guppylm.packs.generate import generate
from guppylm.packs.load import load_pack
from tests.packs.packs import write_pack

FILES = {
    "phrases.yaml": "yes:\n  - yes\n  - indeed\n",
    "topics/food.yaml": "ask: (hungry|peckish) <1..9>\nreply:\n  - <yes>\n  - <yes> <1..9>\n",
    "topics/night.yaml": "ask:\n  - asleep\n  - awake\nreply: no\n",
}


def described(tmp_path, n_rows):
    pack = load_pack(write_pack(tmp_path / "moth", FILES))
    return describe(pack, generate(pack, n_rows=n_rows, n_exam=0), {"train": n_rows})


def test_everything_that_is_said_is_counted(tmp_path):
    found = described(tmp_path, 10_000)
    assert found.counts["pairs"] == 18 * 20 + 2
    assert found.commonest[1] == 18
    assert [(thin.topic, thin.rows, thin.prompts, thin.replies) for thin in found.thinnest] == [
        ("night", 2, 2, 1),
        ("food", 360, 18, 20),
    ]
    assert found.unused == ()
    assert found.n_lines == 3 + 3 + 2


def test_lines_that_no_row_was_made_of_are_named(tmp_path):
    found = described(tmp_path, 2)  # one row a topic
    assert [place.file for place in found.unused].count("moth/topics/night.yaml") == 1
    assert [place.file for place in found.unused].count("moth/phrases.yaml") == 1
