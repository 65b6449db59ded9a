"""What is wrong with a reply that a model made up."""

import pytest

from guppylm.exam.voice import Residue, broken_rule, loops
from guppylm.packs.pack import Voice

VOICE = Voice(case="lower", max_words=5, forbid=("as an ai", "#"))


@pytest.mark.parametrize(
    ("reply", "broken"),
    [
        ("i am fine.", ""),
        ("", ""),
        ("I am fine.", "a capital letter"),
        ("one two three four five six", "6 words"),
        ("as an AI i swim", "a capital letter"),
        ("well, as an ai", "says as an ai"),
        ("has an aim", ""),
        ("a # b", "says #"),
    ],
)
def test_rules_of_the_voice(reply, broken):
    assert broken_rule(reply, VOICE) == broken


def test_characters_count_where_words_do_not():
    assert broken_rule("我喜欢光", Voice(max_words=None, max_chars=3)) == "4 characters"


def test_residue_is_what_no_training_reply_holds():
    residue = Residue(["i like peas.", "blub"])
    assert residue.in_("like blub.") == ""
    assert set(residue.in_("<peas>")) == {"<", ">"}


@pytest.mark.parametrize(
    ("reply", "is_loop"),
    [
        ("blub blub blub", False),
        ("blub blub blub blub", True),
        ("i swim. i swim.", False),
        ("round the castle and round the castle and off", True),
        ("a b a b a b a b", True),
        ("i am here and i am there and i am home", False),
        ("", False),
    ],
)
def test_loops(reply, is_loop):
    assert loops(reply) is is_loop
