"""Turns a tree and many phrases into those of them that some text of the tree contains.

style.py looks for one phrase and brings a witness. To look for twenty in sixty topics, one after another,
would take seconds; here all are looked for at once (Aho and Corasick, 1975), and style.py is asked only
about the few that are really there. Like there, the automaton runs over the tree and not over texts, so the
answer is exact.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection

from guppylm.packs.grammar import Bound
from guppylm.packs.lang import Choice, Sequence
from guppylm.packs.normalise import normalise, spaced
from guppylm.packs.style import leaf_texts

Reached = tuple[frozenset[int], frozenset[str]]  # states behind a node, phrases completed on the way


class Sieve:
    """Looks for many phrases at once.

    Args:
        phrases: with letters, they are looked for as whole words in any case; without, as they stand.
    """

    def __init__(self, phrases: Collection[str]) -> None:
        worded = {f" {normalise(phrase)} ": phrase for phrase in phrases if any(map(str.isalpha, phrase))}
        plain = {phrase: phrase for phrase in phrases if not any(map(str.isalpha, phrase))}
        self._automata = [_Automaton(worded, spaced, " "), _Automaton(plain, str, "")]

    def find(self, tree: Bound) -> set[str]:
        """Return the phrases that stand in some text of the tree."""
        return {phrase for automaton in self._automata for phrase in automaton.find(tree)}


class _Automaton:
    """One automaton for many needles. A state is the longest beginning of a needle just read."""

    def __init__(self, needles: dict[str, str], reading: Callable[[str], str], closing: str) -> None:
        self.reading, self.closing = reading, closing
        self.next: list[dict[str, int]] = [{}]
        self.text = [""]
        self.hits: list[set[str]] = [set()]
        for needle, phrase in needles.items():
            if needle.strip():
                self._add(needle, phrase)
        self.fallback = self._fallbacks()
        self.jumps: dict[tuple[int, str], tuple[int, frozenset[str]]] = {}
        # Trees share branches, so what is behind a node is remembered; with the node, whose id would else be reused.
        self.seen: dict[tuple[int, int], tuple[Bound, Reached]] = {}

    def _add(self, needle: str, phrase: str) -> None:
        state = 0
        for character in needle:
            if character not in self.next[state]:
                self.next[state][character] = len(self.next)
                self.next.append({})
                self.text.append(self.text[state] + character)
                self.hits.append(set())
            state = self.next[state][character]
        self.hits[state].add(phrase)

    def _fallbacks(self) -> list[int]:
        """Return for each state the longest other state that it ends with, which lends it its hits."""
        fallback = [0] * len(self.next)
        waiting = deque(self.next[0].values())
        while waiting:
            state = waiting.popleft()
            self.hits[state] |= self.hits[fallback[state]]
            for character, following in self.next[state].items():
                shorter = fallback[state]
                while shorter and character not in self.next[shorter]:
                    shorter = fallback[shorter]
                fallback[following] = self.next[shorter].get(character, 0)
                waiting.append(following)
        return fallback

    def find(self, tree: Bound) -> frozenset[str]:
        if len(self.next) == 1:
            return frozenset()
        start, _ = self._advance(0, self.closing)
        states, found = self._behind(tree, start)
        return found.union(*(self._advance(state, self.closing)[1] for state in states))

    def _behind(self, node: Bound, state: int) -> Reached:
        """Return the states that can be reached behind a node, and the phrases completed on some way there."""
        key = (id(node), state)
        known = self.seen.get(key)
        if known is not None:
            return known[1]
        if isinstance(node, Choice):
            reached = [self._behind(option.node, state) for option in node.options]
            states = frozenset().union(*(after for after, _ in reached))
            found = frozenset().union(*(hits for _, hits in reached))
        elif isinstance(node, Sequence):
            states, found = frozenset((state,)), frozenset()
            for part in node.parts:
                reached = [self._behind(part, before) for before in states]
                states = frozenset().union(*(after for after, _ in reached))
                found = found.union(*(hits for _, hits in reached))
        else:
            jumps = [self._advance(state, piece) for piece in leaf_texts(node)]
            states = frozenset(after for after, _ in jumps)
            found = frozenset().union(*(hits for _, hits in jumps))
        self.seen[key] = (node, (states, found))
        return states, found

    def _advance(self, state: int, piece: str) -> tuple[int, frozenset[str]]:
        """Return the state behind a piece, and the phrases completed in it."""
        key = (state, piece)
        known = self.jumps.get(key)
        if known is None:
            hits: set[str] = set()
            for character in self.reading(piece):
                if character == " " and self.text[state].endswith(" "):
                    continue  # runs of spaces are one space
                while state and character not in self.next[state]:
                    state = self.fallback[state]
                state = self.next[state].get(character, 0)
                hits |= self.hits[state]
            known = self.jumps[key] = (state, frozenset(hits))
        return known
