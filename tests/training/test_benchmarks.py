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
    found = json.loads(run("time_to_quality.py", *little, "--plain-steps", 3, "--steps", 40, "--json"))
    assert (found["plain"]["steps"], found["ours"]["steps"]) == (3, 40)
    assert found["plain"]["looks"][-1][1] == found["goal"]
    assert found["times_faster"] == pytest.approx(found["plain_reached_it_after"] / found["ours_reached_it_after"])
    assert 0 < found["share_of_peak"] < 1
    assert "times faster" in run("time_to_quality.py", *little, "--plain-steps", 3, "--steps", 40)
