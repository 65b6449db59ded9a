"""Turns a witness that may mix its words into one that can really come out, or into the proof of none.

style.py reads every slot by itself: in `<kind> and <kind>` it may take the first for `cat` and the second for
`dog`, and call `cat and dog` a text of the line. Mostly a witness is real all the same, which the recogniser
tells. When it is not, the words in question are fixed, one choice of them after another, and what is left is
asked again. That can take long, so there is a bound on all of it together; beyond it a witness is believed.
"""

from __future__ import annotations

import math
from collections import Counter as Multiset
from collections.abc import Callable, Iterator, Mapping
from itertools import product

from guppylm.packs.grammar import Bound, Variable, Word
from guppylm.packs.lang import Choice, Option, Sequence, Text
from guppylm.packs.recognise import Recogniser, TooManyStatesError
from guppylm.packs.style import longest

MAX_NODES_FIXED = 500_000

Test = Callable[[Bound], str | None]


class Realist:
    """Makes sure of witnesses, for as long as its patience lasts."""

    def __init__(self) -> None:
        self.n_left = MAX_NODES_FIXED  # nodes of trees that may still be made with their words fixed

    def real(self, test: Test) -> Test:
        """Return a test whose witnesses can come out of the tree as a whole."""

        def test_really(tree: Bound) -> str | None:
            witness = test(tree)
            if witness is None or _can_say(tree, witness):
                return witness
            fixed_trees = self._fixed_trees(tree)
            if fixed_trees is None:
                return witness
            return next(filter(None, map(test, fixed_trees)), None)

        return test_really

    def longest(self, tree: Bound, unit: str) -> tuple[int, str]:
        """Return the size of the longest text that can come out of the tree, and that text."""
        size, witness = longest(tree, unit=unit)
        if _can_say(tree, witness):
            return size, witness
        fixed_trees = self._fixed_trees(tree)
        if fixed_trees is None:
            return size, witness
        return max((longest(fixed, unit=unit) for fixed in fixed_trees), default=(0, ""))

    def _fixed_trees(self, tree: Bound) -> Iterator[Bound] | None:
        """Return the tree with its entangled words fixed in every way, or None when that is too much."""
        uses: dict[int, Multiset[Variable]] = {}
        _most_uses(tree, uses)
        variables = _entangled(uses[id(tree)])
        cost = len(uses) * math.prod(len(words.entries) for words, _ in variables)
        if cost > self.n_left:
            return None
        self.n_left -= cost
        return _fix_each_way(tree, variables)


def _can_say(tree: Bound, text: str) -> bool:
    try:
        return Recogniser(text, exact=True).fits(tree)
    except TooManyStatesError:
        return True


def _most_uses(node: Bound, seen: dict[int, Multiset[Variable]]) -> Multiset[Variable]:
    """Return how often each variable can stand in one text of a node."""
    if id(node) not in seen:
        uses: Multiset[Variable] = Multiset()
        if isinstance(node, Word):
            uses[node.variable] = 1
        elif isinstance(node, Choice):
            for option in node.options:
                uses |= _most_uses(option.node, seen)
        elif isinstance(node, Sequence):
            for part in node.parts:
                uses += _most_uses(part, seen)
        seen[id(node)] = uses
    return seen[id(node)]


def _entangled(uses: Multiset[Variable]) -> list[Variable]:
    """Return the variables that stand twice in some text, or beside another one of the same list."""
    per_list = Multiset(words for words, _ in uses)
    return [variable for variable, count in uses.items() if count > 1 or per_list[variable[0]] > 1]


def _fix_each_way(tree: Bound, variables: list[Variable]) -> Iterator[Bound]:
    for entries in product(*(range(len(words.entries)) for words, _ in variables)):
        chosen = dict(zip(variables, entries, strict=True))
        if len({(words, entry) for (words, _), entry in chosen.items()}) == len(chosen):
            yield _fix(tree, chosen, {})


def _fix(node: Bound, chosen: Mapping[Variable, int], seen: dict[int, Bound]) -> Bound:
    """Return a tree in which the chosen words are text."""
    if id(node) not in seen:
        fixed = node
        if isinstance(node, Word) and node.variable in chosen:
            fixed = Text(node.texts[chosen[node.variable]])
        elif isinstance(node, Choice):
            options = [(option, _fix(option.node, chosen, seen)) for option in node.options]
            fixed = Choice(tuple(Option(option.weight, below, option.place) for option, below in options))
        elif isinstance(node, Sequence):
            fixed = Sequence(tuple(_fix(part, chosen, seen) for part in node.parts))
        seen[id(node)] = fixed
    return seen[id(node)]
