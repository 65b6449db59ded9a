"""Turns a text back into the choices that could have made it: which topic can be asked this, does this reply fit.

A matcher walks tree and text together and keeps the set of all states it could be in. A state is where in the text we
are, whether a space is due, and which words the variables stand for so far. No regular expression takes part and no
state is visited twice, so no pack can make it blow up: a cap on visits turns the rare monster into "unknown".

By default texts are compared normalised (normalise.py), as people's messages have to be; replies can be compared
exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from guppylm.packs.grammar import Bound, Variable, Word
from guppylm.packs.lang import Choice, Number, Sequence, Text
from guppylm.packs.normalise import normalise, spaced, squeeze

MAX_VISITS = 200_000

Words = frozenset[tuple[Variable, int]]
State = tuple[int, bool, Words]  # position in the text, whether a space is due before the next character, words


class TooManyStatesError(ValueError):
    """The text could be matched in more ways than we are willing to follow."""


class Recogniser:
    """Matches one text against many trees.

    Args:
        text: what was said.
        exact: compare character by character (with runs of spaces as one) instead of normalised.

    Raises (from the methods): TooManyStatesError.
    """

    def __init__(self, text: str, *, exact: bool = False) -> None:
        self.exact = exact
        self.text = squeeze(text) if exact else normalise(text)
        self._seen: dict[tuple[int, State], frozenset[State]] = {}
        self._nodes: list[Bound] = []  # keeps the ids in `_seen` from being used again
        self._n_visits, self._n_most = 0, MAX_VISITS

    def matches(self, tree: Bound, words: Mapping[Variable, int] | None = None) -> Iterator[dict[Variable, int]]:
        """Yield the words with which `tree` says the text, once for each way to fill its variables.

        With `words` (those of the prompt), only ways that agree with them: does this reply fit this prompt?
        """
        start: State = (0, False, frozenset((words or {}).items()))
        for position, _, found in self._ends(tree, start):
            if position == len(self.text):
                yield dict(found)

    def fits(self, tree: Bound, words: Mapping[Variable, int] | None = None) -> bool:
        """Tell whether `tree` can say the text."""
        return any(True for _ in self.matches(tree, words))

    def _ends(self, node: Bound, state: State) -> frozenset[State]:
        key = (id(node), state)
        known = self._seen.get(key)
        if known is None:
            self._n_visits += 1
            if self._n_visits > self._n_most:
                raise TooManyStatesError(f"more than {self._n_most:,} ways to read {self.text[:40]!r}")
            known = self._seen[key] = frozenset(self._step(node, state))
            self._nodes.append(node)
        return known

    def _step(self, node: Bound, state: State) -> Iterator[State]:
        match node:
            case Text(text):
                yield from self._after(text, state)
            case Number(low, high):
                yield from self._after_number(low, high, state)
            case Word():
                yield from self._after_word(node, state)
            case Choice(options):
                for option in options:
                    yield from self._ends(option.node, state)
            case Sequence(parts):
                states = {state}
                for part in parts:
                    states = {end for begin in states for end in self._ends(part, begin)}
                yield from states

    def _after_word(self, node: Word, state: State) -> Iterator[State]:
        """A variable that has a word must read so again; another one may be any word not taken in its list."""
        words = state[2]
        known = dict(words)
        if node.variable in known:
            yield from self._after(node.texts[known[node.variable]], state)
            return
        taken = {entry for (words_list, _), entry in words if words_list is node.list}
        for entry, text in enumerate(node.texts):
            if entry not in taken:
                for end, end_due, _ in self._after(text, state):
                    yield end, end_due, words | {(node.variable, entry)}

    def _after_number(self, low: int, high: int, state: State) -> Iterator[State]:
        position, due, _ = state
        begin = self._skip_space(position, due)
        if begin is None:
            return
        for end in range(begin + 1, min(begin + 10, len(self.text) + 1)):
            digits = self.text[begin:end]
            if not (digits.isascii() and digits.isdigit()):
                return
            if low <= int(digits) <= high and str(int(digits)) == digits:
                yield from self._after(digits, state)

    def _after(self, piece: str, state: State) -> Iterator[State]:
        """Yield the state behind `piece`, if the text goes on with it."""
        position, due, words = state
        piece = piece if self.exact else spaced(piece)
        core = " ".join(part for part in piece.split(" ") if part)
        due = due or piece.startswith(" ")
        if not core:
            yield position, due, words
            return
        begin = self._skip_space(position, due)
        if begin is not None and self.text.startswith(core, begin):
            yield begin + len(core), piece.endswith(" "), words

    def _skip_space(self, position: int, due: bool) -> int | None:
        """Return where the next character stands, or None when a space is due and there is none."""
        if not due or position == 0:
            return position
        return position + 1 if self.text.startswith(" ", position) else None


class ManyRecogniser(Recogniser):
    """Matches many texts against a tree at once: what they begin with in common is read once.

    A position is here a node of the tree of all texts, letter by letter (a trie), in place of a place in one text.

    Args:
        texts: what was said; compared normalised. Texts of which nothing is left are never found.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        super().__init__("")
        self._next: list[dict[str, int]] = [{}]  # node -> letter -> node; 0 is where all texts begin
        self._whole: dict[int, list[str]] = {}  # node -> the texts that end there
        for text in texts:
            if normalised := normalise(text):
                self._whole.setdefault(self._add(normalised), []).append(text)
        self._n_most = MAX_VISITS * min(1 + len(self._whole), 20)

    def _add(self, text: str) -> int:
        node = 0
        for letter in text:
            if letter not in self._next[node]:
                self._next[node][letter] = len(self._next)
                self._next.append({})
            node = self._next[node][letter]
        return node

    def found(self, tree: Bound) -> list[str]:
        """Return the texts that `tree` can say."""
        ends = {position for position, _, _ in self._ends(tree, (0, False, frozenset()))}
        return [text for position in sorted(ends & self._whole.keys()) for text in self._whole[position]]

    def _after(self, piece: str, state: State) -> Iterator[State]:
        position, due, words = state
        piece = spaced(piece)
        core = " ".join(part for part in piece.split(" ") if part)
        due = due or piece.startswith(" ")
        if not core:
            yield position, due, words
            return
        end = self._skip_space(position, due)
        for letter in core:
            if end is None:
                return
            end = self._next[end].get(letter)
        if end is not None:
            yield end, piece.endswith(" "), words

    def _after_number(self, low: int, high: int, state: State) -> Iterator[State]:
        position, due, words = state
        begin = self._skip_space(position, due)
        reached = [(begin, "")] if begin is not None else []
        while reached:
            node, digits = reached.pop()
            if digits and low <= int(digits) <= high and str(int(digits)) == digits:
                yield node, False, words
            if len(digits) < 9:
                more = ((self._next[node].get(digit), digits + digit) for digit in "0123456789")
                reached += [(child, longer) for child, longer in more if child is not None]

    def _skip_space(self, position: int, due: bool) -> int | None:
        return position if not due or position == 0 else self._next[position].get(" ")
