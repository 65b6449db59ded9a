"""The benchmarks run: what they measure is nobody's test, but that they still can measure it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(name: str, *flags: object) -> str:
    command = [sys.executable, ROOT / "benchmarks" / name, *map(str, flags)]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


@pytest.fixture
def little(moth_folder):
    return ("--persona", moth_folder, "--preset", "smoke", "--rows", 60)


def test_variants_of_training(little):
    found = json.loads(run("train.py", *little, "--steps", 2, "--only", "default", "half batches", "--json"))
    assert [one["variant"] for one in found["results"]] == ["default", "half batches"]
    assert [one["n_steps"] for one in found["results"]] == [2, 4]


def test_the_plain_recipe(little):
    assert "step 2 of 2  held out " in run("plain_recipe.py", *little, "--steps", 2)


def test_time_to_quality(little):
    flags = (*little, "--plain-steps", 3, "--ours", "smoke:40", "smoke:20")
    found = json.loads(run("time_to_quality.py", *flags, "--json"))
    plain, (longer, shorter) = found["plain"], found["ours"]
    assert (plain["steps"], longer["steps"], shorter["steps"]) == (3, 40, 20)
    assert plain["looks"][-1][1] == found["goal"]
    assert longer["times_faster"] == pytest.approx(plain["reached_goal_after"] / longer["reached_goal_after"])
    assert 0 < longer["share_of_peak"] < 1
    assert "times faster" in run("time_to_quality.py", *flags)
