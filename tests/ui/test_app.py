"""`python app.py`: flags, the address, Ctrl-C; and what gr.Blocks is built with."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.ui.stage import Stage

APP = Path(__file__).parents[2] / "app.py"


def test_help_needs_no_gradio() -> None:
    start = time.monotonic()
    done = subprocess.run([sys.executable, str(APP), "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "python app.py" in done.stdout
    assert time.monotonic() - start < 10


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_it_tells_its_address_serves_and_stops(stage: Stage, sent: signal.Signals, code: int) -> None:
    command = [
        sys.executable,
        str(APP),
        "--models",
        str(stage.models_dir),
        "--personas",
        str(stage.personas_dir),
    ]
    app = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=APP.parent,
        # Tests that run in the background of a shell ignore Ctrl-C, and what they start would ignore it too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        line = app.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert address, line
        with urllib.request.urlopen(address[0], timeout=30) as response:
            page = response.read().decode()
        assert "GuppyLM" in page
        time.sleep(1)
        app.send_signal(sent)
        rest, _ = app.communicate(timeout=30)
        assert app.returncode == code, rest
        assert "Traceback" not in rest
    finally:
        app.kill()


def test_a_taken_port_is_one_sentence(served: str, stage: Stage) -> None:
    port = served.rstrip("/").rsplit(":", 1)[1]
    command = [sys.executable, str(APP), "--port", port, "--models", str(stage.models_dir)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ})
    assert done.returncode == 2
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_of_a_visit_is_kept_and_nothing_is_loaded_from_elsewhere() -> None:
    from guppylm.ui.page import launch_options

    options = launch_options()
    assert options["run_history"] is False
    assert options["share"] is False
    assert not re.search(r"https?:|@import|url\(", options["css"])


def test_building_the_page_opens_no_bundle(stage: Stage) -> None:
    from guppylm.ui.page import AppSettings, build_app
    from guppylm.ui.shelf import Shelf

    def refuse(folder: Path) -> object:
        raise AssertionError("a bundle was opened before anybody asked")

    settings = AppSettings(models_dir=stage.models_dir, personas_dir=stage.personas_dir)
    shelf = Shelf(models_dir=stage.models_dir, personas_dir=stage.personas_dir, open_chat=refuse)
    page = build_app(settings, shelf=shelf)
    assert "GuppyLM" in page.title


def test_an_empty_house_can_be_visited(tmp_path: Path) -> None:
    from guppylm.ui.page import AppSettings, build_app

    build_app(AppSettings(models_dir=tmp_path / "m", personas_dir=tmp_path / "p"))


def test_a_zero_gpu_space_finds_its_gpu_function(tmp_path: Path) -> None:
    spaces = "found = []\ndef GPU(duration=60):\n    return lambda f: (found.append(f.__name__), f)[1]\n"
    (tmp_path / "spaces.py").write_text(spaces)
    program = "import app, spaces, sys; print(spaces.found, 'torch' in sys.modules)"
    path = os.pathsep.join([str(tmp_path), str(APP.parent)])
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.stdout.split() == ["['on_gpu']", "False"], done.stderr
