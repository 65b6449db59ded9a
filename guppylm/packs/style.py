"""Turns a tree and a rule of voice into a text that breaks the rule, or the proof that none does.

A rule such as "never says `language model`" must hold for every text a tree can make, also for those in which the
words meet only by chance: one phrase ends in `language`, the next begins with `model`. So a search automaton (Knuth,
Morris and Pratt, 1977) is run over the tree instead of over texts: for each node and each state the search can be in
before it, the states it can be in behind it, with one witness each. That is exact, and takes a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from guppylm.packs.grammar import Bound, Word
from guppylm.packs.lang import Choice, Number, Sequence, Text
from guppylm.packs.normalise import normalise, spaced, squeeze

State = Hashable
Ends = dict[State, str]  # state behind a node -> a text that leads there


def find_phrase(tree: Bound, phrase: str) -> str | None:
    """Return a text of `tree` that contains `phrase`, or None when there is none.

    A phrase with letters is looked for as whole words, whatever their case and punctuation; one without letters as
    it stands.
    """
    if any(character.isalpha() for character in phrase):
        return _search(tree, f" {normalise(phrase)} ", lambda piece: spaced(piece), closing=" ")
    return _search(tree, phrase, lambda piece: piece, closing="")


def find_characters(tree: Bound, characters: str) -> str | None:
    """Return a text of `tree` in which exactly these characters stand together, or None."""
    return _search(tree, characters, lambda piece: piece, closing="")


def _search(tree: Bound, needle: str, reading: Callable[[str], str], *, closing: str) -> str | None:
    """Run the search for `needle` over the tree. `closing` is what stands before and behind every text."""
    if not needle.strip():
        return None
    fallback = _fallbacks(needle)
    found = len(needle)
    jumps: dict[tuple[int, str], int] = {}

    def advance(state: int, piece: str) -> int:
        key = (state, piece)
        if key not in jumps:
            for character in reading(piece):
                # Runs of spaces are one space: a second one changes nothing.
                if state == found or (character == " " and state and needle[state - 1] == " "):
                    continue
                while state and needle[state] != character:
                    state = fallback[state]
                state += needle[state] == character
            jumps[key] = state
        return jumps[key]

    ends = _run(tree, {advance(0, closing): ""}, advance)
    for state, text in ends.items():
        if state == found or advance(state, closing) == found:
            return squeeze(text)
    return None


def _fallbacks(needle: str) -> list[int]:
    """Return for each number of matched characters the next shorter prefix that is still matched."""
    fallback = [0, 0]
    for end in range(1, len(needle)):
        length = fallback[end]
        while length and needle[length] != needle[end]:
            length = fallback[length]
        fallback.append(length + (needle[length] == needle[end]))
    return fallback


def _run(tree: Bound, begin: Ends, advance: Callable[[State, str], State]) -> Ends:
    """Return the states an automaton can be in behind `tree`, each with a witness."""
    seen: dict[tuple[int, State], Ends] = {}

    def behind(node: Bound, state: State) -> Ends:
        key = (id(node), state)
        if key not in seen:
            match node:
                case Choice(options):
                    ends: Ends = {}
                    for option in options:
                        ends |= behind(option.node, state)
                case Sequence(parts):
                    ends = {state: ""}
                    for part in parts:
                        ends = step(part, ends)
                case _:
                    ends = {advance(state, piece): piece for piece in leaf_texts(node)}
            seen[key] = ends
        return seen[key]

    def step(node: Bound, before: Ends) -> Ends:
        return {after: text + piece for state, text in before.items() for after, piece in behind(node, state).items()}

    return step(tree, begin)


def find_capital(tree: Bound) -> str | None:
    """Return a piece of `tree` with a capital letter in it, or None."""
    return next((piece for piece in _leaves(tree, set()) if piece != piece.lower()), None)


def longest(tree: Bound, *, unit: str) -> tuple[int, str]:
    """Return the size of the longest text of `tree` in `words` or `characters`, and that text."""
    size, text = max(((_size(text, unit), text) for text in _run_longest(tree, unit).values()), default=(0, ""))
    return size, squeeze(text)


def _size(text: str, unit: str) -> int:
    return len(text.split()) if unit == "words" else len(squeeze(text))


def _run_longest(tree: Bound, unit: str) -> Ends:
    """Like `_run` with the state "the last character was not a space", keeping the longest witness for each."""
    seen: dict[tuple[int, bool], dict[bool, str]] = {}

    def behind(node: Bound, inside: bool) -> dict[bool, str]:
        key = (id(node), inside)
        if key in seen:
            return seen[key]
        ends: dict[bool, str] = {}
        match node:
            case Choice(options):
                for option in options:
                    for after, text in behind(option.node, inside).items():
                        keep(ends, after, text, inside)
            case Sequence(parts):
                ends = {inside: ""}
                for part in parts:
                    before, ends = ends, {}
                    for state, text in before.items():
                        for after, piece in behind(part, state).items():
                            keep(ends, after, text + piece, inside)
            case _:
                for piece in leaf_texts(node):
                    keep(ends, not piece.endswith(" ") if piece else inside, piece, inside)
        seen[key] = ends
        return ends

    def keep(ends: dict[bool, str], after: bool, text: str, inside: bool) -> None:
        # A piece that begins inside a word continues it: count it as if a letter stood before it.
        prefix = "x" if inside else ""
        if after not in ends or _size(prefix + text, unit) > _size(prefix + ends[after], unit):
            ends[after] = text

    return behind(tree, False)


def leaf_texts(node: Text | Word | Number) -> tuple[str, ...]:
    """Return what a leaf can read as. Of a number range, its ends: all between look alike to a rule."""
    if isinstance(node, Text):
        return (node.text,)
    if isinstance(node, Word):
        return node.texts
    return (str(node.low), str(node.high))


def _leaves(node: Bound, seen: set[int]):
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, Choice):
        for option in node.options:
            yield from _leaves(option.node, seen)
    elif isinstance(node, Sequence):
        for part in node.parts:
            yield from _leaves(part, seen)
    else:
        yield from leaf_texts(node)
