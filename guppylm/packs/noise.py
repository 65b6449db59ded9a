"""Turns a clean prompt into one as people type it: capitals, marks, typos, short forms, a clause around it.

Only prompts are touched; a persona always answers as its author wrote. How much of each kind is the pack's `noise`;
the short forms come from its `short.yaml`, the clauses from its phrases `before` and `after`. The rules know nothing
of a language or a keyboard, so that they serve every script: where a script has no capitals, that kind simply
changes nothing.
"""

from __future__ import annotations

import random
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate

from guppylm.packs.count import Counter
from guppylm.packs.grammar import Binder, Bound
from guppylm.packs.normalise import IS_UNSPACED, UNSPACED, squeeze
from guppylm.packs.pack import Noise, Pack
from guppylm.packs.unrank import unrank

KINDS = ("keep", "case", "marks", "typo", "short", "around")

# Somebody in a hurry types badly in more than one way. What is done to the words comes before what is done to the
# letters, so that a short form is still found and a shout stays a shout.
_ORDER = ("around", "short", "typo", "marks", "case")
MAX_CLAUSES = 2_000  # of a line
_P_MORE = 0.35  # how often another kind of noise joins in, and another

_ENDINGS = ("?",) * 8 + ("!",) * 5 + (".",) * 5 + ("??", "!!", "...", "?!", "!!!", " ?", " !", "..", "???")
_ENDINGS_UNSPACED = (
    ("？",) * 8 + ("！",) * 5 + ("。",) * 5 + ("？？", "！！", "……", "～", "?", "!", "。。。", "？！", "！！！")
)
_CLOSERS = (",", ".", "，", "。", "、", "～")  # what stands right behind a word
_LETTERS_UNSPACED = re.compile(f"[{UNSPACED}]{{3,}}")
_SMILES = (
    *(" :)", " :(", " :D", " ;)", " xx", " ❤️", " ☀️", " ✌️"),
    *(f" {smile}" for smile in "😂🙂😊👀😭🤔😅🥺👍💀🙏🤣😍🥰😘😁😎😢😡😴🤗🙃😬🤯🥳😇🤪🙄😱🤷🤞"),
    *(f" {sign}" for sign in "👋👏💪🫶🫡🥹💛💙💚🧡💜💔✨🔥🎉🎶🌙🌞🌈🌊🌚⭐💨💤"),
)


Clauses = tuple[tuple[str, ...], ...]  # what each line of a phrase can say


def clauses(pack: Pack) -> dict[str, Clauses]:
    """Return what the lines of a pack's phrases `before` and `after` can say, or an even choice where that is a lot."""
    counter, said = Counter(), {}
    for name in ("before", "after"):
        if pack.noise.around and name in pack.scope.phrases:
            tree = Binder(pack.scope).bind(pack.scope.phrases[name].lines)
            said[name] = tuple(
                texts
                for option in tree.options
                for texts in [_some_texts(option.node, counter)] * option.weight  # 3* is three lines alike
            )
    return said


def _some_texts(line: Bound, counter: Counter) -> tuple[str, ...]:
    n_texts = counter.total(line)
    ranks = set(range(n_texts)) if n_texts <= MAX_CLAUSES else set()
    dice = random.Random(0)  # and not every nth: that would meet the same few alternatives again and again
    while len(ranks) < min(n_texts, MAX_CLAUSES):
        ranks.add(dice.randrange(n_texts))
    return tuple(unrank(line, rank, counter) for rank in sorted(ranks))


def slip(word: str, rng: random.Random) -> str:
    """Return a word of two or more letters after a slip of the fingers: two letters swapped, one dropped, doubled,
    stretched, or another one hit. The first letter stays.
    """
    at = rng.randrange(1, len(word))
    kind = rng.choices(range(5), (4, 4, 3, 1, 3))[0]
    if kind == 0 and at + 1 < len(word):
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    if kind == 2:
        return word[:at] + word[at] + word[at:]
    if kind == 3:
        return word + word[-1] * rng.randint(1, 4)
    return word[:at] + rng.choice(word) + word[at + 1 :]


def _is(character: str, kinds: str) -> bool:
    """Tell whether a character is of these Unicode kinds: L letters, M the signs on them, N digits, Z spaces, …"""
    return unicodedata.category(character)[0] in kinds


class Typist:
    """Types prompts the way people do.

    Args:
        noise: the shares of the kinds.
        short: words, and pairs of words, with the spellings people type for them.
        rng: where the chances come from.
        before, after: clauses that may stand around any message.
    """

    def __init__(
        self,
        noise: Noise,
        short: Mapping[str, tuple[str, ...]],
        rng: random.Random,
        *,
        before: Clauses = (),
        after: Clauses = (),
    ) -> None:
        self.rng = rng
        self.short = short
        self.before, self.after = before, after
        self.shares = list(accumulate(getattr(noise, kind) for kind in KINDS))

    def type(self, prompt: str) -> str:
        """Return the prompt with the pack's share of noise; often that is the prompt itself."""
        kind = self._kind(self.rng.random())
        return prompt if kind == "keep" else self.mistype(prompt, kind)

    def mistype(self, prompt: str, kind: str | None = None) -> str:
        """Return the prompt with noise of this kind, or of a kind chosen by the shares among the noisy ones.

        Now and then other kinds join in.
        """
        keep = self.shares[0] / self.shares[-1] if self.shares[-1] else 1.0
        if keep == 1:
            return prompt if kind is None else getattr(self, f"_{kind}")(prompt)
        kinds = {kind or self._kind(keep + (1 - keep) * self.rng.random())}
        while self.rng.random() < _P_MORE:
            kinds.add(self._kind(keep + (1 - keep) * self.rng.random()))
        for name in _ORDER:
            if name in kinds:
                prompt = getattr(self, f"_{name}")(prompt)
        return prompt

    def _kind(self, fraction: float) -> str:
        """Return the kind that stands at this place, from 0 up to 1, when all are laid end to end by their shares."""
        if not self.shares[-1]:
            return "keep"
        return KINDS[min(bisect_right(self.shares, fraction * self.shares[-1]), len(KINDS) - 1)]

    def _case(self, prompt: str) -> str:
        if IS_UNSPACED.search(prompt):  # no capitals there
            return self._marks(prompt)
        style = self.rng.random()
        if style < 0.35:
            return prompt[:1].upper() + prompt[1:]
        if style < 0.8:
            return prompt.upper()
        words = prompt.split(" ")
        if style < 0.9:
            return " ".join(word[:1].upper() + word[1:] for word in words)
        loud = self.rng.randrange(len(words))
        return " ".join(word.upper() if i == loud else word for i, word in enumerate(words))

    def _marks(self, prompt: str) -> str:
        """End the message as people do, or drop the marks it has."""
        if self.rng.random() < 0.15:
            return "".join(mark for mark in prompt if _is(mark, "LMNZ")) or prompt
        if self.rng.random() < 0.5:
            prompt = prompt[:1].upper() + prompt[1:]
        if prompt and _is(prompt[-1], "LMN"):
            endings = _ENDINGS_UNSPACED if IS_UNSPACED.match(prompt[-1]) else _ENDINGS
            prompt += self.rng.choice(endings) if self.rng.random() < 0.85 else ""
        return prompt + (self.rng.choice(_SMILES) if self.rng.random() < 0.25 else "")

    def _typo(self, prompt: str) -> str:
        """Let the fingers slip in one word of three or more letters, or in a few of a long message."""
        if runs := list(_LETTERS_UNSPACED.finditer(prompt)):
            run = self.rng.choice(runs)
            return prompt[: run.start()] + slip(run[0], self.rng) + prompt[run.end() :]
        words = prompt.split(" ")
        long = [i for i, word in enumerate(words) if len(word) >= 3 and all(_is(letter, "LM") for letter in word)]
        n_slips = 1 + (len(words) > 4 and self.rng.random() < 0.4) + (len(words) > 8 and self.rng.random() < 0.4)
        for i in self.rng.sample(long, min(len(long), n_slips)):
            words[i] = slip(words[i], self.rng)
        if len(words) > 2 and self.rng.random() < 0.25:  # a space that was not hit
            at = self.rng.randrange(len(words) - 1)
            words[at : at + 2] = [words[at] + words[at + 1]]
        return " ".join(words)

    def _around(self, prompt: str) -> str:
        """Put a clause before the message, or behind it, or both."""
        where = self.rng.random()
        if self.before and (where < 0.6 or not self.after):
            prompt = squeeze(f"{self.rng.choice(self.rng.choice(self.before))} {prompt}")
        if self.after and (where > 0.5 or not self.before):
            clause = self.rng.choice(self.rng.choice(self.after))
            prompt = squeeze(f"{prompt}{clause}" if clause.startswith(_CLOSERS) else f"{prompt} {clause}")
        return prompt

    def _short(self, prompt: str) -> str:
        """Shorten some of the words that have a short form, at least one; longest forms first."""
        if IS_UNSPACED.search(prompt):
            return self._short_unspaced(prompt)
        words = prompt.split(" ")
        typed: list[str] = []
        places: list[int] = []
        i = 0
        while i < len(words):
            pair = " ".join(words[i : i + 2])
            known = pair if pair in self.short and i + 1 < len(words) else words[i]
            if known in self.short:
                places.append(len(typed))
            typed.append(known)
            i += 2 if known is pair else 1
        if not places:
            return self._case(prompt)
        certain, habit = self.rng.choice(places), 0.8 * self.rng.random()
        for place in places:
            if place == certain or self.rng.random() < habit:
                typed[place] = self.rng.choice(self.short[typed[place]])
        return " ".join(typed)

    def _short_unspaced(self, prompt: str) -> str:
        """Do so where no spaces show what is a word: anything that is spelt like one counts."""
        known = sorted((word for word in self.short if word in prompt), key=lambda word: (-len(word), word))
        if not known:
            return self._case(prompt)
        certain, habit = self.rng.choice(known), 0.8 * self.rng.random()
        for word in known:
            if word == certain or self.rng.random() < habit:
                prompt = prompt.replace(word, self.rng.choice(self.short[word]), 1)
        return prompt
