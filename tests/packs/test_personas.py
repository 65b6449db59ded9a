"""Every persona in personas/ is checked by what it promises: a new folder brings its own tests."""

from pathlib import Path

import pytest

from guppylm.packs.generate import generate
from guppylm.packs.load import load_pack
from guppylm.packs.normalise import normalise

PERSONAS = Path(__file__).parents[2] / "personas"
NAMES = sorted(p.parent.name for p in PERSONAS.glob("*/persona.yaml") if not p.parent.name.startswith("_"))
N_ROWS = 60_000


@pytest.fixture(scope="module", params=NAMES)
def pack(request):
    return load_pack(request.param, personas_dir=PERSONAS)


@pytest.fixture(scope="module")
def dataset(pack):
    return generate(pack, n_rows=N_ROWS)


def test_there_are_personas():
    assert NAMES


def test_a_full_training_set_has_no_pair_twice_and_many_ways_to_say_things(pack, dataset):
    counts = dataset.counts()
    assert counts["rows"] == counts["pairs"] == N_ROWS
    assert counts["prompts"] >= 30_000
    assert counts["replies"] >= 500 * len(pack.topics)


def test_every_topic_makes_its_share(dataset):
    assert not dataset.short_of


def test_nothing_held_out_is_trained(dataset):
    trained = {normalise(row.input) for row in dataset.train}
    assert dataset.held_out
    assert not [row.input for row in dataset.held_out if normalise(row.input) in trained]


def test_no_prompt_stands_in_two_topics(dataset):
    owners = {}
    clashes = [
        (row.input, row.category, owner)
        for row in dataset.train
        if (owner := owners.setdefault(normalise(row.input), row.category)) != row.category
    ]
    assert not clashes


def test_it_has_a_face_and_something_to_begin_with(pack):
    assert "<svg" in pack.avatar_svg
    assert len(pack.starters) >= 4
    assert pack.fallback in pack.topics
