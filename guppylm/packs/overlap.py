"""Turns many trees into the prompts that two of them can both say.

A prompt that belongs to two topics teaches a model to guess, and a held-out prompt that some topic also asks makes
the examination a lie. To list all prompts is out of the question (a topic has millions), so all trees are read at
once, character by character, as one big automaton: a front holds every place in every tree at which we could be
after the same beginning. As soon as a front concerns one owner only, it is dropped. Trees that begin alike
("tell me about …") are followed only until they part, and a front that was met before is not followed again, so 60
topics cost well under a second.

Words are free here: `<food> and <food>` may be read as two different foods. So what is found is confirmed by the
recogniser, which knows better, before it is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from guppylm.packs.grammar import Bound, Word
from guppylm.packs.lang import Choice, Number, Sequence, Text
from guppylm.packs.normalise import spaced
from guppylm.packs.recognise import Recogniser, TooManyStatesError

MAX_FRONTS = 200_000


class Rest:
    """What is still to be said: a node and what comes after it. Made once for each pair, so compared by identity."""

    __slots__ = ("after", "node")

    def __init__(self, node: Bound, after: Rest | None) -> None:
        self.node, self.after = node, after


Step = tuple[bool, str, Rest | None]  # a space due or not, the letters about to come, what comes after them
Point = tuple[str, Step]  # one place in one owner's tree
Front = frozenset[Point]


class TooManyPromptsError(ValueError):
    """The trees have too much in common to be compared exactly."""


def shared_texts(trees: Mapping[str, Bound], *, limit: int = 20) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (normalised text, owners) for texts that more than one owner's tree can say.

    At most `limit` are found, no two by the same owners.

    Raises:
        TooManyPromptsError: more fronts than we are willing to follow.
    """
    reported: set[tuple[str, ...]] = set()
    for text, owners in _Reader(trees).shared():
        confirmed = tuple(sorted(owner for owner in owners if _can_say(trees[owner], text)))
        if len(confirmed) > 1 and confirmed not in reported:
            reported.add(confirmed)
            yield text, confirmed
            if len(reported) >= limit:
                return


def _can_say(tree: Bound, text: str) -> bool:
    try:
        return Recogniser(text).fits(tree)
    except TooManyStatesError:
        return True


class _Reader:
    """Reads all trees at once."""

    def __init__(self, trees: Mapping[str, Bound]) -> None:
        self._rests: dict[tuple[int, Rest | None], Rest] = {}
        self._steps: dict[tuple[bool, Rest | None], tuple[Step, ...]] = {}
        self.start = frozenset(
            (owner, (False, letters, rest))  # a space before the first letter is no space
            for owner, tree in trees.items()
            for _, letters, rest in self._unfold(False, self._push(tree, None))
        )

    def shared(self) -> Iterator[tuple[str, set[str]]]:
        """Yield texts at whose end trees of two or more owners are complete."""
        seen: set[Front] = {self.start}
        todo: list[tuple[str, Front]] = [("", self.start)]
        while todo:
            text, front = todo.pop()
            complete = {owner for owner, (_, letters, _) in front if not letters}
            if len(complete) > 1:
                yield text, complete
            for character, following in self._advance(front).items():
                if len({owner for owner, _ in following}) > 1:
                    behind = frozenset(following)
                    if behind not in seen:
                        seen.add(behind)
                        todo.append((text + character, behind))
            if len(seen) > MAX_FRONTS:
                raise TooManyPromptsError("too many prompts to compare")

    def _advance(self, front: Front) -> dict[str, set[Point]]:
        """Return the points behind each character that can come next."""
        following: dict[str, set[Point]] = {}
        for owner, (due, letters, rest) in front:
            if not letters:
                continue
            if due:
                following.setdefault(" ", set()).add((owner, (False, letters, rest)))
                continue
            points = following.setdefault(letters[0], set())
            if len(letters) == 1:
                points.update((owner, step) for step in self._unfold(False, rest))
            elif letters[1] != " ":
                points.add((owner, (False, letters[1:], rest)))
            elif behind := letters[1:].lstrip(" "):
                points.add((owner, (True, behind, rest)))
            else:
                points.update((owner, step) for step in self._unfold(True, rest))
        return following

    def _unfold(self, due: bool, rest: Rest | None) -> tuple[Step, ...]:
        """Return the steps to the next letters that can come, walking over what is empty or only spaces."""
        known = self._steps.get((due, rest))
        if known is None:
            known = self._steps[due, rest] = tuple(dict.fromkeys(self._next_letters(due, rest)))
        return known

    def _next_letters(self, due: bool, rest: Rest | None) -> Iterator[Step]:
        if rest is None:
            yield (False, "", None)
            return
        match rest.node:
            case Choice(options):
                for option in options:
                    yield from self._unfold(due, self._push(option.node, rest.after))
            case Sequence(parts):
                after = rest.after
                for part in reversed(parts):
                    after = self._push(part, after)
                yield from self._unfold(due, after)
            case Text() | Word() | Number():
                for piece in map(spaced, _pieces(rest.node)):
                    letters = piece.lstrip(" ")
                    now_due = due or letters != piece
                    if letters:
                        yield (now_due, letters, rest.after)
                    else:
                        yield from self._unfold(now_due, rest.after)

    def _push(self, node: Bound, after: Rest | None) -> Rest:
        key = (id(node), after)
        if key not in self._rests:
            self._rests[key] = Rest(node, after)
        return self._rests[key]


def _pieces(node: Text | Word | Number) -> tuple[str, ...]:
    """Return everything a leaf can read as."""
    if isinstance(node, Text):
        return (node.text,)
    if isinstance(node, Word):
        return node.texts
    return tuple(map(str, range(node.low, node.high + 1)))
