"""Turns rows into what simpler models make of them, so that a loss and a rate have something to stand beside.

    knows nothing     every token equally likely: ln(V)
    unigram           how often each token occurs in the replies, whatever was said before
    trigram           the next token from the two before it, backing off to one and to none
    prompt classifier the topic of a message from its runs of characters: how far the *content* of a pack reaches,
                      for a reader that has nothing else to learn

None of them reads the message before it replies, except the classifier, which does nothing but read it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

DISCOUNT = 0.75  # what a seen run of tokens gives up for those not seen (Ney, Essen and Kneser, 1994)

Tokens = Sequence[int]


class NGram:
    """Counts runs of up to n tokens, and mixes the longer with the shorter by absolute discounting.

    p(w | h) = max(c(hw) - D, 0) / c(h) + D · n(h) / c(h) · p(w | h without its first token), where c counts, and n(h)
    is how many different tokens were seen after h. Below the unigrams every token of the vocabulary is equally likely.

    Args:
        replies: tokens of each, its end marker included.
        n: 1 for unigrams, 3 for trigrams.
        vocab_size: V.
    """

    def __init__(self, replies: Iterable[Tokens], *, n: int, vocab_size: int) -> None:
        self.n, self.vocab_size = n, vocab_size
        self.runs: Counter[tuple[int, ...]] = Counter()
        for reply in replies:
            padded = [-1] * (n - 1) + list(reply)
            for end in range(n - 1, len(padded)):
                for length in range(1, n + 1):
                    self.runs[tuple(padded[end - length + 1 : end + 1])] += 1
        self.totals: Counter[tuple[int, ...]] = Counter()
        self.followers: Counter[tuple[int, ...]] = Counter()
        for run, count in self.runs.items():
            self.totals[run[:-1]] += count
            self.followers[run[:-1]] += 1

    def p(self, token: int, before: tuple[int, ...]) -> float:
        """Return the probability of a token after those before it, of which the last n - 1 count."""
        p = 1 / self.vocab_size
        for length in range(min(len(before), self.n - 1) + 1):
            history = before[len(before) - length :]
            total = self.totals[history]
            if not total:
                break
            left = DISCOUNT * self.followers[history] / total
            p = max(self.runs[(*history, token)] - DISCOUNT, 0) / total + left * p
        return p

    def loss(self, replies: Iterable[Tokens]) -> float | None:
        """Return the mean surprise at a token of these replies, in nats; None of no replies."""
        total, n_tokens = 0.0, 0
        for reply in replies:
            before = (-1,) * (self.n - 1)
            for token in reply:
                total -= math.log(self.p(token, before))
                before = (*before, token)[len(before) + 1 - (self.n - 1) :] if self.n > 1 else ()
                n_tokens += 1
        return total / n_tokens if n_tokens else None
