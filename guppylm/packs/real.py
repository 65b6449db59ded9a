"""Turns a witness that may mix its words into one that can really come out, or into the proof of none.

style.py reads every slot by itself: in `<kind> and <kind>` it may take the first for `cat` and the second for
`dog`, and call `cat and dog` a text of the line. Mostly a witness is real all the same, which the recogniser
tells. When it is not, the words in question are fixed, one choice of them after another, and what is left is
asked again.
"""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Callable, Iterator, Mapping
from itertools import product

from guppylm.packs.grammar import Bound, Variable, Word
from guppylm.packs.lang import Choice, Option, Sequence, Text
from guppylm.packs.recognise import Recogniser, TooManyStatesError
from guppylm.packs.style import longest

MAX_TRIES = 2_000

Test = Callable[[Bound], str | None]


def really(test: Test) -> Test:
    """Return a test that gives only witnesses which can come out of the tree as a whole."""

    def test_really(tree: Bound) -> str | None:
        witness = test(tree)
        if witness is None or _can_say(tree, witness):
            return witness
        fixed_trees = _fixed_trees(tree)
        if fixed_trees is None:
            return witness
        return next(filter(None, map(test, fixed_trees)), None)

    return test_really


def really_longest(tree: Bound, unit: str) -> tuple[int, str]:
    """Return the size of the longest text that can come out of the tree, and that text. See `longest`."""
    size, witness = longest(tree, unit=unit)
    if _can_say(tree, witness):
        return size, witness
    fixed_trees = _fixed_trees(tree)
    if fixed_trees is None:
        return size, witness
    return max(longest(fixed, unit=unit) for fixed in fixed_trees)


def _can_say(tree: Bound, text: str) -> bool:
    try:
        return Recogniser(text, exact=True).fits(tree)
    except TooManyStatesError:
        return True


def _fixed_trees(tree: Bound) -> Iterator[Bound] | None:
    """Yield the tree with its entangled words fixed in every way, or return None when those are too many."""
    variables = _entangled(tree)
    n_ways = 1
    for words, _ in variables:
        n_ways *= len(words.entries)
    if n_ways > MAX_TRIES:
        return None
    return _fix_each_way(tree, variables)


def _fix_each_way(tree: Bound, variables: list[Variable]) -> Iterator[Bound]:
    for entries in product(*(range(len(words.entries)) for words, _ in variables)):
        chosen = dict(zip(variables, entries, strict=True))
        taken = {(words, entry) for (words, _), entry in chosen.items()}
        if len(taken) == len(chosen):
            yield _fix(tree, chosen)


def _entangled(tree: Bound) -> list[Variable]:
    """Return the variables that stand twice in the tree, or beside another one of the same list."""
    uses = Multiset(_variables(tree))
    per_list = Multiset(words for words, _ in uses)
    return [variable for variable, count in uses.items() if count > 1 or per_list[variable[0]] > 1]


def _variables(node: Bound) -> Iterator[Variable]:
    if isinstance(node, Word):
        yield node.variable
    elif isinstance(node, Choice):
        for option in node.options:
            yield from _variables(option.node)
    elif isinstance(node, Sequence):
        for part in node.parts:
            yield from _variables(part)


def _fix(node: Bound, chosen: Mapping[Variable, int]) -> Bound:
    if isinstance(node, Word):
        return Text(node.texts[chosen[node.variable]]) if node.variable in chosen else node
    if isinstance(node, Choice):
        return Choice(
            tuple(Option(option.weight, _fix(option.node, chosen), option.place) for option in node.options)
        )
    if isinstance(node, Sequence):
        return Sequence(tuple(_fix(part, chosen) for part in node.parts))
    return node
