"""Muon does what its source says, every parameter has one optimizer, and the schedule ends at zero."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from guppylm.model import ModelConfig, Transformer
from guppylm.training.optimizer import (
    Muon,
    OptimizerSettings,
    build,
    learning_rate_at,
    orthogonal,
    set_learning_rate,
)


@pytest.fixture
def model() -> Transformer:
    config = ModelConfig(vocab_size=50, context=16, n_layers=2, n_heads=2, d_model=8, d_ff=20, dropout=0.0)
    return Transformer(config, generator=torch.Generator().manual_seed(0))


def muon(*matrices: tuple[nn.Parameter, int], **settings) -> Muon:
    usual = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0, "dtype": torch.float32}
    return Muon(matrices, **{**usual, **settings})


def with_gradient(values: torch.Tensor, gradient: torch.Tensor) -> nn.Parameter:
    parameter = nn.Parameter(values.clone())
    parameter.grad = gradient.clone()
    return parameter


@pytest.mark.parametrize("shape", [(3, 12, 12), (2, 30, 7), (2, 7, 30)])
def test_orthogonal_brings_every_singular_value_near_one_and_keeps_the_directions(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = orthogonal(matrices)
    assert found.shape == matrices.shape
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.4
    assert values.max() < 1.3
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    assert torch.nn.functional.cosine_similarity(found.flatten(), (u @ v).flatten(), dim=0) > 0.95


def test_every_parameter_belongs_to_one_optimizer_and_only_block_matrices_to_muon(model):
    muon, adamw = build(model, OptimizerSettings())
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    by_muon, by_adamw = (
        {names[id(p)] for group in optimizer.param_groups for p in group["params"]} for optimizer in (muon, adamw)
    )
    assert by_muon | by_adamw == set(names.values())
    assert not by_muon & by_adamw
    assert len(by_muon) == 2 * 4
    assert all(name.startswith("blocks.") and name.endswith(".weight") for name in by_muon)
    assert not any("norm" in name for name in by_muon)


def test_norms_and_biases_are_not_pulled_to_zero(model):
    _, adamw = build(model, OptimizerSettings(weight_decay=0.3))
    decayed = {p.dim(): group["weight_decay"] for group in adamw.param_groups for p in group["params"]}
    assert decayed == {1: 0.0, 2: 0.3}


def test_q_k_and_v_are_stepped_as_three_matrices():
    values, gradient = torch.randn(2, 12, 4, generator=torch.Generator().manual_seed(2))
    together = with_gradient(values, gradient)
    apart = [with_gradient(*pair) for pair in zip(values.split(4), gradient.split(4), strict=True)]
    muon((together, 3)).step()
    muon(*((part, 1) for part in apart)).step()
    assert torch.allclose(together, torch.cat(apart), atol=1e-6)
    as_one = with_gradient(values, gradient)
    muon((as_one, 1)).step()
    assert not torch.allclose(together, as_one, atol=1e-3)


def test_muon_agrees_with_torchs_own():
    torchs_muon = getattr(torch.optim, "Muon", None)
    if torchs_muon is None:
        pytest.skip("torch has it since 2.9")
    values, gradient = torch.randn(2, 6, 10, generator=torch.Generator().manual_seed(3))
    ours, theirs = with_gradient(values, gradient), with_gradient(values, gradient)
    one = muon((ours, 1), lr=0.02, momentum=0.95, weight_decay=0.1)
    two = torchs_muon([theirs], lr=0.02, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        one.step()
        two.step()
    assert torch.allclose(ours, theirs, atol=2e-3)  # theirs rounds to bf16
    assert (ours - values).abs().max() > 0.01


def test_a_step_does_not_depend_on_how_long_the_gradient_is():
    values, gradient = torch.randn(2, 6, 6, generator=torch.Generator().manual_seed(4))
    short, long = with_gradient(values, gradient), with_gradient(values, 1000 * gradient)
    muon((short, 1)).step()
    muon((long, 1)).step()
    assert torch.allclose(short, long, atol=1e-5)


def test_the_learning_rate_ramps_up_and_falls_straight_to_zero():
    rates = [learning_rate_at(k / 100, warm_up=0.1) for k in range(101)]
    assert 0 < rates[0] < 0.2
    assert rates[10] == pytest.approx(1.0)
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == 0.0


def test_both_optimizers_follow_the_schedule(model):
    optimizers = build(model, OptimizerSettings(matrix_lr=0.02, other_lr=0.004))
    set_learning_rate(optimizers, 0.5)
    set_learning_rate(optimizers, 0.25)  # of the full rate, not of the last
    rates = {group["lr"] for optimizer in optimizers for group in optimizer.param_groups}
    assert rates == {0.005, 0.001}
