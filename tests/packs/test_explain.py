"""What a pack knows about a text: the exact lines, and the topics that know its words."""

from __future__ import annotations

import pytest

from guppylm.packs.explain import explain, words_of
from guppylm.packs.load import load_pack
from tests.packs.packs import write_pack

FILES = {
    "words.yaml": "food: [peas, krill, {word: a sock, s: socks}]\n",
    "topics/food.yaml": (
        "ask:\n  - (hey |)do you want <food>\n  - are you hungry\n"
        "held_out: could you manage <food2>\nreply:\n  - yes, <food>\n  - always\n"
    ),
    "topics/night.yaml": (
        "scenes:\n  - ask: are you asleep\n    reply: no\n  - ask: good night, hungry moth\n    reply: always\n"
    ),
}


@pytest.fixture
def moth(tmp_path):
    return load_pack(write_pack(tmp_path / "moth", FILES))


def ways(found):
    return [(way.role, way.topic, way.scene, way.place.line, way.words) for way in found.ways]


def test_a_message_is_traced_to_its_line_and_words(moth):
    found = explain(moth, "Hey, do you want PEAS?!")
    assert ways(found) == [("asked", "food", 0, 2, (("food", "peas"),))]
    assert found.ways[0].place.file == "moth/topics/food.yaml"
    assert found.unknown == ()


def test_held_out_phrasings_and_replies_are_told_from_messages(moth):
    assert ways(explain(moth, "could you manage krill")) == [("held out", "food", 0, 4, (("food2", "krill"),))]
    assert ways(explain(moth, "always")) == [("said", "food", 0, 7, ()), ("said", "night", 1, 5, ())]


def test_a_message_nobody_wrote_is_known_by_its_words_the_rarest_first(moth):
    found = explain(moth, "so are you still asleep, my hungry glacier?")
    assert found.ways == ()
    assert found.likely == {"night": ("asleep",)}  # the others stand in both topics and tell nothing
    assert found.unknown == ("so", "still", "my", "glacier")


def test_nothing_is_known_about_nothing(moth):
    found = explain(moth, " ?! ")
    assert (found.ways, dict(found.likely), found.unknown) == ((), {}, ())


def test_what_can_be_read_in_too_many_ways_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr("guppylm.packs.recognise.MAX_VISITS", 3)
    found = explain(load_pack(write_pack(tmp_path / "moth", FILES)), "do you want peas")
    assert "food" in found.unsure


def test_scripts_without_spaces_are_known_by_their_characters():
    assert words_of("Hello 你好吗, ça va?") == ["hello", "你", "好", "吗", "ca", "va"]
    assert words_of("猫cat猫") == ["猫", "cat", "猫"]
