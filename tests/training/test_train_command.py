"""train.py as people run it: flags, exit codes, what goes where, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import train as command
from guppylm.model import Bundle

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--preset", "smoke", "--rows", "60", "--device", "cpu", "--precision", "fp32"]


def start(*flags: object, cwd: Path) -> subprocess.Popen:
    line = [sys.executable, str(ROOT / "train.py"), *map(str, flags)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(line, stdout=pipe, stderr=pipe, text=True, cwd=cwd, env=environment)


def test_a_whole_run_puts_json_on_standard_output_and_nothing_else(moth_folder, tmp_path):
    process = start("--persona", moth_folder, *SMALL, "--steps", 3, "--json", cwd=tmp_path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    found = json.loads(out)
    assert found["training"]["n_steps"] == 3
    assert found["bundle"] == str(Path("models/moth"))
    progress = [json.loads(line) for line in err.splitlines()]
    assert [one["stage"] for one in progress[:1] + progress[-1:]] == ["preparing", "done"]
    metrics = Bundle.load(tmp_path / "models/moth").metrics
    assert metrics["command"].startswith("python train.py --persona ")


def test_ctrl_c_saves_says_how_to_go_on_and_ends_with_130(moth_folder, tmp_path):
    process = start("--persona", moth_folder, *SMALL, "--steps", 100_000, "--json", cwd=tmp_path)
    for line in process.stderr:
        if json.loads(line)["step"] > 0:
            break
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert f"python train.py --persona {moth_folder} --resume" in err
    bundle = Bundle.load(tmp_path / "models/moth")
    assert bundle.metrics["finished"] is False
    assert bundle.metrics["training"]["n_steps"] > 0


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run train.py in this process; return exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*flags: object) -> tuple[int, str, str]:
        try:
            code = command.main([str(flag) for flag in flags])
        except SystemExit as error:
            code = error.code
        return (code, *capsys.readouterr())

    return call


def test_an_unknown_persona_is_answered_with_the_nearest(run):
    code, out, err = run("--persona", "gupy", *SMALL)
    assert (code, out) == (2, "")
    assert "gupy" in err
    assert "guppy" in err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--steps", "0"], "--steps is 0"),
        (["--steps", "many"], "--steps"),
        (["--preset", "900m"], "--preset"),
        (["--steps", "5", "--minutes", "1"], "--steps and --minutes"),
        (["--device", "mps"], "There is no mps device here"),
        (["--resume"], "There is no unfinished run to resume"),
        (["--colour", "red"], "--colour"),
    ],
)
def test_a_mistake_is_one_clear_sentence_and_exit_code_2(run, moth_folder, flags, said):
    code, out, err = run("--persona", moth_folder, *flags)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) <= 2
    assert "Traceback" not in err


def test_without_a_persona_it_says_so(run):
    code, _, err = run()
    assert code == 2
    assert "--persona" in err


def test_help_shows_examples(run):
    code, out, _ = run("--help")
    assert code == 0
    assert "python train.py --persona guppy" in out
    assert "--minutes" in out


def test_a_run_ends_with_what_it_learned_and_how_to_chat(run, moth_folder):
    code, out, err = run("--persona", moth_folder, *SMALL, "--steps", 3, "--out", "here/moth-2")
    assert (code, err) == (0, "")
    assert "Held-out loss" in out
    assert "are you hungry" in out
    assert out.rstrip().endswith("python -m guppylm chat " + str(Path("here/moth-2")))
    assert "\r" not in out  # a bar that renews itself is for terminals


def test_the_command_to_chat_names_the_folder_of_the_bundle(run, moth_folder):
    _, out, _ = run("--persona", moth_folder, *SMALL, "--steps", 3, "--out", "models/little")
    assert out.rstrip().endswith("python -m guppylm chat little")


def test_a_stopped_run_goes_on_with_its_own_settings(run, moth_folder, monkeypatch):
    before = command._StopSign

    class StopSoon(command._StopSign):
        seen = property(lambda self: signal.SIGINT if self.n_looks > 6 else self.look(), lambda *_: None)
        n_looks = 0

        def look(self) -> int:
            self.n_looks += 1
            return 0

    monkeypatch.setattr(command, "_StopSign", StopSoon)
    code, _, err = run("--persona", moth_folder, *SMALL, "--steps", 9)
    assert code == 130
    assert "--resume" in err
    monkeypatch.setattr(command, "_StopSign", before)
    assert run("--persona", moth_folder, "--resume", "--steps", 10)[0] == 2
    assert run("--persona", moth_folder, "--resume")[0] == 0
    assert Bundle.load("models/moth").metrics["training"]["n_steps"] == 9
