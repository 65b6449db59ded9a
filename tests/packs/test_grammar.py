"""Names get the meaning that they have in the topic at hand."""

import pytest

from guppylm.packs.count import Counter
from guppylm.packs.forms import capitalised, plural, with_article
from guppylm.packs.grammar import Binder, Entry
from guppylm.packs.unrank import every_text

from .grammars import bind, line, scope


def texts(tree):
    return sorted(every_text(tree, Counter()))


def test_a_shared_phrase_sees_the_words_of_the_topic_it_serves():
    frame = {"about": ["tell me about <it>"]}
    assert texts(bind("<about>", phrases=frame | {"it": ["the snail"]})) == ["tell me about the snail"]
    assert texts(bind("<about>", words={"it": ["rain", "fog"]}, phrases=frame)) == [
        "tell me about fog",
        "tell me about rain",
    ]


def test_a_word_is_the_same_everywhere_and_its_second_is_another():
    assert texts(bind("<x> <x> <x2>", words={"x": ["a", "b"]})) == ["a a b", "b b a"]


def test_a_phrase_is_picked_afresh_at_each_use():
    assert texts(bind("<p> <p>", phrases={"p": ["a", "b"]})) == ["a a", "a b", "b a", "b b"]


def test_a_form_of_the_entry_comes_before_the_rule():
    words = {"x": [Entry(word="sock"), Entry(word="fish", forms={"s": "fish"})]}
    assert texts(bind("<x.s>", words=words)) == ["fish", "socks"]
    assert texts(bind("<x.a>", words=words)) == ["a fish", "a sock"]


def test_held_out_words_are_for_the_examination_only():
    names = scope({"x": [Entry(word="a"), Entry(word="new", held_out=True)], "y": ["z"]})
    assert texts(Binder(names).bind([line("<x><y>")])) == ["az"]
    assert texts(Binder(names, new_words=True).bind([line("<x><y>")])) == ["newz"]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("ok <snak>", "E140", "no list or phrase called <snak>"),
        ("ok <p2>", "E141", "<p2> is a phrase with a number or a form"),
        ("ok <p.s>", "E141", "<p.s> is a phrase with a number or a form"),
        ("ok <snack.zz>", "E142", "no form .zz of 'wool' in <snack>"),
        ("ok <snack3>", "E143", "<snack3> when the list has 2 words"),
        ("ok <loop>", "E144", "a circle: loop > pool > loop"),
    ],
)
def test_names_that_mean_nothing_are_noted_with_their_place(text, code, message):
    names = scope({"snack": ["wool", "a sock"]}, {"p": ["q"], "loop": ["a <pool>"], "pool": ["b <loop>"]})
    binder = Binder(names)
    binder.bind([line(text)])
    problem = binder.problems[0]
    assert (problem.code, problem.message) == (code, message)
    assert problem.offset == (2 if code == "E144" else 3)


def test_a_misspelt_name_gets_the_nearest_one():
    binder = Binder(scope({"snack": ["wool"]}))
    binder.bind([line("<snak>")])
    assert binder.problems[0].help == "did you mean <snack>?"


def test_all_problems_are_noted_at_once():
    binder = Binder(scope())
    binder.bind([line("<a> <b>"), line("<c>")])
    assert [problem.message[-3:] for problem in binder.problems] == ["<a>", "<b>", "<c>"]


def test_forms_of_english():
    assert [plural(w) for w in ("snail", "box", "fly", "toy", "bush")] == ["snails", "boxes", "flies", "toys", "bushes"]
    assert [with_article(w) for w in ("snail", "egg", "hour", "unicorn", "uncle", "umbrella")] == [
        "a snail",
        "an egg",
        "an hour",
        "a unicorn",
        "an uncle",
        "an umbrella",
    ]
    assert capitalised("éclair") == "Éclair"
