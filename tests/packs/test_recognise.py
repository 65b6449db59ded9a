"""A text is traced back to the trees that can say it, and to nothing else."""

import random

import pytest

from guppylm.packs.count import Counter
from guppylm.packs.lang import Sequence, Text
from guppylm.packs.normalise import normalise
from guppylm.packs.overlap import shared_texts
from guppylm.packs.recognise import ManyRecogniser, Recogniser
from guppylm.packs.style import find_capital, find_characters, find_phrase, longest
from guppylm.packs.unrank import every_text

from .grammars import bind, random_grammar


@pytest.mark.parametrize("seed", range(40))
def test_every_text_is_recognised_and_mutants_are_not(seed):
    _, ask, reply = random_grammar(seed)
    tree, counter = Sequence((ask, Text(" ; "), reply)), Counter()
    texts = set(every_text(tree, counter))
    known = {normalise(text) for text in texts}
    rng = random.Random(seed)
    for text in rng.sample(sorted(texts), min(40, len(texts))):
        assert Recogniser(text).fits(tree)
        assert Recogniser(text.upper() + "?!").fits(tree)
        assert Recogniser(text, exact=True).fits(tree)
        mutant = text[: len(text) // 2] + rng.choice("aqx1 ") + text[len(text) // 2 :]
        assert Recogniser(mutant).fits(tree) == (normalise(mutant) in known)


@pytest.mark.parametrize("seed", range(40))
def test_many_texts_at_once_are_recognised_as_each_alone(seed):
    _, ask, reply = random_grammar(seed)
    tree = Sequence((ask, Text(" ; "), reply))
    rng = random.Random(seed)
    texts = sorted(set(every_text(tree, Counter())))
    texts = rng.sample(texts, min(40, len(texts)))
    texts += [text[: len(text) // 2] + rng.choice("aqx1 ") + text[len(text) // 2 :] for text in texts]
    texts += [text.upper() for text in texts] + [text[:-1] for text in texts] + ["7", "10 x"]
    alone = [text for text in texts if normalise(text) and Recogniser(text).fits(tree)]
    assert sorted(ManyRecogniser(texts).found(tree)) == sorted(alone)


def test_what_is_all_marks_is_never_found_among_many():
    assert ManyRecogniser(["?!", "", "hi"]).found(bind("(hi|)")) == ["hi"]


def test_a_reply_must_fit_the_words_of_its_prompt():
    words = {"food": ["peas", "krill"]}
    both = bind("want <food>", "i love <food>", words=words)
    ask, reply = both.options[0].node, both.options[1].node
    [found] = Recogniser("Want peas?").matches(ask)
    assert Recogniser("i love peas", exact=True).fits(reply, found)
    assert not Recogniser("i love krill", exact=True).fits(reply, found)


def test_exact_means_exact():
    tree = bind("it is  <1..9> o'clock.")
    assert Recogniser("it is 7 o'clock.", exact=True).fits(tree)
    assert not Recogniser("It is 7 o'clock.", exact=True).fits(tree)
    assert not Recogniser("it is 10 oclock").fits(tree)
    assert Recogniser("IT is 7 oclock").fits(tree)


def test_prompts_of_two_topics_are_found_however_they_are_built():
    hey = {"hey": ["(hey|hi|) (guppy|)"]}
    trees = {
        "food": bind("<hey> are you (hungry|well fed)", phrases=hey),
        "tired": bind("are (you|they) (tired|hungry)"),
        "light": bind("hi guppy, are you a lamp", "well"),
    }
    assert list(shared_texts(trees)) == [("are you hungry", ("food", "tired"))]


@pytest.mark.parametrize("seed", range(40))
def test_shared_prompts_are_found_exactly_when_there_are_some(seed):
    _, one, _ = random_grammar(seed)
    _, two, _ = random_grammar(seed + 1000)
    counter = Counter()
    expected = {normalise(t) for t in every_text(one, counter)} & {normalise(t) for t in every_text(two, counter)}
    found = {text for text, _ in shared_texts({"one": one, "two": two})}
    assert bool(found) == bool(expected)
    assert found <= expected


def test_quiet_owners_may_share_with_one_another():
    trees = {"a": bind("x", "y"), "b": bind("x", "z"), "c": bind("z")}
    assert list(shared_texts(trees, quiet={"a", "b"})) == [("z", ("b", "c"))]


def test_a_forbidden_phrase_is_found_across_borders_with_a_text_that_can_occur():
    tree = bind("i am a <kind> (mod|)<end>", words={"kind": ["language", "fish"]}, phrases={"end": ["el.", "est."]})
    assert find_phrase(tree, "Language Model") == "i am a language model."
    assert find_phrase(tree, "language mod") is None


def test_whole_words_only():
    tree = bind("it smiles, and (miles|smiled)!")
    assert find_phrase(tree, "miles") == "it smiles, and miles!"
    assert find_phrase(tree, "smile") is None
    assert find_phrase(tree, "mile") is None


def test_marks_are_found_as_they_stand():
    tree = bind(r"a(\<\||b)c")
    assert find_characters(tree, "<|c") == "a<|c"
    assert find_phrase(tree, "<|") == "a<|c"
    assert find_phrase(tree, "|>") is None


def test_capitals_are_found():
    assert find_capital(bind("all (lower|Upper) here")) == "Upper"
    assert find_capital(bind("all lower")) is None


@pytest.mark.parametrize("seed", range(30))
def test_the_longest_text_is_the_longest(seed):
    _, ask, _ = random_grammar(seed)
    texts = list(every_text(ask, Counter()))
    n_words, witness = longest(ask, unit="words")
    assert n_words == len(witness.split())
    # Words are free here, so a text may be promised that needs one word twice; never less than the truth.
    assert n_words >= max(len(text.split()) for text in texts)


def test_the_longest_text_by_hand():
    tree = bind("a (b|c d|e f g)h (x |)", "one two")
    assert longest(tree, unit="words") == (5, "a e f gh x")
    assert longest(tree, unit="characters") == (10, "a e f gh x")
