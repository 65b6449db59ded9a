"""Turns a tree and a random generator into texts, one after another, none twice.

    Every fork is taken by its weights for as long as it still has something new to say.

A fork is a place with two or more alternatives: a choice, a number range, the first use of a word. The forks taken
on the way to a text are a path; the paths used so far are kept in a trie. Where every continuation of an
alternative has been used it is spent, and never taken again. So drawing needs no rejection, slows down nowhere, and
ends exactly when everything has been said. (A simplified UniqueRandomizer: Shi, Bieber and Sutton, ICML 2020.)

How the alternatives of a choice share, besides the weights an author writes, is the pack's `mode`:

    even      all the same
    balanced  by the integer square root of the number of texts behind them: many-sided lines more often, plain
              ones still regularly
    rich      by the number of texts behind them
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Iterator
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from itertools import accumulate

from guppylm.packs.count import Counter
from guppylm.packs.grammar import Bound, Variable, Word, WordList
from guppylm.packs.lang import Choice, Sequence, Text
from guppylm.packs.normalise import squeeze
from guppylm.packs.pack import Mode

_SPENT = ()  # what stands in the trie where nothing new can follow: a tail without any forks in it
_N_TRIES = 8


@dataclass(frozen=True, slots=True)
class Drawn:
    """Texts that belong together (a prompt and its reply), and what was chosen to make them.

    Attributes:
        texts: one for each tree.
        lines: for each text the places of the lines it was made from, the outermost first.
        words: the entry that every variable stands for.
    """

    texts: tuple[str, ...]
    lines: tuple[tuple[object, ...], ...]
    words: dict[Variable, int]


class _Fork:
    """A node of the trie: for each alternative that was taken, what is known of the paths behind it.

    A child is another fork, or a tail: the remaining choices of the only path that went there so far. Most paths are
    never met again, so most of the trie is tails, which is why it fits into memory.
    """

    __slots__ = ("children", "n_spent")

    def __init__(self) -> None:
        self.children: dict[int, _Fork | tuple[int, ...]] = {}
        self.n_spent = 0


class Shares:
    """How the alternatives of choices share, by a mode. Remembers what it worked out; drawers may have one together."""

    def __init__(self, mode: Mode, counter: Counter) -> None:
        self.mode = mode
        self.counter = counter
        self.known: dict[int, list[int]] = {}  # id of a choice -> its totals
        self._choices: list[Choice] = []  # keeps those ids from being used again

    def totals(self, choice: Choice) -> list[int]:
        """Return the running total of the shares of a choice's options."""
        if id(choice) not in self.known:
            self._choices.append(choice)
            shares = (self.share(option.weight, option.node) for option in choice.options)
            self.known[id(choice)] = list(accumulate(shares))
        return self.known[id(choice)]

    def share(self, weight: int, node: Bound) -> int:
        """Return the share of an alternative that was given this weight."""
        if self.mode == "even":
            return weight
        n_texts = self.counter.total(node)
        return weight * (n_texts if self.mode == "rich" else math.isqrt(n_texts))


class Drawer:
    """Draws from the trees of one exchange, given in the order in which they are said.

    Args:
        trees: for instance the prompts and the replies of a scene. They share their variables.
        rng: where the chances come from. The same state gives the same texts.
        shares: how alternatives share.
    """

    def __init__(self, trees: SequenceOf[Bound], rng: random.Random, shares: Shares) -> None:
        self.trees = tuple(trees)
        self.rng = rng
        self.shares = shares
        self._above = _Fork()  # holds the trie as its child 0, so that the root can be spent like any other

    @property
    def is_spent(self) -> bool:
        return self._above.n_spent > 0

    def __iter__(self) -> Iterator[Drawn]:
        while not self.is_spent:
            yield self.draw()

    def draw(self) -> Drawn:
        """Return the next texts. Ask `is_spent` first."""
        walk = _Walk(self)
        texts, lines = zip(*map(walk.say, self.trees), strict=True)
        walk.remember()
        return Drawn(texts, lines, walk.words)


class _Walk:
    """One way through the trees, and what it leaves in the trie."""

    def __init__(self, drawer: Drawer) -> None:
        self.drawer = drawer
        self.random = drawer.rng.random
        self.words: dict[Variable, int] = {}
        self._taken: dict[WordList, list[int]] = {}
        self._path: list[tuple[_Fork, int, int]] = []  # fork, alternative taken, number of alternatives
        self._parent, self._via = drawer._above, 0  # where what comes next hangs
        self._next: _Fork | tuple[int, ...] | None = drawer._above.children.get(0)
        self._path.append((drawer._above, 0, 1))
        self._fresh: list[int] = []  # the choices made since the walk left the known part of the trie

    def say(self, tree: Bound) -> tuple[str, tuple[object, ...]]:
        """Return the text on a way through `tree`, and the places of the lines it came by."""
        pieces: list[str] = []
        lines: list[object] = []
        todo = [tree]
        known = self.drawer.shares.known
        while todo:
            node = todo.pop()
            kind = type(node)
            if kind is Text:
                pieces.append(node.text)
            elif kind is Sequence:
                todo.extend(node.parts[::-1])
            elif kind is Choice:
                shares = known.get(id(node)) or self.drawer.shares.totals(node)
                if self._next is None and len(shares) > 1:  # as _choose does, for the most frequent case of all
                    taken = bisect_right(shares, int(self.random() * shares[-1]))
                    self._fresh.append(taken)
                    option = node.options[taken]
                else:
                    option = node.options[self._choose(len(shares), shares, None)]
                if option.place is not None:
                    lines.append(option.place)
                todo.append(option.node)
            elif kind is Word:
                pieces.append(node.texts[self._word(node)])
            else:
                pieces.append(str(node.low + self._choose(node.high - node.low + 1, None, None)))
        return squeeze("".join(pieces)), tuple(lines)

    def _word(self, node: Word) -> int:
        """Return the entry this variable stands for, choosing it at its first use."""
        variable = node.variable
        entry = self.words.get(variable)
        if entry is None:
            taken = self._taken.setdefault(node.list, [])
            entry = self.words[variable] = self._choose(len(node.texts), None, taken)
            taken.append(entry)
        return entry

    def _choose(self, n: int, shares: list[int] | None, taken: list[int] | None) -> int:
        """Choose one of `n` alternatives that is neither taken by another variable nor spent."""
        n_open = n - len(taken) if taken else n
        if n_open == 1 and not taken:
            return 0
        if n_open == 1:
            return next(entry for entry in range(n) if entry not in taken)
        fork = self._fork()
        closed = fork.children if fork is not None else {}
        choice = self._pick(n, shares, taken, closed)
        if fork is None:
            self._fresh.append(choice)
        else:
            self._path.append((fork, choice, n_open))
            self._parent, self._via = fork, choice
            self._next = fork.children.get(choice)
        return choice

    def _fork(self) -> _Fork | None:
        """Return the fork of the trie that we stand at, or None when no path has come this way before."""
        here = self._next
        if type(here) is tuple:  # a single path: make its next fork a real one
            fork = _Fork()
            fork.children[here[0]] = here[1:]
            fork.n_spent = here[1:] == _SPENT
            self._parent.children[self._via] = self._next = fork
            return fork
        return here

    def _pick(self, n: int, shares: list[int] | None, taken: list[int] | None, closed: dict) -> int:
        for _ in range(_N_TRIES):  # almost always the first try is open
            if shares is None:
                choice = int(self.random() * n)
            else:
                choice = bisect_right(shares, int(self.random() * shares[-1]))
            if not (taken and choice in taken) and closed.get(choice) != _SPENT:
                return choice
        free = [c for c in range(n) if not (taken and c in taken) and closed.get(c) != _SPENT]
        weights = [1 if shares is None else shares[c] - (shares[c - 1] if c else 0) for c in free]
        totals = list(accumulate(weights))
        return free[bisect_right(totals, int(self.random() * totals[-1]))]

    def remember(self) -> None:
        """Write the finished path into the trie, and close what it has exhausted."""
        child: tuple[int, ...] = tuple(self._fresh)
        for fork, choice, n_alternatives in reversed(self._path):
            fork.children[choice] = child
            if child != _SPENT:
                return
            fork.n_spent += 1
            if fork.n_spent < n_alternatives:
                return
