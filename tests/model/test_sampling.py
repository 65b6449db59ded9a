"""Sampling: every line of the sum can be checked by hand, and one random number decides."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from guppylm.errors import ChatError
from guppylm.model import sampling as steps
from guppylm.model.sampling import Sampling, draw, keep_top_k, keep_top_p, would_repeat
from guppylm.model.tokenizer import Tokenizer

OPEN = Sampling(temperature=1.0, top_k=0, top_p=1.0, no_repeat=0)  # the model's own probabilities
GREEDY = OPEN.changed(temperature=0.0)
PAD_AND_START = (0, 1)


def choose(logits, said, sampling, uniform, never=PAD_AND_START):
    return steps.choose(logits, said, sampling, uniform, never)


def follow(logits, said, sampling):
    return steps.follow(logits, said, sampling, PAD_AND_START)


def sample(logits, said, sampling, dice):
    return steps.sample(logits, said, sampling, dice, PAD_AND_START)


def logits_for(*probabilities: float) -> torch.Tensor:
    """Logits in which ids 0, 1, 2 are impossible and those from 3 on have the given probabilities."""
    return torch.cat([torch.full((3,), -1e4), torch.tensor(probabilities).log()])


def kept(scores: torch.Tensor) -> list[int]:
    return (scores > -math.inf).nonzero().flatten().tolist()


def test_open_settings_give_the_models_own_probabilities():
    probabilities = follow(logits_for(0.5, 0.2, 0.3), (), OPEN).probabilities
    assert probabilities[3:].tolist() == pytest.approx([0.5, 0.2, 0.3])


@pytest.mark.parametrize("uniform", [0.0, 0.3, 0.999])
def test_temperature_zero_takes_the_likeliest_whatever_the_dice_say(uniform):
    assert choose(logits_for(0.3, 0.4, 0.3), (), GREEDY, uniform).id == 4


def test_of_two_equally_likely_the_lower_id_is_taken():
    assert choose(logits_for(0.2, 0.4, 0.4), (), GREEDY, 0.9).id == 4


def test_temperature_divides_the_logits():
    trail = follow(logits_for(0.5, 0.25, 0.25), (), OPEN.changed(temperature=0.5))
    assert trail.probabilities[3:].tolist() == pytest.approx([4 / 6, 1 / 6, 1 / 6])
    torch.testing.assert_close(trail.tempered[3:], trail.logits[3:] * 2)


def test_the_lowest_temperature_is_still_a_number():
    step = choose(torch.tensor([0.0, 0.0, 0.0, 900.0, -900.0]), (), OPEN.changed(temperature=0.001), 0.5)
    assert (step.id, step.p) == (3, 1.0)


def test_pad_and_start_are_never_said_however_likely():
    logits = torch.tensor([50.0, 40.0, 1.0, 0.0])
    assert choose(logits, (), GREEDY, 0.5).id == 2
    assert follow(logits, (), OPEN).probabilities[:2].tolist() == [0.0, 0.0]


def test_gists_are_never_said_either():
    tokenizer = Tokenizer.train([], vocab_size=300, gists=["food", "light"])
    logits = torch.zeros(tokenizer.vocab_size)
    logits[[3, 4]] = 50.0
    step = choose(logits, (), OPEN, 0.5, tokenizer.never_said)
    assert step.id not in (0, 1, 3, 4)
    assert [c.fate for c in step.candidates(2)[:2]] == ["control", "control"]
    assert step.again(GREEDY).id not in (3, 4)
    assert step.trail().probabilities[[0, 1, 3, 4]].tolist() == [0.0] * 4


def test_top_k_keeps_exactly_k_even_among_equals():
    assert kept(keep_top_k(torch.tensor([1.0, 3.0, 3.0, 3.0, 0.0]), 2)) == [1, 2]


@pytest.mark.parametrize("k", [0, 5, 99])
def test_top_k_of_nothing_or_of_all_keeps_all(k):
    assert kept(keep_top_k(torch.arange(5.0), k)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("p", "stay"), [(0.01, [1]), (0.45, [1]), (0.55, [1, 2]), (0.9, [1, 2, 3]), (1.0, [0, 1, 2, 3])]
)
def test_top_p_keeps_the_fewest_that_reach_p(p, stay):
    assert kept(keep_top_p(torch.tensor([0.05, 0.5, 0.3, 0.15]).log(), p)) == stay


def test_top_p_counts_what_top_k_left():
    trail = follow(logits_for(0.4, 0.3, 0.3), (), OPEN.changed(top_k=2, top_p=0.5))
    assert kept(trail.within_top_k) == [3, 4]
    assert kept(trail.within_top_p) == [3]  # 0.4 of 0.7 is more than half


@pytest.mark.parametrize(("uniform", "id"), [(0.0, 1), (0.49, 1), (0.51, 2), (0.79, 2), (0.81, 0), (1 - 1e-16, 0)])
def test_the_draw_lays_probabilities_end_to_end_likeliest_first(uniform, id):
    assert draw(torch.tensor([0.2, 0.5, 0.3, 0.0], dtype=torch.float64), uniform) == id


def test_even_spread_numbers_draw_in_proportion():
    probabilities = torch.tensor([0.2, 0.5, 0.3, 0.0], dtype=torch.float64)
    drawn = [draw(probabilities, (n + 0.5) / 1000) for n in range(1000)]
    assert [drawn.count(id) for id in range(4)] == [200, 500, 300, 0]


def test_the_same_seed_draws_the_same_tokens():
    logits = torch.randn(300, generator=torch.Generator().manual_seed(5))

    def tokens(seed):
        dice = torch.Generator().manual_seed(seed)
        return [sample(logits, (), OPEN, dice).id for _ in range(20)]

    assert tokens(1) == tokens(1)
    assert tokens(1) != tokens(2)


@pytest.mark.parametrize("sampling", [OPEN, GREEDY, Sampling(), Sampling(top_k=1)])
def test_every_token_uses_up_one_random_number_whatever_the_settings(sampling):
    dice, reference = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    logits = torch.randn(300, generator=torch.Generator().manual_seed(5))
    drawn = [sample(logits, (), sampling, dice).uniform for _ in range(3)]
    assert drawn == torch.rand(3, generator=reference, dtype=torch.float64).tolist()


def test_a_step_can_be_taken_again_under_other_settings():
    step = choose(logits_for(0.6, 0.3, 0.1), (), OPEN, 0.95)
    assert step.id == 5
    assert step.again(OPEN).id == 5
    assert step.again(OPEN.changed(top_k=2)).id == 4
    assert step.again(GREEDY).id == 3


def test_a_repeat_is_what_would_close_a_run_for_the_second_time():
    assert would_repeat((7, 8, 9, 7, 8), 3) == {9}
    assert would_repeat((7, 8, 9, 7, 8, 4, 7, 8), 3) == {9, 4}
    assert would_repeat((7, 8, 9, 7, 8), 4) == set()
    assert would_repeat((7, 7), 2) == {7}
    assert would_repeat((7, 8, 9), 0) == set()
    assert would_repeat((), 1) == set()


@given(st.lists(st.integers(3, 5), max_size=14), st.integers(1, 5))
def test_the_guard_bars_a_token_exactly_if_the_run_is_there_already(said, n):
    runs = {tuple(said[i : i + n]) for i in range(len(said) - n + 1)}
    barred = {id for id in range(3, 6) if len(said) >= n - 1 and tuple([*said, id][-n:]) in runs}
    assert would_repeat(tuple(said), n) == barred


def test_the_guard_lets_the_next_best_through_and_keeps_to_one_reply():
    loop = OPEN.changed(no_repeat=2, temperature=0.0)
    assert choose(logits_for(0.7, 0.3), (3, 3), loop, 0.5).id == 4
    assert choose(logits_for(0.7, 0.3), (3,), loop, 0.5).id == 3


def test_candidates_say_what_happened_to_each_token():
    logits = torch.tensor([9.0, -9.0, -9.0, *torch.tensor([0.4, 0.3, 0.2, 0.06, 0.04]).log()])
    step = choose(logits, (4, 4), OPEN.changed(no_repeat=2, top_k=3, top_p=0.8), 0.1)
    assert [(c.id, c.fate) for c in step.candidates(6)] == [
        (0, "control"),
        (3, "kept"),
        (4, "repeat"),
        (5, "kept"),
        (6, "top_p"),
        (7, "top_k"),
    ]
    first, second = step.candidates(2)
    assert (first.rank, first.p_drawn, first.logit) == (1, 0.0, 9.0)
    assert first.p_model > 0.99
    assert second.p_drawn == pytest.approx(0.4 / 0.6)


def test_candidates_always_include_the_token_that_was_drawn():
    step = choose(logits_for(0.6, 0.3, 0.1), (), OPEN, 0.95)
    assert [(c.id, c.rank) for c in step.candidates(1)] == [(3, 1), (5, 3)]


def test_at_temperature_zero_the_others_fell_to_the_temperature():
    step = choose(logits_for(0.6, 0.4), (), GREEDY, 0.95)
    assert [c.fate for c in step.candidates(2)] == ["kept", "temperature"]


@given(
    st.lists(st.floats(-60, 60, width=32), min_size=7, max_size=30),
    st.lists(st.integers(3, 6), max_size=10),
    st.builds(
        Sampling,
        temperature=st.sampled_from([0, 0.001, 0.3, 1, 3, 100]),
        top_k=st.integers(0, 5),
        top_p=st.floats(0.001, 1),
        no_repeat=st.integers(0, 3),
    ),
    st.floats(0, 1, exclude_max=True),
)
def test_whatever_is_drawn_was_possible_and_the_rest_adds_up(logits, said, sampling, uniform):
    step = choose(torch.tensor(logits), tuple(said), sampling, uniform)
    trail = step.trail()
    assert step.p > 0
    assert step.p == trail.probabilities[step.id]
    assert float(trail.probabilities.sum()) == pytest.approx(1)
    assert step.id not in (0, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_logits_that_are_no_numbers_are_a_clear_error(value):
    with pytest.raises(ChatError, match="run over"):
        choose(torch.tensor([0.0, 0.0, value, 1.0]), (), Sampling(), 0.5)


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": -0.1},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"temperature": 1e-9},
        {"temperature": "0.7"},
        {"temperature": True},
        {"top_p": 0.0},
        {"top_p": 1.01},
        {"top_p": math.nan},
        {"top_k": -1},
        {"top_k": 2.5},
        {"top_k": None},
        {"no_repeat": -2},
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(settings):
    (name,) = settings
    with pytest.raises(ChatError, match=f"^{name} is ") as caught:
        Sampling(**settings)
    assert caught.value.help


def test_changing_settings_to_none_leaves_them():
    assert Sampling(top_k=7).changed(top_k=None, temperature=0) == Sampling(top_k=7, temperature=0)
