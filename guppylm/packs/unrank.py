"""Turns a rank into the text with that number: the way to name, list and test every text of a tree.

The ranks of a tree are cut into blocks, one for each set of variables (see count.py); inside a block the words come
first, by mixed radix over the words not yet taken, and then the shape: which alternative at each choice, which
number in each range. Nothing is stored, so text 34,559,338 costs as much as text 0.
"""

from __future__ import annotations

from collections.abc import Iterator

from guppylm.packs.count import Counter, Poly, Variables, fillings, multiply
from guppylm.packs.grammar import Bound, Variable, Word
from guppylm.packs.lang import Choice, Number, Sequence, Text
from guppylm.packs.normalise import squeeze

Words = dict[Variable, int]  # the entry each variable stands for


def unrank(node: Bound, rank: int, counter: Counter) -> str:
    """Return text number `rank` of `node`.

    Raises:
        IndexError: there are not that many.
    """
    if rank < 0:
        raise IndexError(f"no text number {rank}")
    left = rank
    for variables, n_shapes in _blocks(counter.poly(node)):
        size = n_shapes * fillings(variables)
        if left < size:
            n_filling, n_shape = divmod(left, n_shapes)
            words = _fill(variables, n_filling)
            return squeeze("".join(_pieces(node, variables, n_shape, words, counter)))
        left -= size
    raise IndexError(f"no text number {rank}: there are {rank - left:,}")


def every_text(node: Bound, counter: Counter) -> Iterator[str]:
    """Yield the text of every derivation, in order of rank. Some may be equal."""
    for rank in range(counter.total(node)):
        yield unrank(node, rank, counter)


def _key(variable: Variable) -> tuple[str, int]:
    return variable[0].name, variable[1]


def _blocks(poly: Poly) -> list[tuple[Variables, int]]:
    """Return the blocks of a polynomial in an order that is the same in every process."""
    return sorted(poly.items(), key=lambda block: sorted(map(_key, block[0])))


def _fill(variables: Variables, rank: int) -> Words:
    words: Words = {}
    taken: dict[object, list[int]] = {}
    for variable in sorted(variables, key=_key):
        used = taken.setdefault(variable[0], [])
        free = [entry for entry in range(len(variable[0].entries)) if entry not in used]
        rank, position = divmod(rank, len(free))
        words[variable] = free[position]
        used.append(free[position])
    return words


def _pieces(node: Bound, want: Variables, rank: int, words: Words, counter: Counter) -> Iterator[str]:
    """Yield the pieces of shape number `rank` among those of `node` that use exactly the variables `want`."""
    match node:
        case Text(text):
            yield text
        case Number(low, _):
            yield str(low + rank)
        case Word():
            yield node.texts[words[node.variable]]
        case Choice(options):
            for option in options:
                n_shapes = counter.poly(option.node).get(want, 0)
                if rank < n_shapes:
                    yield from _pieces(option.node, want, rank, words, counter)
                    return
                rank -= n_shapes
        case Sequence(parts):
            yield from _sequence_pieces(parts, want, rank, words, counter)


def _sequence_pieces(
    parts: tuple[Bound, ...], want: Variables, rank: int, words: Words, counter: Counter
) -> Iterator[str]:
    """Split `want` between the first part and the rest in every way that fits, and go down the right one."""
    if not parts:
        return
    first, rest = parts[0], parts[1:]
    rest_poly: Poly = {frozenset(): 1}
    for part in rest:
        rest_poly = multiply(rest_poly, counter.poly(part))
    for first_want, n_first in _blocks(counter.poly(first)):
        if not first_want <= want:
            continue
        for rest_want, n_rest in _blocks(rest_poly):
            if first_want | rest_want != want:
                continue
            if rank < n_first * n_rest:
                first_rank, rest_rank = divmod(rank, n_rest)
                yield from _pieces(first, first_want, first_rank, words, counter)
                yield from _sequence_pieces(rest, rest_want, rest_rank, words, counter)
                return
            rank -= n_first * n_rest
