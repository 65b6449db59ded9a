"""Several processes, one run: the same curve as one process, one bundle, and they stop together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from guppylm.errors import TrainingError
from guppylm.model import Bundle
from guppylm.training import checkpoint
from guppylm.training.batches import Batches, encode
from guppylm.training.world import World, join

ROOT = Path(__file__).resolve().parents[2]
# Batches of few tokens, so that some hold fewer rows than there are processes.
FLAGS = ("--preset", "smoke", "--rows", "60", "--device", "cpu", "--precision", "fp32")


def start(moth_folder: Path, out: Path, *flags: str, n: int = 2) -> subprocess.Popen[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={n}"]
    command = [*launcher, ROOT / "train.py", "--persona", moth_folder, "--out", out, *FLAGS, *flags]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=out.parent, env=environment)


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    return out, err


def curve(bundle: Bundle) -> list[float]:
    return [point["loss"] for point in bundle.metrics["curve"] if point["loss"] is not None]


def test_two_processes_learn_what_one_learns(moth_folder, tmp_path):
    bundles = []
    for n in (1, 2):
        out = tmp_path / f"by-{n}"
        shown, _ = finish(start(moth_folder, out, "--steps", "12", n=n))
        assert shown.count("hesitates between about") == 1  # the summary of one run, not of two
        bundles.append(Bundle.load(out))
    one, two = bundles
    assert len(curve(one)) == 12
    assert curve(two) == pytest.approx(curve(one), abs=2e-3)
    assert [bundle.metrics["training"]["n_processes"] for bundle in bundles] == [1, 2]
    assert two.metrics["training"]["n_tokens"] == one.metrics["training"]["n_tokens"]
    held_out = [bundle.metrics["loss"]["held_out"] for bundle in bundles]
    assert held_out[1] == pytest.approx(held_out[0], abs=2e-3)


def test_processes_stop_together_and_go_on_together(moth_folder, tmp_path):
    out = tmp_path / "moth"
    process = start(moth_folder, out, "--steps", "100000", "--json")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("{") and json.loads(line)["step"] >= 3:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert "--resume" in err
    stopped = Bundle.load(out).metrics
    assert not stopped["finished"]
    assert checkpoint.path_for(out).is_file()
    n_steps = stopped["training"]["n_steps"]
    rest = start(moth_folder, out, "--resume", "--json")
    assert rest.stderr is not None
    for line in rest.stderr:
        if line.startswith("{") and json.loads(line)["step"] > n_steps + 2:
            break
    rest.send_signal(signal.SIGINT)
    rest.communicate(timeout=120)
    assert Bundle.load(out).metrics["training"]["n_steps"] > n_steps


def test_a_mistake_is_told_once(tmp_path):
    process = start(tmp_path / "nobody", tmp_path / "out")
    _, err = process.communicate(timeout=120)
    assert process.returncode != 0
    assert err.count("nobody") >= 1
    assert sum("there is no" in line.lower() for line in err.splitlines()) == 1


def test_shares_of_a_batch_make_the_whole(run, dataset):
    rows = encode(dataset.train, run.tokenizer, context=run.config.context)
    batch = Batches(rows, batch_tokens=400)[0]
    assert len(batch.ids) >= 3
    shares = [World(rank=rank, size=3).share(batch) for rank in range(3)]
    assert sum(len(share.ids) for share in shares) == len(batch.ids)
    assert sorted(torch.cat([share.ids for share in shares]).tolist()) == sorted(batch.ids.tolist())
    assert {share.n_learned for share in shares} == {batch.n_learned}


def test_where_there_are_more_processes_than_rows_some_learn_nothing(run):
    part = World(rank=99, size=100).share(run.batches[0])
    assert len(part.ids) == 1
    assert not run.gradients.add(part, torch.ones(part.targets.shape))
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in run.model.parameters())


def test_alone_there_is_nothing_to_agree_on(run):
    alone, batch = World(), run.batches[0]
    assert alone.share(batch) is batch
    assert (alone.total(2.5), alone.agree(2.5), alone.place_for("auto")) == (2.5, 2.5, "auto")
    assert alone.agree_on(run.device) == run.device
    alone.compare(run.digest)


def test_world_size_without_torchrun_is_a_clear_mistake(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainingError, match="WORLD_SIZE is 2"), join(device="cpu"):
        pass


def test_several_processes_do_not_share_an_mps_device():
    with pytest.raises(TrainingError, match="mps"):
        World(rank=0, size=2).place_for("mps")
