"""How much each token counts in the loss."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from guppylm.model.tokenizer import Tokenizer
from guppylm.training.batches import IGNORE, Batches, encode
from guppylm.training.weights import Emphasis, rare_tokens, weights_of

NONE = Emphasis(gist=1, first_words=0, copied=0)


@dataclass(frozen=True)
class Row:
    turns: tuple[tuple[str, str], ...]
    gist: str = "name"


ROWS = [Row((("i am amir", "amir and i are here"),))] + [Row((("who are you", "i and you are here"),))] * 999


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train([text for row in ROWS[:9] for text in row.turns[0] * 3], vocab_size=400, gists=["name"])


@pytest.fixture(scope="module")
def batches(tokenizer):
    return Batches(encode(ROWS, tokenizer, context=96), batch_tokens=50_000)


@pytest.fixture(scope="module")
def rare(batches, tokenizer):
    return rare_tokens(batches, tokenizer.vocab_size)


def weighed(batches, tokenizer, rare, emphasis):
    """The tokens that the row of amir learns, with what each counts."""
    for batch in batches.epoch():
        learned = batch.targets != IGNORE
        weights = weights_of(batch, emphasis, rare)
        assert (weights[~learned] == 0).all()
        for row in range(len(batch.ids)):
            if "amir" in tokenizer.decode(batch.ids[row].tolist()):
                pieces = tokenizer.pieces(batch.targets[row][learned[row]].tolist())
                return list(zip((piece.text for piece in pieces), weights[row][learned[row]].tolist(), strict=True))
    raise AssertionError("no row of amir")


def test_without_emphasis_every_token_of_a_reply_counts_one(batches, tokenizer, rare):
    assert {weight for _, weight in weighed(batches, tokenizer, rare, NONE)} == {1.0}


def test_the_gist_and_the_first_words_count_more(batches, tokenizer, rare):
    counts = weighed(batches, tokenizer, rare, Emphasis(gist=8, first_words=4, copied=0))
    assert counts[0] == ("<|name|>", 8)
    assert [weight for _, weight in counts[1:]] == pytest.approx([1 + 4 * 0.7**n for n in range(len(counts) - 1)])


def test_a_rare_word_that_stands_in_the_message_counts_more(batches, tokenizer, rare):
    counts = weighed(batches, tokenizer, rare, Emphasis(gist=1, first_words=0, copied=5))
    amir = tokenizer.encode("amir")
    assert [weight for _, weight in counts[1 : 1 + len(amir)]] == [6] * len(amir)
    assert {weight for _, weight in counts[1 + len(amir) :]} == {1}  # `i` stands there too, but is in every reply


def test_what_is_in_many_replies_is_not_rare(rare, tokenizer):
    assert rare[tokenizer.encode("amir")].all()
    assert not rare[[*tokenizer.encode("i and you"), tokenizer.end_id, tokenizer.gists["name"]]].any()
