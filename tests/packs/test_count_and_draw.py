"""Counting, numbering and drawing agree with one another and with plain enumeration."""

import itertools
import random
import time

import pytest

from guppylm.packs.count import Counter, TooLargeError, refuse_huge
from guppylm.packs.draw import Drawer, Shares
from guppylm.packs.grammar import Word
from guppylm.packs.lang import Choice, Number, Sequence, Text
from guppylm.packs.normalise import squeeze
from guppylm.packs.unrank import every_text, unrank

from .grammars import bind, random_grammar

MODES = ("even", "balanced", "rich")


def brute_force(node, words=()):
    """Every derivation as (text, words), written in the most obvious way."""
    match node:
        case Text(text):
            yield text, words
        case Number(low, high):
            for number in range(low, high + 1):
                yield str(number), words
        case Word():
            known = dict(words)
            if node.variable in known:
                yield node.texts[known[node.variable]], words
                return
            taken = [entry for (words_list, _), entry in words if words_list is node.list]
            for entry, text in enumerate(node.texts):
                if entry not in taken:
                    yield text, (*words, (node.variable, entry))
        case Choice(options):
            for option in options:
                yield from brute_force(option.node, words)
        case Sequence(parts):
            if not parts:
                yield "", words
                return
            for text, after in brute_force(parts[0], words):
                for rest, end in brute_force(Sequence(parts[1:]), after):
                    yield text + rest, end


@pytest.mark.parametrize("seed", range(60))
def test_count_unrank_draw_and_brute_force_agree_on_random_grammars(seed):
    _, ask, reply = random_grammar(seed)
    counter = Counter()
    exchange = Sequence((ask, Text(" // "), reply))
    expected = sorted(squeeze(text) for text, _ in brute_force(exchange))
    assert counter.total(exchange) == len(expected)
    assert sorted(every_text(exchange, counter)) == expected
    pairs = sorted(
        f"{p} // {r}".strip()
        for p, r in (squeeze(t).split("//") for t in expected)
        for p, r in [(p.strip(), r.strip())]
    )
    for mode in MODES:
        drawer = Drawer((ask, reply), random.Random(seed), Shares(mode, counter))
        drawn = sorted(f"{p} // {r}".strip() for p, r in (d.texts for d in drawer))
        assert drawn == pairs, mode


def test_count_by_hand():
    # 5 prompts, of which 3 hold <place> (8 words): 2 + 3·8 = 26. Replies: one plain, one with <place>, one with
    # another place besides. Pairs: with the place known 3·8·(1 + 1 + 7), else 2·(1 + 8 + 8·7).
    prompts = ["a", "b", "c <place>", "d <place>", "e <place>"]
    replies = ["x", "y <place>", "z <place> <place2>"]
    words = {"place": list("12345678")}
    both = bind(*prompts, *replies, words=words)
    ask, reply = Choice(both.options[:5]), Choice(both.options[5:])
    assert Counter().total(ask) == 26
    assert Counter().total(Sequence((ask, reply))) == 3 * 8 * (1 + 1 + 7) + 2 * (1 + 8 + 8 * 7)


def test_unrank_reaches_far_without_listing():
    tree = bind("<x> <x2> <x3> <1..999> <1..999>", words={"x": [f"w{i}" for i in range(100)]})
    counter = Counter()
    assert counter.total(tree) == 100 * 99 * 98 * 999 * 999
    assert unrank(tree, counter.total(tree) - 1, counter).endswith("999 999")
    with pytest.raises(IndexError):
        unrank(tree, counter.total(tree), counter)


def test_drawing_ends_exactly_when_everything_is_said():
    drawer = Drawer((bind("(a|b) <1..3>"),), random.Random(0), Shares("balanced", Counter()))
    assert len({drawn.texts for drawn in drawer}) == 6
    assert drawer.is_spent


@pytest.mark.parametrize(("mode", "share_of_plain"), [("even", 1 / 2), ("balanced", 1 / 11), ("rich", 1 / 101)])
def test_modes_share_as_described(mode, share_of_plain):
    """One plain line beside one with a hundred texts, the first of many draws from fresh drawers."""
    tree, counter, n = bind("plain", "n<1..100>"), Counter(), 4000
    rng = random.Random(7)
    n_plain = sum(Drawer((tree,), rng, Shares(mode, counter)).draw().texts == ("plain",) for _ in range(n))
    assert abs(n_plain / n - share_of_plain) < 0.03


def test_weights_of_lines_and_alternatives_count():
    tree, counter, rng = bind("3* a", "(1* b|4* c)"), Counter(), random.Random(1)
    drawn = [Drawer((tree,), rng, Shares("even", counter)).draw().texts[0] for _ in range(4000)]
    assert abs(drawn.count("a") / 4000 - 0.75) < 0.03
    assert abs(drawn.count("c") / 4000 - 0.20) < 0.03


def test_provenance_names_the_lines_outermost_first():
    tree = bind("<p>", phrases={"p": ["a"]})
    drawn = Drawer((tree,), random.Random(0), Shares("even", Counter())).draw()
    assert [place.file for place in drawn.lines[0]] == ["test.yaml", "test.yaml"]


def test_doubling_phrases_are_refused_before_anything_is_counted():
    phrases = {f"p{chr(97 + i)}": [f"(a|b)<p{chr(98 + i)}><p{chr(98 + i)}>"] for i in range(20)}
    phrases["pu"] = ["x"]
    tree = bind("<pa>", phrases=phrases)
    begin = time.perf_counter()
    with pytest.raises(TooLargeError) as error:
        refuse_huge(tree)
    assert error.value.code == "E157"
    assert time.perf_counter() - begin < 1


def test_too_many_lists_in_one_text_are_refused():
    names = [f"w{a}{b}" for a, b in itertools.product("abcde", repeat=2)]
    tree = bind("".join(f"(<{name}>|)" for name in names), words={name: ["x", "y"] for name in names})
    with pytest.raises(TooLargeError) as error:
        Counter().total(tree)
    assert error.value.code == "E158"
