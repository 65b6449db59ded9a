"""Turns a tree into the exact number of ways to say it.

A slot names a variable: two uses of `<food>` are one choice, `<food2>` is another word of the same list. So the
ways of a tree cannot simply be multiplied up. Each node is given a small polynomial instead,

    poly(node) = {set of variables used below: number of ways to make all the other choices}

    text          {∅: 1}                    choice        sum of its alternatives
    number range  {∅: how many}             sequence      product, the sets united
    word          {{its variable}: 1}

and the words are counted once, at the top: with k variables over a list of n words there are n·(n-1)·…·(n-k+1)
ways to fill them, so the total is the sum over all sets S of poly[S] times the ways to fill S.

What is counted are derivations. Two of them may read the same; draw.py skips such doubles.
"""

from __future__ import annotations

import math
from collections import Counter as Multiset
from collections.abc import Iterable

from guppylm.packs.grammar import Bound, Variable, Word
from guppylm.packs.lang import Choice, Number, Sequence, Text

MAX_SETS = 4096
MAX_FORKS = 400
MAX_CHARACTERS = 4000

Variables = frozenset[Variable]
Poly = dict[Variables, int]

_NOTHING: Variables = frozenset()


class TooLargeError(ValueError):
    """A tree beyond our bounds. `code` is E157 (too many choices in one text) or E158 (too many lists meet)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Counter:
    """Counts trees and remembers what it counted, for as long as it lives."""

    def __init__(self) -> None:
        self._polys: dict[int, tuple[Bound, Poly]] = {}  # the node is kept so that its id stays its own

    def poly(self, node: Bound) -> Poly:
        """Return the ways to derive `node`, by the variables it uses.

        Raises:
            TooLargeError: more than 4,096 different sets of variables meet in this tree.
        """
        known = self._polys.get(id(node))
        if known is None:
            known = self._polys[id(node)] = (node, self._poly(node))
        return known[1]

    def _poly(self, node: Bound) -> Poly:
        match node:
            case Text():
                return {_NOTHING: 1}
            case Number(low, high):
                return {_NOTHING: high - low + 1}
            case Word():
                return {frozenset((node.variable,)): 1}
            case Choice(options):
                return _sum(self.poly(option.node) for option in options)
            case Sequence(parts):
                return _product(self.poly(part) for part in parts)

    def total(self, node: Bound) -> int:
        """Return the exact number of derivations of `node`, words included."""
        return sum(count * fillings(variables) for variables, count in self.poly(node).items())


def fillings(variables: Variables) -> int:
    """Return the number of ways to give these variables words, no list's word twice."""
    per_list = Multiset(words for words, _ in variables)
    return math.prod(math.perm(len(words.entries), n_used) for words, n_used in per_list.items())


def _sum(polys: Iterable[Poly]) -> Poly:
    result: Poly = {}
    for poly in polys:
        for variables, count in poly.items():
            result[variables] = result.get(variables, 0) + count
    return _bounded(result)


def _product(polys: Iterable[Poly]) -> Poly:
    result: Poly = {_NOTHING: 1}
    for poly in polys:
        if len(poly) == 1 and _NOTHING in poly:  # plain text, by far the most frequent part
            factor = poly[_NOTHING]
            result = {variables: count * factor for variables, count in result.items()}
        else:
            result = multiply(result, poly)
    return result


def multiply(left: Poly, right: Poly) -> Poly:
    """Return the product of two polynomials: counts multiplied, sets of variables united."""
    result: Poly = {}
    for left_variables, left_count in left.items():
        for right_variables, right_count in right.items():
            union = left_variables | right_variables
            result[union] = result.get(union, 0) + left_count * right_count
        _bounded(result)
    return result


def _bounded(poly: Poly) -> Poly:
    if len(poly) > MAX_SETS:
        raise TooLargeError("E158", f"more than {MAX_SETS:,} combinations of word lists meet in one text")
    return poly


def refuse_huge(node: Bound) -> None:
    """Refuse a tree whose longest text is out of bounds, before anything tries to count or draw it.

    Raises:
        TooLargeError: a text of more than 4,000 characters, or one with more than 400 choices in it.
    """
    n_characters, n_forks = _longest(node, {})
    if n_forks > MAX_FORKS:
        raise TooLargeError("E157", f"a text with more than {MAX_FORKS} choices in it")
    if n_characters > MAX_CHARACTERS:
        raise TooLargeError("E157", f"a text of more than {MAX_CHARACTERS:,} characters")


def _longest(node: Bound, seen: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Return the most characters and the most forks on any way through `node`."""
    if id(node) not in seen:
        match node:
            case Text(text):
                size = (len(text), 0)
            case Number(_, high):
                size = (len(str(high)), 1)
            case Word():
                size = (max(map(len, node.texts), default=0), 1)
            case Choice(options):
                below = [_longest(option.node, seen) for option in options]
                size = (max((n for n, _ in below), default=0), 1 + max((n for _, n in below), default=0))
            case Sequence(parts):
                below = [_longest(part, seen) for part in parts]
                size = (sum(n for n, _ in below), sum(n for _, n in below))
        seen[id(node)] = size
    return seen[id(node)]
