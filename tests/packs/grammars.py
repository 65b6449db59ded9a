"""Small grammars for tests: from lines in the pack language, and at random."""

from __future__ import annotations

import random

from guppylm.packs.grammar import Binder, Entry, Line, Phrase, Scope, WordList
from guppylm.packs.lang import Choice, parse_line
from guppylm.packs.place import Place


def line(text: str, file: str = "test.yaml", number: int = 1) -> Line:
    return Line(text=text, option=parse_line(text), place=Place(file=file, line=number, column=1))


def scope(words: dict[str, list] | None = None, phrases: dict[str, list[str]] | None = None) -> Scope:
    """Words are texts, or entries; phrases are lines."""
    return Scope(
        words={
            name: WordList(
                name=name,
                entries=tuple(w if isinstance(w, Entry) else Entry(word=w) for w in entries),
            )
            for name, entries in (words or {}).items()
        },
        phrases={name: Phrase(name=name, lines=tuple(map(line, lines))) for name, lines in (phrases or {}).items()},
    )


def bind(*lines: str, words: dict | None = None, phrases: dict | None = None) -> Choice:
    binder = Binder(scope(words, phrases))
    tree = binder.bind(map(line, lines))
    assert not binder.problems, binder.problems
    return tree


def random_grammar(seed: int) -> tuple[Binder, Choice, Choice]:
    """Return a binder and two trees (prompts, replies) over a few lists and phrases, small enough to list in full."""
    rng = random.Random(seed)
    words = {name: [f"{name}{i}" for i in range(rng.randint(2, 3))] for name in ("x", "y")}
    phrases = {"inner": [_random_line(rng, 1, ()) for _ in range(2)], "outer": [_random_line(rng, 1, ("inner",))]}
    binder = Binder(scope(words, phrases))
    ask = binder.bind(line(_random_line(rng, 2, ("inner", "outer"))) for _ in range(rng.randint(1, 3)))
    reply = binder.bind(line(_random_line(rng, 1, ("inner",))) for _ in range(rng.randint(1, 2)))
    assert not binder.problems, binder.problems
    return binder, ask, reply


def _random_line(rng: random.Random, depth: int, phrases: tuple[str, ...]) -> str:
    return " ".join(_random_part(rng, depth, phrases) for _ in range(rng.randint(1, 2)))


def _random_part(rng: random.Random, depth: int, phrases: tuple[str, ...]) -> str:
    kinds = ["text", "word", "word", "number"] + ["choice"] * depth + ["phrase"] * bool(phrases)
    match rng.choice(kinds):
        case "text":
            return rng.choice(["a", "b c", "d,", "e!"])
        case "word":
            return f"<{rng.choice('xy')}{rng.choice(['', '2'])}>"
        case "number":
            return "<1..2>"
        case "phrase":
            return f"<{rng.choice(phrases)}>"
        case _:
            options = [_random_part(rng, depth - 1, phrases) for _ in range(2)] + [""] * rng.randint(0, 1)
            return "(" + "|".join(f"{rng.choice(['', '3* '])}{option}" for option in options) + ")"
