"""Turns a number into a pair: all that a pack can say stands in one order, and any of it can be asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from guppylm.packs.count import Counter
from guppylm.packs.generate import SceneTrees, scene_trees
from guppylm.packs.lang import Sequence, Text
from guppylm.packs.pack import Pack
from guppylm.packs.unrank import unrank

_BETWEEN = "\x1e"  # stands in no pack: control characters are refused


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A prompt as written, without noise, and one of its replies."""

    input: str
    output: str
    topic: str
    scene: int


class Pairs:
    """Every pair of a pack, or of one of its topics, topics in the order of their names; a list that is never made."""

    def __init__(self, pack: Pack, topic: str | None = None) -> None:
        self._counter = Counter()
        self._blocks = list(self._exchanges(pack, topic))

    def _exchanges(self, pack: Pack, topic: str | None) -> Iterator[tuple[str, int, Sequence, int]]:
        nodes: dict = {}
        for name in sorted(pack.topics):
            for trees in scene_trees(pack.topics[name], nodes=nodes) if topic in (None, name) else ():
                yield from self._of_scene(name, trees)

    def _of_scene(self, name: str, trees: SceneTrees) -> Iterator[tuple[str, int, Sequence, int]]:
        for exchange in trees.exchanges(self._counter):
            ask, reply = exchange.parts
            tree = Sequence((ask, Text(_BETWEEN), reply))
            yield name, trees.scene.index, tree, self._counter.total(tree)

    def __len__(self) -> int:
        """Return how many there are, as far as Python's lists could go; `n` is exact."""
        return min(self.n, 2**63 - 1)

    @property
    def n(self) -> int:
        return sum(total for *_, total in self._blocks)

    def __getitem__(self, rank: int) -> Pair:
        """Return pair `rank`, from 0. Raises IndexError where there are not that many."""
        left = rank
        for name, scene, tree, total in self._blocks:
            if 0 <= left < total:
                asked, said = unrank(tree, left, self._counter).split(_BETWEEN)
                return Pair(input=asked.strip(), output=said.strip(), topic=name, scene=scene)
            left -= total
        raise IndexError(f"no pair number {rank}: there are {self.n:,}")
