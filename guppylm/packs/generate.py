"""Turns a pack and a seed into conversations: a training set, and examinations that have nothing in common with it.

    train       what the model learns from: distinct pairs of a prompt and a reply, the prompts typed as people type
    seen        new pairs of trained phrasings, typed cleanly
    noisy       new pairs of trained phrasings, typed badly
    held_out    prompts in phrasings that are never trained
    new_words   prompts and replies with words that are never trained

What is promised is exact and not left to chance: no pair stands twice or in two sets, no held-out prompt and no message
of exam.yaml stands in `train` (normalised, see normalise.py; what is all marks is silence, and has to be learned), no
prompt of `train` stands in two topics. The same pack and seed give the same rows, byte for byte, on every machine; a
topic's rows do not depend on the other topics.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from guppylm.packs.count import Counter
from guppylm.packs.draw import Drawer, Drawn, Shares
from guppylm.packs.exchanges import exchanges
from guppylm.packs.grammar import Binder, Variable
from guppylm.packs.lang import Choice, Sequence
from guppylm.packs.noise import Typist, clauses
from guppylm.packs.normalise import normalise
from guppylm.packs.pack import Pack, Scene, Topic
from guppylm.packs.pause import no_collection
from guppylm.packs.place import Place
from guppylm.packs.shares import share_out
from guppylm.packs.unrank import every_text

SETS = ("train", "seen", "noisy", "held_out", "new_words")
MAX_HELD_OUT = 200_000
_N_RETYPES = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversation:
    """One row: what is said to the persona, what it answers, and where that comes from.

    Attributes:
        input: the prompt as typed.      output: the reply.      category: the topic.
        set: which of SETS it belongs to.
        clean: the prompt before noise.
        scene: the scene of the topic, from 0.
        ask_lines, reply_lines: the places of the lines it was made from, outermost first.
        words: the word each slot stands for, as (`food2`, `peas`).
    """

    input: str
    output: str
    category: str
    set: str
    clean: str
    scene: int
    ask_lines: tuple[Place, ...]
    reply_lines: tuple[Place, ...]
    words: tuple[tuple[str, str], ...]

    @property
    def turns(self) -> tuple[tuple[str, str], ...]:
        """The exchanges, oldest first: (what the user said, what the persona said)."""
        return ((self.input, self.output),)

    @property
    def gist(self) -> str:
        """What the reply is about."""
        return self.category


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The sets of one generation. `short_of` names the topics that could not fill their share, and by how much."""

    train: list[Conversation]
    seen: list[Conversation]
    noisy: list[Conversation]
    held_out: list[Conversation]
    new_words: list[Conversation]
    short_of: Mapping[str, int] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Return how many different rows, prompts, replies and pairs the training set holds."""
        return {
            "rows": len(self.train),
            "prompts": len({row.input for row in self.train}),
            "clean_prompts": len({row.clean for row in self.train}),
            "replies": len({row.output for row in self.train}),
            "pairs": len({(row.input, row.output) for row in self.train}),
        }


def digest_of_rows(rows: Iterable[Conversation]) -> str:
    """Return the sha256 of the training rows as JSON lines, in their order."""
    sha = hashlib.sha256()
    for row in rows:
        line = json.dumps([row.input, row.output, row.category], ensure_ascii=False) + "\n"
        sha.update(line.encode("utf-8", "surrogatepass"))
    return sha.hexdigest()


class SceneTrees:
    """The trees of one scene. The prompt and the reply of an exchange share their words."""

    def __init__(self, scene: Scene, binder: Binder) -> None:
        self.scene = scene
        self.ask: Choice = binder.bind(scene.ask)
        self.reply: Choice = binder.bind(scene.reply)
        self.held_out: Choice | None = binder.bind(scene.held_out) if scene.held_out else None
        self.exchange = Sequence((self.ask, self.reply))
        self._exchanges: tuple[Sequence, ...] = ()

    def exchanges(self, counter: Counter) -> tuple[Sequence, ...]:
        """Return its pairs of prompts and replies; see exchanges.py."""
        self._exchanges = self._exchanges or exchanges(self.ask, self.reply, counter)
        return self._exchanges


def scene_trees(topic: Topic, *, nodes: dict | None = None, new_words: bool = False) -> list[SceneTrees]:
    """Return the trees of a topic's scenes, with trained words or with held-out ones; `nodes` as in Binder."""
    binder = Binder(topic.scope, nodes=nodes, new_words=new_words)
    return [SceneTrees(scene, binder) for scene in topic.scenes]


@no_collection()
def generate(
    pack: Pack,
    *,
    n_rows: int = 60_000,
    n_exam: int | None = None,
    seed: int = 0,
    topics: Collection[str] | None = None,
) -> Dataset:
    """Return the sets for this pack.

    Args:
        n_rows: rows of `train`, shared out by the topics' weights.
        n_exam: rows of each other set, at most; a twentieth of `n_rows` unless said, from 1 to 20 for a topic.
        seed: the same seed gives the same rows.
        topics: draw the rows of these alone, with the share they have among all `n_rows`; None for all topics. They are
            the same pairs, though not always typed the same: what collides with another topic's is typed anew.
    """
    return _Generation(pack, n_rows, n_exam, seed).run(pack.topics if topics is None else topics)


class _Generation:
    """The state of one generation: what has been said, and by whom."""

    def __init__(self, pack: Pack, n_rows: int, n_exam: int | None, seed: int) -> None:
        self.pack, self.seed = pack, seed
        self.counter = Counter()
        self.sharing = Shares(pack.mode, self.counter)
        nodes: dict = {}
        self.scenes = {name: scene_trees(topic, nodes=nodes) for name, topic in pack.topics.items()}
        n_topics = max(1, len(pack.topics))
        self.n_exam = min(20, max(1, n_rows // 20 // n_topics)) if n_exam is None else n_exam // n_topics
        self.shares = self._share_rows(n_rows)
        self.clauses = clauses(pack)
        exam = {normalise(text) for texts in pack.exam.values() for text in texts}
        self.kept_out = self._held_out_prompts() | (exam - {""})  # silence, and what is all marks, has to be learned
        self.pairs: set[tuple[str, str]] = set()
        self.owners: dict[str, str] = {}  # normalised prompt of `train` -> its topic
        self.sets: dict[str, list[Conversation]] = {name: [] for name in SETS}
        self.short_of: dict[str, int] = {}

    def run(self, topics: Collection[str]) -> Dataset:
        for name in topics:
            n_before = len(self.sets["train"])
            for trees, n_rows in self._scene_shares(name):
                self._draw_scene(name, trees, n_rows)
            missing = self.shares[name] - (len(self.sets["train"]) - n_before)
            if missing:
                self.short_of[name] = missing
            self._draw_new_words(name)
        for name, rows in self.sets.items():
            self._rng("order", name).shuffle(rows)
        return Dataset(**self.sets, short_of=self.short_of)

    def _rng(self, *what: object) -> random.Random:
        return random.Random("/".join(map(str, (self.seed, self.pack.name, *what))))

    def _share_rows(self, n_rows: int) -> dict[str, int]:
        """Give every topic its rows by weight, as far as it has that much to say."""
        weights = {name: topic.weight for name, topic in self.pack.topics.items()}
        limits = {name: sum(map(self._capacity, trees)) for name, trees in self.scenes.items()}
        return share_out(n_rows, weights, limits)

    def _capacity(self, trees: SceneTrees) -> int:
        return sum(map(self.counter.total, trees.exchanges(self.counter)))

    def _scene_shares(self, topic: str) -> Iterator[tuple[SceneTrees, int]]:
        """Share a topic's rows between its scenes, by weight alone.

        A scene is something people mean, not a way to say it: one with many choices is not meant more often.
        """
        scenes = self.scenes[topic]
        weights = {i: trees.scene.weight for i, trees in enumerate(scenes)}
        limits = {i: self._capacity(trees) for i, trees in enumerate(scenes)}
        for i, n_rows in share_out(self.shares[topic], weights, limits).items():
            yield scenes[i], n_rows

    def _held_out_prompts(self) -> set[str]:
        """Return every held-out prompt there is, normalised. check.py has made sure that they are not too many."""
        trees = [trees.held_out for scenes in self.scenes.values() for trees in scenes if trees.held_out]
        return {normalise(text) for tree in trees for text in every_text(tree, self.counter)}

    def _exchange_shares(self, pairs: tuple[Sequence, ...], n_rows: int) -> Iterator[tuple[Sequence, int]]:
        """Share a scene's rows between its exchanges, as if all prompts were still in one choice."""
        weights = {i: self.sharing.totals(pair.parts[0])[-1] for i, pair in enumerate(pairs)}
        limits = {i: self.counter.total(pair) for i, pair in enumerate(pairs)}
        for i, n_shared in share_out(n_rows, weights, limits).items():
            yield pairs[i], n_shared

    def _drawn(self, pair: Sequence, *place: object) -> Iterator[Drawn]:
        return iter(Drawer(pair.parts, self._rng(*place), self.sharing))

    def _draw_scene(self, topic: str, trees: SceneTrees, n_rows: int) -> None:
        """Draw a scene's rows of `train`, then go on drawing for the sets of trained phrasings."""
        index = trees.scene.index
        typist = Typist(self.pack.noise, self.pack.short, self._rng(topic, index, "noise"), **self.clauses)
        for nth, (pair, n_shared) in enumerate(self._exchange_shares(trees.exchanges(self.counter), n_rows)):
            rows = self._drawn(pair, topic, index, *([nth] if nth else []))
            self._take(rows, n_shared, topic, index, "train", typist.type)
            n_exam = self._n_exam(topic, n_shared)
            self._take(rows, n_exam, topic, index, "seen", str)
            self._take(rows, n_exam, topic, index, "noisy", typist.mistype)
        if trees.held_out is not None:
            pairs = exchanges(trees.held_out, trees.reply, self.counter, trained=trees.ask)
            for nth, (pair, n_shared) in enumerate(self._exchange_shares(pairs, self._n_exam(topic, n_rows))):
                rows = self._drawn(pair, topic, index, "held_out", *([nth] if nth else []))
                self._take(rows, n_shared, topic, index, "held_out", str)

    def _n_exam(self, topic: str, n_rows: int) -> int:
        """Return a scene's part of the topic's examination rows, at least one."""
        return max(1, round(self.n_exam * n_rows / max(1, self.shares[topic]))) if self.n_exam else 0

    def _draw_new_words(self, topic: str) -> None:
        """Draw exchanges that use at least one word kept out of training."""
        for trees in scene_trees(self.pack.topics[topic], new_words=True):
            for nth, pair in enumerate(trees.exchanges(self.counter)):
                if not any(_is_new(variable) for used in self.counter.poly(pair) for variable in used):
                    continue
                drawer = self._drawn(pair, topic, trees.scene.index, "new_words", *([nth] if nth else []))
                tries = (drawn for _, drawn in zip(range(20 * self.n_exam), drawer, strict=False))
                rows = (drawn for drawn in tries if _uses_new_words(drawn))
                self._take(rows, self.n_exam, topic, trees.scene.index, "new_words", str)

    def _take(self, rows: Iterator[Drawn], n_rows: int, topic: str, scene: int, into: str, type_) -> None:
        """Add up to `n_rows` conversations that nobody has had before to a set."""
        target = len(self.sets[into]) + n_rows
        while len(self.sets[into]) < target:
            drawn = next(rows, None)
            if drawn is None:
                return
            clean, reply = drawn.texts
            prompt = self._type(clean, topic, into, type_)
            if prompt is None or (prompt, reply) in self.pairs or (clean, reply) in self.pairs:
                continue
            self.pairs.update(((prompt, reply), (clean, reply)))
            self.sets[into].append(
                Conversation(
                    input=prompt,
                    output=reply,
                    category=topic,
                    set=into,
                    clean=clean,
                    scene=scene,
                    ask_lines=drawn.lines[0],
                    reply_lines=drawn.lines[1],
                    words=_words(drawn),
                )
            )

    def _type(self, clean: str, topic: str, into: str, type_) -> str | None:
        """Type a prompt, again where noise made it another topic's or a held-out one. None when even clean it is."""
        for attempt in range(_N_RETYPES + 1):
            prompt = type_(clean) if attempt < _N_RETYPES else clean
            if into == "held_out":
                return prompt
            key = normalise(prompt)
            if key in self.kept_out:
                continue
            if into != "train":
                return prompt
            if self.owners.setdefault(key, topic) == topic:
                return prompt
        return None


def _is_new(variable: Variable) -> bool:
    """Tell whether a variable ranges over words kept out of training: a list then holds nothing else."""
    return any(entry.held_out for entry in variable[0].entries)


def _uses_new_words(drawn: Drawn) -> bool:
    return any(map(_is_new, drawn.words))


def _words(drawn: Drawn) -> tuple[tuple[str, str], ...]:
    return tuple(
        (words.name + (str(index) if index > 1 else ""), words.entries[entry].word)
        for (words, index), entry in drawn.words.items()
    )
