"""Batches: every row once an epoch, nothing padded that need not be, loss only on replies."""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
import torch

from guppylm.errors import TrainingError
from guppylm.training.batches import IGNORE, Batches, Row, encode

PAD = 0


def rows_of(lengths: list[int]) -> list[Row]:
    """Rows in which the number of the row stands at every place, and the second half carries loss."""
    return [
        row([number] * length, [place >= length // 2 for place in range(length)])
        for number, length in enumerate(lengths, start=1)
    ]


def row(ids: list[int], mask: Sequence[int]) -> Row:
    return array("i", ids), array("b", mask)


def learned(row: Row) -> list[int]:
    return [id for id, is_learned in zip(*row, strict=True) if is_learned]


def lengths(n_rows: int = 400) -> list[int]:
    rng = random.Random(3)
    return [rng.choice([11, 14, 14, 14, 20, 33]) for _ in range(n_rows)]


def numbers_in(batches: Batches, epoch: int = 0) -> list[int]:
    return [int(row[0]) for batch in batches.epoch(epoch) for row in batch.ids]


def talk(*turns: tuple[str, str]) -> SimpleNamespace:
    return SimpleNamespace(turns=turns, gist="")


def test_an_epoch_holds_every_row_exactly_once():
    batches = Batches(rows_of(lengths()), batch_tokens=256, seed=1)
    for epoch in (0, 1, 7):
        assert Counter(numbers_in(batches, epoch)) == Counter(range(1, 401))


def test_common_lengths_are_padded_to_a_multiple_of_four_and_no_further():
    batches = Batches(rows_of(lengths()), batch_tokens=256, seed=1)
    assert {batch.ids.shape[1] for batch in batches.epoch()} == {12, 16, 20, 32}
    assert all(((batch.ids == PAD).sum(dim=1) < 4).all() for batch in batches.epoch())
    assert sum(batch.n_tokens for batch in batches.epoch()) == batches.n_tokens == sum(lengths()) - 400


def test_rare_lengths_share_a_batch_and_their_padding_carries_no_loss():
    rare = [40, 39, 37, 9]
    batches = Batches(rows_of([20] * 60 + rare), batch_tokens=200, seed=1)
    assert Counter(numbers_in(batches)) == Counter(range(1, 65))
    for batch in batches.epoch():
        assert (batch.targets[batch.ids == PAD] == IGNORE).all()
        assert batch.n_tokens == int((batch.ids != PAD).sum())
    assert sum(1 for batch in batches.epoch() if ((batch.ids == PAD).sum(dim=1) > 3).any()) <= 2


def test_batches_hold_about_as_many_tokens_as_asked_for():
    batches = Batches(rows_of([21] * 1000), batch_tokens=500, seed=1)
    assert {batch.n_tokens for batch in batches.epoch()} <= {25 * 20, 26 * 20, 24 * 20}


def test_the_same_seed_gives_the_same_batches_and_any_can_be_asked_for_alone():
    rows = rows_of(lengths())
    one, two = Batches(rows, batch_tokens=256, seed=5), Batches(rows, batch_tokens=256, seed=5)
    late = 3 * one.n_per_epoch + 2
    assert torch.equal(one[late].ids, two[late].ids)  # without the batches before it
    assert numbers_in(one, 3) == numbers_in(two, 3)


def test_epochs_and_seeds_differ_in_their_order():
    rows = rows_of(lengths())
    batches = Batches(rows, batch_tokens=256, seed=5)
    orders = [numbers_in(batches, 0), numbers_in(batches, 1)]
    orders.append(numbers_in(Batches(rows, batch_tokens=256, seed=6)))
    assert len({tuple(order) for order in orders}) == 3


def test_targets_are_the_next_token_where_the_mask_says_so():
    batch = Batches([row([5, 6, 7, 8, 9], [0, 0, 0, 1, 1])], batch_tokens=100)[0]
    assert batch.ids.tolist() == [[5, 6, 7, 8]]
    assert batch.targets.tolist() == [[IGNORE, IGNORE, 8, 9]]
    assert batch.n_learned == 2


def test_conversations_become_rows_that_learn_the_reply_and_its_end(tiny_tokenizer):
    [only] = encode([talk(("hello there", "hi"))], tiny_tokenizer, context=61)
    assert learned(only) == [*tiny_tokenizer.encode("hi"), tiny_tokenizer.end_id]


def test_a_row_learns_its_gist_before_the_reply(gist_bundle):
    tokenizer = gist_bundle.tokenizer
    said = SimpleNamespace(turns=[("hello there", "hi")], gist="greeting")
    [only] = encode([said], tokenizer, context=61)
    assert learned(only) == [tokenizer.gists["greeting"], *tokenizer.encode("hi"), tokenizer.end_id]


def test_a_row_that_is_too_long_is_named_and_not_cut(tiny_tokenizer):
    rows = [talk(("hello", "hi")), talk(("good night", "i stay on. " * 30))]
    with pytest.raises(TrainingError, match=r"Row 2 has \d+ tokens and the model sees 61: 'good night … i stay"):
        encode(rows, tiny_tokenizer, context=61)


def test_a_row_may_fill_the_context_to_the_last_token(tiny_tokenizer):
    said = talk(("hello", "i stay on."))
    n_tokens = len(tiny_tokenizer.conversation(said.turns)[0])
    assert len(encode([said], tiny_tokenizer, context=n_tokens - 1)) == 1
    with pytest.raises(TrainingError):
        encode([said], tiny_tokenizer, context=n_tokens - 2)


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(TrainingError, match="no rows"):
        Batches([], batch_tokens=100)


def test_messages_are_encoded_as_they_are_heard_and_replies_as_they_are(tiny_tokenizer):
    [(ids, _)] = encode([talk(("ARE you Hungry", "Yes"))], tiny_tokenizer, context=96, hear=str.lower)
    assert ids.tolist() == tiny_tokenizer.conversation([("are you hungry", "Yes")])[0]
