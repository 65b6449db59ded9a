"""Power cuts, full disks: each ends in a good state, or in one clear sentence.

GUPPYLM_KILLS=20 pytest tests/training/test_never_lose.py   kills twenty times instead of three
"""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from guppylm.errors import TrainingError
from guppylm.model import Bundle
from guppylm.model.folder import previous_of
from guppylm.training import checkpoint, loop
from guppylm.training.loop import train

ROOT = Path(__file__).resolve().parents[2]
N_KILLS = int(os.environ.get("GUPPYLM_KILLS", "3"))
# Checkpoints after every step, so that many a kill meets one that is being written.
TRAIN = """
import sys, train
from guppylm.training import loop
loop.CHECKPOINT_SECONDS = -1.0
sys.exit(train.main(sys.argv[1:]))
"""


def start(moth_folder: Path, out: Path, *flags: object) -> subprocess.Popen[str]:
    small = ("--preset", "smoke", "--rows", 60, "--steps", 120, "--device", "cpu", "--precision", "fp32", "--json")
    line = [sys.executable, "-c", TRAIN, "--persona", moth_folder, "--out", out, *small, *flags]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen([str(part) for part in line], stdout=pipe, stderr=pipe, text=True, env=environment)


def kill_while_it_learns(process: subprocess.Popen[str], rng: random.Random) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("{") and json.loads(line)["stage"] == "learning":
            break
    time.sleep(rng.uniform(0, 1))
    process.kill()
    process.communicate()


def test_after_any_number_of_kills_it_ends_with_the_weights_of_a_quiet_run(moth_folder, tmp_path):
    rng, out = random.Random(time.time_ns()), tmp_path / "moth"
    for _ in range(N_KILLS):
        resume = ["--resume"] if checkpoint.path_for(out).exists() else []
        kill_while_it_learns(start(moth_folder, out, *resume), rng)
        if out.exists():  # the kill came after the end
            Bundle.load(out)
    resume = ["--resume"] if checkpoint.path_for(out).exists() else []
    for one, flags in ((out, resume), (tmp_path / "quiet", [])):
        process = start(moth_folder, one, *flags)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    weights = [(place / "model.safetensors").read_bytes() for place in (out, tmp_path / "quiet")]
    assert weights[0] == weights[1]
    left = {path.name for path in tmp_path.iterdir()} - {previous_of(out).name}
    assert left == {"moth", "quiet"}


@pytest.fixture
def full_disk(monkeypatch):
    """Let nothing be written from now on, until it is undone."""

    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", _no_room)
        patched.setattr(Path, "write_bytes", _no_room)
        yield patched


def test_a_checkpoint_that_finds_no_room_is_no_reason_to_stop(moth, settings, tmp_path, full_disk):
    notes = []
    for progress in train(moth, settings, tmp_path / "moth"):
        notes += [progress.note] if progress.stage == "learning" else []
        if progress.stage == "saving":
            full_disk.undo()
    assert sum("no checkpoint could be written: No space left on device" in note for note in notes) == settings.n_steps
    assert Bundle.load(tmp_path / "moth").metrics["finished"] is True


def test_a_bundle_that_finds_no_room_leaves_a_run_that_can_go_on(moth, moth_run, settings, tmp_path, full_disk):
    out = tmp_path / "moth"
    full_disk.undo()
    run = train(moth, settings, out)
    assert any(progress.stage == "saving" for progress in run)  # any() stops reading there
    full_disk.setattr(Path, "write_bytes", _no_room)
    with pytest.raises(TrainingError, match=r"could not be written: No space left on device.\nMake room.*--resume"):
        next(run)
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.path_for(out).name]
    full_disk.undo()
    assert list(train(moth, settings, out, resume=True))[-1].stage == "done"
    assert (out / "model.safetensors").read_bytes() == (moth_run.out / "model.safetensors").read_bytes()


def _no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_a_killed_writer_left_is_cleared_away(moth, settings, moth_run, tmp_path):
    out = tmp_path / "moth"
    list(train(moth, settings, out))
    left, other = tmp_path / ".moth.0123abcd", tmp_path / ".mother.0123abcd"
    for folder in (left, other):
        folder.mkdir()
    list(train(moth, settings, out))
    assert (left.exists(), other.exists()) == (False, True)
