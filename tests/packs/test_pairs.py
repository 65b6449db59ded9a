"""Every pair has a number."""

from __future__ import annotations

import pytest

from guppylm.packs.check import check_pack
from guppylm.packs.generate import generate
from guppylm.packs.load import load_pack
from guppylm.packs.pairs import Pairs
from tests.packs.packs import write_pack

FILES = {
    "words.yaml": "food: [peas, krill, oats]\n",
    "topics/food.yaml": "ask:\n  - (hey |)want <food>\n  - hungry\nreply:\n  - <food>, yes\n  - no\n",
    "topics/night.yaml": "ask: asleep\nreply: no, <1..4>\n",
}


@pytest.fixture
def moth(tmp_path):
    return load_pack(write_pack(tmp_path / "moth", FILES))


def test_all_pairs_are_there_each_once(moth):
    pairs = Pairs(moth)
    every = [(pair.input, pair.output) for pair in map(pairs.__getitem__, range(pairs.n))]
    assert len(set(every)) == pairs.n == len(pairs) == check_pack(moth.folder).pairs
    assert set(every) == {(row.clean, row.output) for row in generate(moth, n_rows=1000, n_exam=0).train}


def test_a_topic_has_numbers_of_its_own(moth):
    assert [Pairs(moth, "night")[n].output for n in range(4)] == ["no, 1", "no, 2", "no, 3", "no, 4"]


@pytest.mark.parametrize("rank", [-1, 4])
def test_there_are_no_more(moth, rank):
    with pytest.raises(IndexError, match="there are 4"):
        Pairs(moth, "night")[rank]
