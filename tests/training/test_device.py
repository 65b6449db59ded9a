"""Devices: what is not there is said in one sentence, and bf16 is used where it was measured to pay."""

from __future__ import annotations

import os

import pytest
import torch

from guppylm.errors import TrainingError
from guppylm.training import device as devices
from guppylm.training.device import bf16_gain, pick, usable_cores


class Clock:
    """Runs fast or slow as it is told: each reading is a tick after the last."""

    def __init__(self, ticks: list[float]) -> None:
        self.ticks, self.now = ticks, 0.0

    def __call__(self) -> float:
        self.now += self.ticks.pop(0)
        return self.now


def clock(*, fp32_seconds: float, bf16_seconds: float) -> Clock:
    took = [fp32_seconds] * 4 + [bf16_seconds] * 4
    return Clock([tick for seconds in took for tick in (0.0, seconds)])


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused_by_name(kind, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(TrainingError) as caught:
        pick(kind)
    assert caught.value.message == f"There is no {kind} device here."
    assert caught.value.help == "This machine has: cpu."


@pytest.mark.parametrize("wanted", [{"wanted": "tpu"}, {"precision": "fp8"}])
def test_an_unknown_name_is_answered_with_the_known_ones(wanted):
    with pytest.raises(TrainingError, match="Choose one of: auto"):
        pick(**wanted)


def test_the_fastest_kind_is_taken_by_itself(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick("auto").kind == "mps"


def test_bf16_is_used_where_it_pays_and_not_where_it_does_not():
    assert pick("cpu", clock=clock(fp32_seconds=0.03, bf16_seconds=0.01)).precision == "bf16"
    assert pick("cpu", clock=clock(fp32_seconds=0.03, bf16_seconds=0.6)).precision == "fp32"
    assert pick("cpu", clock=clock(fp32_seconds=0.03, bf16_seconds=0.028)).precision == "fp32"


def test_the_quickest_of_several_tries_counts():
    disturbed = Clock([0, 9, 0, 4, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 2])
    assert bf16_gain(disturbed) == pytest.approx(2.0)


def test_precision_can_be_named_and_changes_what_matrices_are_multiplied_in():
    product = {}
    for name in ("fp32", "bf16"):
        with pick("cpu", precision=name).autocast():
            product[name] = (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    assert product == {"fp32": torch.float32, "bf16": torch.bfloat16}


def test_only_fp16_needs_its_gradients_scaled():
    assert pick("cpu", precision="fp16").scaler().is_enabled()
    assert not pick("cpu", precision="bf16").scaler().is_enabled()


def test_a_containers_share_of_cores_is_respected(monkeypatch, tmp_path):
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(devices, "CPU_QUOTA", quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    for text, n_cores in (("200000 100000\n", 2), ("max 100000\n", 16), ("50000 100000\n", 1)):
        quota.write_text(text)
        assert usable_cores() == n_cores
    quota.unlink()
    assert usable_cores() == 16
