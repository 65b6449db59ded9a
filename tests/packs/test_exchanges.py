"""Which replies may answer which prompts: a word that nobody has said is not repeated."""

from __future__ import annotations

import pytest

from guppylm.packs.count import Counter
from guppylm.packs.exchanges import without
from guppylm.packs.generate import generate, scene_trees
from guppylm.packs.load import load_pack
from guppylm.packs.pack import Pack
from guppylm.packs.unrank import every_text
from tests.packs.grammars import bind
from tests.packs.packs import write_pack

NAMES = ("anna", "ben", "kofi", "mei", "omar", "zoe")
WORDS = f"person: [{', '.join(NAMES)}]\nplace: [lake, mill, moon]\n"
PERSONA = "format: persona/1\nname: Moth\nabout: a small moth\nmode: even\n"


def moth(folder, **lines: list[str]) -> Pack:
    """A pack with one topic, given by its ask, reply and held_out."""
    topic = "".join(f"{key}:\n" + "".join(f"  - {line}\n" for line in texts) for key, texts in lines.items())
    files = {"persona.yaml": PERSONA, "words.yaml": WORDS, "topics/food.yaml": "", "topics/name.yaml": topic}
    return load_pack(write_pack(folder / "moth", files))


def pairs(pack: Pack) -> set[tuple[str, str]]:
    return {(row.clean, row.output) for row in generate(pack, n_rows=10_000, n_exam=0).train}


def test_a_reply_that_repeats_a_word_answers_only_prompts_that_say_it(tmp_path):
    pack = moth(tmp_path, ask=["i am <person>", "it is me"], reply=["<person>, hello", "welcome"])
    named = {(f"i am {name}", reply) for name in NAMES for reply in (f"{name}, hello", "welcome")}
    assert pairs(pack) == named | {("it is me", "welcome")}


def test_where_every_reply_says_the_word_it_is_the_persona_s_own(tmp_path):
    found = pairs(moth(tmp_path, ask=["i am <person>", "who are you"], reply=["<person>, hello"]))
    assert {reply for ask, reply in found if ask == "who are you"} == {f"{name}, hello" for name in NAMES}
    assert all(reply.split(",")[0] == ask.split()[-1] for ask, reply in found if ask != "who are you")


def test_a_line_that_may_repeat_a_word_also_answers_without(tmp_path):
    ask = ["i am <person>", "it is me"]
    found = pairs(moth(tmp_path, ask=ask, reply=["(<person>|you), (hello|<person>)", "<person>"]))
    assert {reply for ask, reply in found if ask == "it is me"} == {"you, hello"}
    assert {reply for ask, reply in found if ask == "i am mei"} == {
        *("mei, hello", "mei, mei", "you, hello", "you, mei", "mei"),
    }


def test_what_does_not_change_stays_the_same_tree():
    scope = {"x": ["a", "b"]}
    tree = bind("(one|two) (<x>|three)", "four", words=scope)
    counter = Counter()
    [variable] = {variable for some in counter.poly(tree) for variable in some}
    left = without(tree, frozenset({variable}), counter)
    assert sorted(every_text(left, counter)) == ["four", "one three", "two three"]
    assert left.options[1].node is tree.options[1].node
    assert without(tree, frozenset(), counter) is tree
    assert without(tree.options[0].node.parts[-1].options[0].node, frozenset({variable}), counter) is None


def test_words_that_no_prompt_says_are_free(tmp_path):
    assert len(pairs(moth(tmp_path, ask=["where do you live", "hi"], reply=["in the <place>", "here"]))) == 2 * 4


def test_a_second_word_of_the_list_is_free_too(tmp_path):
    found = pairs(moth(tmp_path, ask=["i am <person>", "hi"], reply=["you are not <person2>", "oh"]))
    assert ("hi", "oh") in found
    assert len(found) == 6 * (6 - 1 + 1) + (6 + 1)


def test_each_prompt_keeps_its_share_of_the_rows(tmp_path):
    ask = ["3* i am <person> from the <place>", "it is me <1..900>"]
    rows = generate(moth(tmp_path, ask=ask, reply=["<person> <1..900>", "hi <1..900>"]), n_rows=400, n_exam=0).train
    assert len(rows) == 400
    assert sum(row.clean.startswith("i am") for row in rows) == 300


def test_a_scene_without_shared_words_is_one_exchange(tmp_path):
    pack = moth(tmp_path, ask=["i am <person>", "it is me"], reply=["hi", "the <place>"])
    [trees] = scene_trees(pack.topics["name"])
    [pair] = trees.exchanges(Counter())
    assert pair.parts == (trees.ask, trees.reply)


@pytest.mark.parametrize("held_out", ["you may call me <person>", "only me again"])
def test_held_out_prompts_follow_the_same_rule(tmp_path, held_out):
    pack = moth(tmp_path, ask=["i am <person>", "it is me"], reply=["<person>, hello", "welcome"], held_out=[held_out])
    rows = generate(pack, n_rows=100, n_exam=20).held_out
    assert rows
    assert all(row.output == "welcome" or row.output.split(",")[0] == row.clean.split()[-1] for row in rows)
