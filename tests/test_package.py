"""The package as others import it: three names, and none of them drags in more than it needs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import guppylm


def run(script: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True, text=True)
    return done.stdout.strip()


def test_loading_packs_costs_no_torch():
    assert run("import sys; from guppylm import load_pack; print('torch' in sys.modules, callable(load_pack))") == (
        "False True"
    )


def test_the_names_of_the_readme_are_there():
    from guppylm.chat import Chat
    from guppylm.model import Bundle

    assert (guppylm.Bundle, guppylm.Chat) == (Bundle, Chat)
    assert {"Bundle", "Chat", "load_pack"} <= set(dir(guppylm))


def test_any_other_name_is_an_ordinary_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'load_bundle'"):
        _ = guppylm.load_bundle
