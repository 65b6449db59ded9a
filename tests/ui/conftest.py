"""One stage for all tests of the page, and a served page for those that need a server."""

from __future__ import annotations

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from collections.abc import Iterator
from pathlib import Path

import pytest

from guppylm.ui.shelf import Shelf
from tests.ui.stage import Stage, set_stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return set_stage(tmp_path_factory.mktemp("stage"))


@pytest.fixture
def shelf(stage: Stage) -> Shelf:
    return Shelf(models_dir=stage.models_dir, personas_dir=stage.personas_dir)


@pytest.fixture(scope="session")
def served(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page on a port of its own; its address."""
    from guppylm.ui.page import AppSettings, build_app, launch_options

    page = build_app(AppSettings(models_dir=stage.models_dir, personas_dir=stage.personas_dir))
    _, address, _ = page.launch(prevent_thread_lock=True, **launch_options())
    yield address.rstrip("/")
    page.close(verbose=False)


@pytest.fixture
def a_copy(stage: Stage, tmp_path: Path) -> Stage:
    """A stage of one's own, to break things in."""
    import shutil

    shutil.copytree(stage.models_dir, tmp_path / "models")
    shutil.copytree(stage.personas_dir, tmp_path / "personas")
    return Stage(models_dir=tmp_path / "models", personas_dir=tmp_path / "personas")
