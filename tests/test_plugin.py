"""A persona is a folder: from nothing to a chat on the page by commands alone, and nothing of ours knows its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from guppylm.ui.shelf import Shelf

ROOT = Path(__file__).parents[1]
TABLE = """topic,prompt,reply
tide,is the tide in,the tide is where it wants to be.
tide,when does the water come,twice. i am there both times.
tide,is it low tide,it is. look at all that breakfast.
gulls,do you like gulls,gulls are loud. i am exact.
gulls,a gull stole my chips,they were never yours once you left the house.
gulls,are you a gull,look at my tail and ask again.
"""


def command(*arguments: object, cwd: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_folder_becomes_somebody_to_talk_to(tmp_path):
    (tmp_path / "tern.csv").write_text(TABLE, encoding="utf-8")
    packs, bundle = tmp_path / "personas", tmp_path / "models" / "tern"
    guppylm = ("-m", "guppylm")
    command(*guppylm, "new", "tern", "--from-csv", "tern.csv", "--personas", packs, cwd=tmp_path)
    assert "0 errors" in command(*guppylm, "check", "tern", "--personas", packs, "--rows", 6, cwd=tmp_path)
    assert "tide" in command(*guppylm, "explain", packs / "tern", "is the tide in", cwd=tmp_path)
    flags = ("--preset", "smoke", "--rows", 60, "--steps", 3, "--device", "cpu", "--out", bundle)
    command(ROOT / "train.py", "--persona", packs / "tern", *flags, cwd=tmp_path)
    said = json.loads(command(*guppylm, "chat", bundle, "--prompt", "is the tide in", "--json", cwd=tmp_path))
    assert isinstance(said["reply"], str)

    shelf = Shelf(models_dir=bundle.parent, personas_dir=packs)
    [tern] = shelf.personas()
    assert (tern.name, tern.title, tern.ready) == ("tern", "Tern", True)
    assert shelf.chat("tern").reply("is the tide in", seed=1).text is not None
    assert [topic.name for topic in shelf.topics(tern)] == ["gulls", "tide"]
