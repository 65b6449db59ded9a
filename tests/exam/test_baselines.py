"""N-grams: probabilities that sum to one, and losses that can be worked out by hand."""

import math

import pytest

from guppylm.exam.baselines import NGram

REPLIES = [[1, 2, 3], [1, 2, 4], [1, 5]]


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("before", [(), (-1, -1), (-1, 1), (1, 2), (9, 9)])
def test_the_probabilities_of_all_tokens_sum_to_one(n, before):
    model = NGram(REPLIES, n=n, vocab_size=10)
    assert sum(model.p(token, before) for token in range(10)) == pytest.approx(1)


def test_a_unigram_counts_tokens():
    model = NGram([[0, 0, 0, 1]], n=1, vocab_size=2)
    left = 0.75 * 2 / 4
    assert model.p(0, ()) == pytest.approx((3 - 0.75) / 4 + left / 2)
    assert model.loss([[0]]) == pytest.approx(-math.log(model.p(0, ())))


def test_what_was_said_before_helps():
    losses = [NGram(REPLIES * 20, n=n, vocab_size=10).loss(REPLIES) for n in (1, 2, 3)]
    assert losses[0] > losses[1] > losses[2] > 0
    assert losses[0] < math.log(10)


def test_tokens_never_seen_are_unlikely_and_not_impossible():
    assert 0 < NGram(REPLIES, n=3, vocab_size=10).p(9, (1, 2)) < 0.1
