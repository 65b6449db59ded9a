"""Turns a clean prompt into one as people type it: capitals, marks, typos, chat short forms.

Only prompts are touched; a persona always answers as its author wrote. How much of each kind is the pack's `noise`;
the short forms come from its `short.yaml`. The rules know nothing of a language or a keyboard, so that they serve
every script: where a script has no capitals, that kind simply changes nothing.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate

from guppylm.packs.pack import Noise

KINDS = ("keep", "case", "marks", "typo", "short")

_ENDINGS = ("?",) * 8 + ("!",) * 3 + (".",) * 4 + ("??", "!!", "...", "?!", "!!!", " ?", " !", "..", " :)")
_P_MORE = 0.3  # how often a second kind of noise joins the first


class Typist:
    """Types prompts the way people do.

    Args:
        noise: the shares of the kinds.
        short: words, and pairs of words, with the spellings people type for them.
        rng: where the chances come from.
    """

    def __init__(self, noise: Noise, short: Mapping[str, tuple[str, ...]], rng: random.Random) -> None:
        self.rng = rng
        self.short = short
        self.shares = list(accumulate(getattr(noise, kind) for kind in KINDS))

    def type(self, prompt: str) -> str:
        """Return the prompt with the pack's share of noise; often that is the prompt itself."""
        if not self.shares[-1]:
            return prompt
        kind = KINDS[bisect_right(self.shares, int(self.rng.random() * self.shares[-1]))]
        return prompt if kind == "keep" else self.mistype(prompt, kind)

    def mistype(self, prompt: str, kind: str | None = None) -> str:
        """Return the prompt with noise of this kind, or of a kind chosen by the shares among the noisy ones."""
        if kind is None:
            noisy = self.shares[-1] - self.shares[0]
            if not noisy:
                return prompt
            kind = KINDS[bisect_right(self.shares, self.shares[0] + int(self.rng.random() * noisy))]
        typed = getattr(self, f"_{kind}")(prompt)
        if self.rng.random() < _P_MORE:
            typed = self._marks(typed)
        return typed

    def _case(self, prompt: str) -> str:
        style = self.rng.random()
        if style < 0.45:
            return prompt[:1].upper() + prompt[1:]
        if style < 0.85:
            return prompt.upper()
        return " ".join(word[:1].upper() + word[1:] for word in prompt.split(" "))

    def _marks(self, prompt: str) -> str:
        if self.rng.random() < 0.5:
            prompt = prompt[:1].upper() + prompt[1:]
        if prompt and not prompt[-1].isalnum():
            return prompt
        return prompt + self.rng.choice(_ENDINGS)

    def _typo(self, prompt: str) -> str:
        """Swap, drop or double one letter in a word of four or more; now and then in two words."""
        words = prompt.split(" ")
        long = [i for i, word in enumerate(words) if len(word) >= 4 and word.isalpha()]
        for i in self.rng.sample(long, min(len(long), 1 + (len(words) > 6 and self.rng.random() < 0.4))):
            words[i] = self._slip(words[i])
        return " ".join(words)

    def _slip(self, word: str) -> str:
        at = self.rng.randrange(1, len(word) - 1)
        slip = self.rng.randrange(3)
        if slip == 0:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        if slip == 1:
            return word[:at] + word[at + 1 :]
        return word[:at] + word[at] + word[at:]

    def _short(self, prompt: str) -> str:
        """Shorten some of the words that have a short form, at least one; longest forms first."""
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
        certain = self.rng.choice(places)
        for place in places:
            if place == certain or self.rng.random() < 0.6:
                typed[place] = self.rng.choice(self.short[typed[place]])
        return " ".join(typed)
