"""Gradients: however a batch is cut up and shared out, they are those of the whole, and the same bits each time."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from guppylm.model.transformer import Transformer
from guppylm.training.batches import IGNORE
from guppylm.training.device import Device, pick
from guppylm.training.gradient import Gradients, learned_positions


@pytest.fixture
def batch(run):
    return max(run.batches.epoch(), key=lambda batch: batch.ids.numel())


@pytest.fixture
def weights(batch):
    return torch.rand(batch.targets.shape, generator=torch.Generator().manual_seed(1)) * (batch.targets != IGNORE)


def on(n_cores: int) -> Device:
    return dataclasses.replace(pick("cpu", precision="fp32"), n_threads=n_cores)


def fresh(run, **changes) -> Transformer:
    config = dataclasses.replace(run.config, **changes)
    return Transformer(config, generator=torch.Generator().manual_seed(1))


def gradient_of(model, device, batch, weights):
    loss = Gradients(model, device, device.scaler()).add(batch, weights)
    return loss, [parameter.grad for parameter in model.parameters()]


def test_it_is_the_gradient_of_the_weighted_sum_of_all_surprises(run, batch, weights):
    model = fresh(run)
    losses = F.cross_entropy(
        model(batch.ids).flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORE, reduction="none"
    )
    (losses * weights.flatten()).sum().backward()
    expected = [parameter.grad for parameter in model.parameters()]
    loss, found = gradient_of(fresh(run), on(1), batch, weights)
    torch.testing.assert_close(loss, losses.sum().detach())
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("n_cores", [2, 3])
def test_cores_together_find_what_one_finds_and_always_the_same_bits(run, batch, weights, monkeypatch, n_cores):
    expected = gradient_of(fresh(run), on(1), batch, weights)
    monkeypatch.setattr(Device, "tokens_at_once", 48)  # several parts a core
    monkeypatch.setattr(Device, "positions_at_once", 7)
    first, second = (gradient_of(fresh(run), on(n_cores), batch, weights) for _ in range(2))
    torch.testing.assert_close(first, expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(first[0], second[0])
    assert all(torch.equal(one, two) for one, two in zip(first[1], second[1], strict=True))


def test_more_cores_than_rows_are_no_problem(run, batch, weights):
    row, weight = batch.part(slice(0, 1)), weights[:1]
    expected = gradient_of(fresh(run), on(1), row, weight)
    torch.testing.assert_close(gradient_of(fresh(run), on(3), row, weight), expected, atol=1e-5, rtol=1e-4)


def test_gradients_add_up_until_they_are_cleared(run, batch, weights):
    model = fresh(run)
    gradients = Gradients(model, on(2), on(2).scaler())
    gradients.add(batch, weights)
    once = [parameter.grad.clone() for parameter in model.parameters()]
    gradients.add(batch, weights)
    torch.testing.assert_close([p.grad for p in model.parameters()], [2 * grad for grad in once])


def test_the_threads_of_torch_stay_as_they_were(run, batch, weights):
    before = torch.get_num_threads()
    gradient_of(fresh(run), on(2), batch, weights)
    assert torch.get_num_threads() == before


def test_with_dropout_one_core_throws_the_dice_alone(run, batch, weights):
    bits = []
    for _ in range(2):
        torch.manual_seed(3)
        bits.append(gradient_of(fresh(run, dropout=0.5), on(2), batch, weights)[0])
    assert torch.equal(*bits)


def test_measuring_gives_the_sum_of_all_surprises_and_no_gradient(run, batch):
    model = fresh(run)
    expected = F.cross_entropy(
        model(batch.ids).flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORE, reduction="sum"
    )
    for n_cores in (1, 2):
        found = Gradients(model, on(n_cores), on(n_cores).scaler()).measure(batch)
        assert found == pytest.approx(expected.item(), rel=1e-4)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("n_learned", [0, 1, 127, 128, 129, 300])
def test_learned_positions_are_all_that_carry_loss_and_come_in_few_sizes(n_learned):
    targets = torch.full((10, 40), IGNORE)
    targets.view(-1)[torch.randperm(400)[:n_learned]] = 5
    at = learned_positions(targets)
    assert len(at.unique()) == len(at)
    assert set((targets.flatten() == 5).nonzero().flatten().tolist()) <= set(at.tolist())
    assert len(at) % 128 == 0
    assert 0 < len(at) < n_learned + 129
