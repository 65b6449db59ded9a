"""Two folders in, personas out; what is broken says why and harms nobody."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from guppylm.errors import BundleError, GuppyError, NotFoundError
from guppylm.ui.shelf import Shelf, open_chat
from tests.ui.stage import SVG, Stage


def test_every_folder_is_a_persona_and_the_ready_ones_come_first(shelf: Shelf) -> None:
    found = {persona.name: persona.state for persona in shelf.personas()}
    assert found == {"lamp": "ready", "stone": "untrained", "half": "broken", "torn": "broken"}
    assert next(iter(found)) == "lamp"


def test_a_card_knows_what_the_pack_says(shelf: Shelf) -> None:
    lamp = shelf.persona("lamp")
    assert (lamp.title, lamp.starters) == ("Lamp", ("are you bright", "do you know the moth"))
    assert lamp.max_turns == 1
    assert base64.b64decode(lamp.avatar.split(",")[1]).decode() == SVG


def test_a_pack_without_a_drawing_gets_a_neutral_one(shelf: Shelf) -> None:
    assert b"<svg" in base64.b64decode(shelf.persona("stone").avatar.split(",")[1])


def test_a_persona_without_weights_says_how_to_train_it(shelf: Shelf, stage: Stage) -> None:
    stone = shelf.persona("stone")
    assert stone.problem == "Stone has no weights yet."
    assert stone.command.startswith(f"python train.py --persona {stage.personas_dir / 'stone'}")
    plain = Shelf(models_dir=Path("models"), personas_dir=Path("personas"))
    assert plain._command("train", "stone") == "python train.py --persona stone"


def test_a_half_written_bundle_tells_why(shelf: Shelf) -> None:
    half = shelf.persona("half")
    assert half.state == "broken"
    assert "model.safetensors" in half.problem or "config.json" in half.problem
    with pytest.raises(GuppyError):
        shelf.chat("half")


def test_a_torn_pack_tells_its_first_finding(shelf: Shelf) -> None:
    torn = shelf.persona("torn")
    assert "gest" in torn.problem
    assert torn.command.startswith("python -m guppylm check")


@pytest.mark.parametrize("name", ["nobody", "../lamp", "", "lam", "/etc"])
def test_a_name_is_looked_up_and_never_followed(shelf: Shelf, name: str) -> None:
    with pytest.raises(NotFoundError):
        shelf.chat(name)


def test_the_nearest_name_is_offered(shelf: Shelf) -> None:
    with pytest.raises(NotFoundError, match="did you mean lamp"):
        shelf.persona("lmap")


def test_weights_cut_short_break_one_card_only(a_copy: Stage) -> None:
    shutil.copytree(a_copy.models_dir / "lamp", a_copy.models_dir / "torch")
    weights = a_copy.models_dir / "lamp" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    shelf = Shelf(models_dir=a_copy.models_dir, personas_dir=a_copy.personas_dir)
    states = {persona.name: persona.state for persona in shelf.personas()}
    assert states["lamp"] == "broken"
    assert states["torch"] == "ready"
    assert shelf.chat("torch").reply("hi", seed=1).text is not None


def test_a_bundle_trained_again_is_opened_again(a_copy: Stage) -> None:
    shelf = Shelf(models_dir=a_copy.models_dir, personas_dir=a_copy.personas_dir)
    first = shelf.chat("lamp")
    assert shelf.chat("lamp") is first
    shutil.rmtree(a_copy.models_dir / "half")
    shutil.copytree(a_copy.models_dir / "lamp", a_copy.models_dir / "half")
    assert shelf.persona("half").ready
    (a_copy.models_dir / "lamp" / "note.txt").write_text("changed")
    assert shelf.chat("lamp") is not first


def test_only_a_few_bundles_stay_open(stage: Stage, tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    opened: list[str] = []

    def open_one(folder: Path) -> object:
        opened.append(folder.name)
        return open_chat(stage.models_dir / "lamp")

    shelf = Shelf(
        models_dir=tmp_path, personas_dir=tmp_path / "none", n_kept=2, open_chat=open_one, look_inside=lambda folder: 1
    )
    for name in ("a", "b", "a", "c", "a", "b"):
        shelf.chat(name)
    assert opened == ["a", "b", "c", "b"]
    for _ in range(3):  # a visit opens nothing
        assert all(persona.ready for persona in shelf.personas())
    assert opened == ["a", "b", "c", "b"]
    assert shelf.persona("d").ready  # but who picks one does
    assert opened == ["a", "b", "c", "b", "d"]


def test_forty_bundles_are_shown_without_reading_packs_or_weights(stage: Stage, tmp_path: Path) -> None:
    for number in range(40):
        shutil.copytree(stage.models_dir / "lamp", tmp_path / f"lamp{number:02}")

    def refuse(folder: Path) -> object:
        raise AssertionError(folder)

    shelf = Shelf(models_dir=tmp_path, personas_dir=tmp_path / "none", open_chat=refuse, read_pack=refuse)
    personas = shelf.personas()
    assert len(personas) == 40
    assert {(persona.state, len(persona.starters)) for persona in personas} == {("ready", 2)}
    assert [persona.title for persona in personas][:2] == ["Lamp (lamp00)", "Lamp (lamp01)"]


def test_what_only_the_weights_can_tell_is_told_once_they_are_read(a_copy: Stage) -> None:
    weights = a_copy.models_dir / "lamp" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    shelf = Shelf(models_dir=a_copy.models_dir, personas_dir=a_copy.personas_dir)
    assert next(persona for persona in shelf.personas() if persona.name == "lamp").ready
    assert shelf.persona("lamp").state == "broken"
    assert next(persona for persona in shelf.personas() if persona.name == "lamp").state == "broken"


def test_a_fault_while_opening_stays_on_its_card(stage: Stage) -> None:
    def fail(folder: Path) -> object:
        raise ZeroDivisionError

    shelf = Shelf(models_dir=stage.models_dir, personas_dir=stage.personas_dir, open_chat=fail)
    assert shelf.persona("lamp").problem == "This bundle could not be opened: ZeroDivisionError."
    assert shelf.persona("stone").state == "untrained"


def test_a_failing_bundle_is_tried_once_until_it_changes(stage: Stage) -> None:
    tried: list[Path] = []

    def fail(folder: Path) -> object:
        tried.append(folder)
        raise BundleError("broken.")

    shelf = Shelf(models_dir=stage.models_dir, personas_dir=stage.personas_dir, open_chat=fail)
    for _ in range(3):
        assert shelf.persona("lamp").problem == "broken."
    assert len(tried) == 1


def test_many_threads_get_one_chat(stage: Stage) -> None:
    shelf = Shelf(models_dir=stage.models_dir, personas_dir=stage.personas_dir)
    chats: list[int] = []
    threads = [threading.Thread(target=lambda: chats.append(id(shelf.chat("lamp")))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(chats)) == 1


def test_topics_bring_prompts_of_their_own_pack(shelf: Shelf) -> None:
    light, dark = sorted(shelf.topics(shelf.persona("lamp")), key=lambda topic: topic.name, reverse=True)
    assert (light.label, dark.label) == ("being bright", "dark")
    assert len(light.prompts) > 4
    assert all("shine" in prompt or prompt.startswith("are you") for prompt in light.prompts)
    assert shelf.topics(shelf.persona("torn")) == ()


def test_folders_that_are_not_there_mean_no_personas(tmp_path: Path) -> None:
    shelf = Shelf(models_dir=tmp_path / "m", personas_dir=tmp_path / "p")
    assert shelf.personas() == ()
    shelf.warm_up()


def test_the_page_is_built_before_torch_is_needed(stage: Stage) -> None:
    program = (
        "import sys; from pathlib import Path; from guppylm.ui.page import AppSettings, build_app;"
        "build_app(AppSettings(models_dir=Path(sys.argv[1]), personas_dir=Path(sys.argv[2])));"
        "print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(stage.models_dir), str(stage.personas_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
