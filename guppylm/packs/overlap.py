"""Turns many trees into the prompts that two of them can both say.

A prompt that belongs to two topics teaches a model to guess, and a held-out prompt that some topic also asks makes
the examination a lie. To list all prompts is out of the question (a topic has millions), so all trees are read at
once, as one big automaton. A front holds every point in every tree at which we could be after the same beginning;
it moves on by as many characters as all points agree on. A front that concerns one owner only is dropped, and one
that was met before is not followed again, so 60 topics cost well under a second.

Two things keep fronts small. A phrase that hundreds of lines begin with is entered once, with all the ways to go on
behind it (an `Exit`), and not once for each line. And what is behind a point is shared between all points that
continue alike (a `Rest`), so equal points are the same objects and fronts can be compared.

Words are remembered only where it matters: for lists that can occur twice in one text, where `<food> and <food>` must
be the same food and `<food> and <food2>` must not.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache

from guppylm.packs.grammar import Bound, Variable, Word, WordList
from guppylm.packs.lang import Choice, Number, Option, Sequence, Text
from guppylm.packs.normalise import spaced

MAX_FRONTS = 100_000  # of a small pack
MAX_FRONTS_A_LINE = 15  # of a large one: what is many grows with what there is
MANY_WAYS = 16


class Rest:
    """A node and what comes after it. Made once for each pair, so compared by identity."""

    __slots__ = ("after", "node")

    def __init__(self, node: Bound, after: Rest | None) -> None:
        self.node, self.after = node, after


class Exit:
    """What can follow when a Rest is done: other rests, or the end of an owner's text. Compared by identity."""

    __slots__ = ("owners", "ways")

    def __init__(self, ways: frozenset[tuple[Rest | None, Exit]], owners: frozenset[str]) -> None:
        self.ways, self.owners = ways, owners


Words = frozenset[tuple[Variable, int]]


class Arrival:
    """Where a point goes on: a space due or not, what follows, where that leads, the words so far. One of a kind."""

    __slots__ = ("due", "exit", "rest", "words")

    def __init__(self, due: bool, rest: Rest | None, exit: Exit, words: Words) -> None:
        self.due, self.rest, self.exit, self.words = due, rest, exit, words


Point = tuple[str, Arrival]  # the letters that come next, and what comes then; without letters a text ends here
Front = frozenset[Point]


class TooManyPromptsError(ValueError):
    """The trees have too much in common to be compared exactly."""


def shared_texts(
    trees: Mapping[str, Bound], *, limit: int = 20, n_each: int = 1, quiet: Collection[str] = ()
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (normalised text, owners) for texts that more than one owner's tree can say.

    They are of at most `limit` sets of owners, up to `n_each` of one. What only `quiet` owners share is not reported.

    Raises:
        TooManyPromptsError: more fronts than we are willing to follow.
    """
    reported: dict[tuple[str, ...], int] = {}
    for text, found in _Reader(trees, quiet).shared():
        owners = tuple(sorted(found))
        if reported.get(owners, 0) < n_each:
            reported[owners] = reported.get(owners, 0) + 1
            yield text, owners
            if len(reported) >= limit and all(n >= n_each for n in reported.values()):
                return


class _Reader:
    """Reads all trees at once."""

    def __init__(self, trees: Mapping[str, Bound], quiet: Collection[str] = ()) -> None:
        self._quiet = frozenset(quiet)
        self._rests: dict[tuple[int, Rest | None], Rest] = {}
        self._exits: dict[frozenset[tuple[Rest | None, Exit]], Exit] = {}
        self._arrivals: dict[tuple[bool, Rest | None, Exit, Words], Arrival] = {}
        self._unfolded: dict[frozenset[Arrival], Front] = {}
        self._leaves: dict[int, list[tuple[bool, str, bool, Words]]] = {}
        seen: dict[int, dict[WordList, int]] = {}
        counts = [_most_uses(tree, seen) for tree in trees.values()]
        self._repeated = {words for count in counts for words, n_uses in count.items() if n_uses > 1}
        n_lines = sum(len(tree.options) if isinstance(tree, Choice) else 1 for tree in trees.values())
        self._n_most = max(MAX_FRONTS, MAX_FRONTS_A_LINE * n_lines)
        ends = {owner: Exit(frozenset(), frozenset((owner,))) for owner in trees}
        begin = frozenset(
            self._arrival(False, self._rest(tree, None), ends[owner], frozenset()) for owner, tree in trees.items()
        )
        # A space before the first letter is no space.
        self.start = frozenset((letters.lstrip(" "), arrival) for letters, arrival in self._unfold(begin))

    def shared(self) -> Iterator[tuple[str, set[str]]]:
        """Yield texts at whose end trees of two or more owners are complete."""
        seen: set[Front] = {self.start}
        todo: list[tuple[str, Front]] = [("", self.start)]
        while todo:
            text, front = todo.pop()
            complete = {owner for letters, arrival in front if not letters for owner in arrival.exit.owners}
            if self._is_news(complete):
                yield text, complete
            for characters, behind in self._advance(front):
                if behind not in seen and self._matters(behind):
                    seen.add(behind)
                    todo.append((text + characters, behind))
            if len(seen) > self._n_most:
                raise TooManyPromptsError("too many prompts to compare")

    def _is_news(self, owners: Collection[str]) -> bool:
        return len(owners) > 1 and not self._quiet.issuperset(owners)

    def _matters(self, points: Iterable[Point]) -> bool:
        """Tell whether something worth reporting could still come of these points."""
        owners: set[str] = set()
        for _, arrival in points:
            owners |= arrival.exit.owners
            if self._is_news(owners):
                return True
        return False

    def _advance(self, front: Front) -> Iterator[tuple[str, Front]]:
        """Yield the characters that can come next, as many at a time as all agree on, and the front behind them."""
        by_beginning: dict[str, list[Point]] = {}
        for point in front:
            letters = point[0]
            if letters:  # behind a space there is always a letter
                by_beginning.setdefault(letters[:2] if letters[0] == " " else letters[0], []).append(point)
        for points in by_beginning.values():
            if not self._matters(points):
                continue
            characters = os.path.commonprefix([letters for letters, _ in points])
            n = len(characters)
            inside = frozenset((letters[n:], arrival) for letters, arrival in points if len(letters) > n)
            done = frozenset(arrival for letters, arrival in points if len(letters) == n)
            behind = self._unfold(done) if done else inside
            yield characters, behind | inside if inside else behind  # the very same front, where that is possible

    def _unfold(self, arrivals: frozenset[Arrival]) -> Front:
        """Return the points at the next letters that can come, walking over what is empty."""
        if arrivals not in self._unfolded:
            # What hundreds of lines go on behind is unfolded by itself, once, whatever else arrives beside it.
            busy = [arrival for arrival in arrivals if arrival.rest is None and len(arrival.exit.ways) > MANY_WAYS]
            if busy and len(arrivals) > 1:
                parts = [frozenset((arrival,)) for arrival in busy]
                parts.append(arrivals.difference(busy))
                self._unfolded[arrivals] = frozenset().union(*map(self._unfold, parts))
            else:
                self._unfolded[arrivals] = frozenset(self._next_points(arrivals))
        return self._unfolded[arrivals]

    def _next_points(self, arrivals: frozenset[Arrival]) -> set[Point]:
        points: set[Point] = set()
        seen: set[Arrival] = set(arrivals)
        todo = list(arrivals)

        def arrive(due: bool, rest: Rest | None, exit: Exit, words: Words) -> None:
            arrival = self._arrival(due, rest, exit, words)
            if arrival not in seen:
                seen.add(arrival)
                todo.append(arrival)

        while todo:
            # Choices are kept back until everything else is unfolded, so that each is entered once.
            choices: dict[tuple[bool, Choice, Words], set[tuple[Rest | None, Exit]]] = {}
            while todo:
                arrival = todo.pop()
                due, rest, exit, words = arrival.due, arrival.rest, arrival.exit, arrival.words
                if rest is None:
                    if not exit.ways:
                        points.add(("", arrival))
                    for next_rest, next_exit in exit.ways:
                        arrive(due, next_rest, next_exit, words)
                elif isinstance(rest.node, Choice):
                    choices.setdefault((due, rest.node, words), set()).add((rest.after, exit))
                elif isinstance(rest.node, Number):
                    digits = _digits(str(rest.node.low), str(rest.node.high))
                    arrive(due, self._rest(digits, rest.after), exit, words)
                elif isinstance(rest.node, Sequence):
                    after = rest.after
                    for part in reversed(rest.node.parts):
                        after = self._rest(part, after)
                    arrive(due, after, exit, words)
                else:
                    for before, letters, behind, new_words in self._leaf(rest.node, words):
                        with_words = words | new_words if new_words else words
                        if letters:
                            then = self._arrival(behind, rest.after, exit, with_words)
                            points.add((" " + letters if due or before else letters, then))
                        else:
                            arrive(due or before, rest.after, exit, with_words)
            for (due, choice, words), ways in choices.items():
                exit = self._exit(frozenset(ways))
                for option in choice.options:
                    arrive(due, self._rest(option.node, None), exit, words)
        return points

    def _arrival(self, *parts: bool | Rest | Exit | Words | None) -> Arrival:
        if parts not in self._arrivals:
            self._arrivals[parts] = Arrival(*parts)
        return self._arrivals[parts]

    def _rest(self, node: Bound, after: Rest | None) -> Rest:
        key = (id(node), after)
        if key not in self._rests:
            self._rests[key] = Rest(node, after)
        return self._rests[key]

    def _exit(self, ways: frozenset[tuple[Rest | None, Exit]]) -> Exit:
        if ways not in self._exits:
            self._exits[ways] = Exit(ways, frozenset().union(*(exit.owners for _, exit in ways)))
        return self._exits[ways]

    def _leaf(self, node: Text | Word, words: Words) -> list[tuple[bool, str, bool, Words]]:
        """Return everything a leaf can read as: (a space before, the letters, a space behind, the words it adds)."""
        if isinstance(node, Word) and node.list in self._repeated:
            known = dict(words)
            taken = {entry for (words_list, _), entry in words if words_list is node.list}
            return [
                (*_parts(text), frozenset(((node.variable, entry),)))
                for entry, text in enumerate(node.texts)
                if known.get(node.variable) == entry or (node.variable not in known and entry not in taken)
            ]
        if id(node) not in self._leaves:
            texts = node.texts if isinstance(node, Word) else (node.text,)
            self._leaves[id(node)] = [(*parts, frozenset()) for parts in sorted(set(map(_parts, texts)))]
        return self._leaves[id(node)]


@lru_cache(maxsize=4096)
def _digits(low: str, high: str) -> Bound:
    """Return a tree that says every number from `low` to `high`, digit by digit: ten branches and not ten thousand."""
    if len(low) < len(high):
        return _choice(_digits(low, "9" * len(low)), _digits("1" + "0" * len(low), high))
    if not low:
        return Text("")
    options = []
    for digit in map(str, range(int(low[0]), int(high[0]) + 1)):
        first = low[1:] if digit == low[0] else "0" * len(low[1:])
        last = high[1:] if digit == high[0] else "9" * len(high[1:])
        options.append(Sequence((Text(digit), _digits(first, last))))
    return _choice(*options)


def _choice(*nodes: Bound) -> Choice:
    return Choice(tuple(Option(1, node) for node in nodes))


def _parts(piece: str) -> tuple[bool, str, bool]:
    piece = spaced(piece)
    return piece.startswith(" "), " ".join(piece.split()), piece.endswith(" ")


def _most_uses(node: Bound, seen: dict[int, dict[WordList, int]]) -> dict[WordList, int]:
    """Return for each list how often it can occur in one text, at most."""
    if id(node) not in seen:
        uses: dict[WordList, int] = {}
        if isinstance(node, Word):
            uses[node.list] = 1
        elif isinstance(node, Choice):
            for option in node.options:
                for words, n_uses in _most_uses(option.node, seen).items():
                    uses[words] = max(n_uses, uses.get(words, 0))
        elif isinstance(node, Sequence):
            for part in node.parts:
                for words, n_uses in _most_uses(part, seen).items():
                    uses[words] = n_uses + uses.get(words, 0)
        seen[id(node)] = uses
    return seen[id(node)]
