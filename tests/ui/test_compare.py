"""One message, several answers: what is compared differs, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from guppylm.errors import ChatError, GuppyError
from guppylm.ui.compare import MAX_SEED, TEMPERATURES, Answer, answers_html, grow, line_up
from guppylm.ui.compare_tab import CompareTab
from guppylm.ui.conversation import Knobs
from guppylm.ui.persona import Persona
from guppylm.ui.shelf import Shelf
from tests.ui.stage import Scripted, Stage

LAMP = Persona(name="lamp", title="Lamp <b>", language="es")
MOTH = Persona(name="moth", title="Moth")


@pytest.fixture
def shelf_of(tmp_path: Path) -> Callable[..., Shelf]:
    """Builds a shelf whose bundles open as the given Chats, by name."""

    def build(**chats: Any) -> Shelf:
        for name in chats:
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "config.json").write_text("{}")
        return Shelf(
            models_dir=tmp_path,
            personas_dir=tmp_path / "none",
            open_chat=lambda folder: chats[folder.name],
            look_inside=lambda folder: 1,
        )

    return build


def test_personas_answer_with_one_seed() -> None:
    found = line_up("personas", [LAMP, MOTH], seed=7)
    assert [(one.persona.name, one.seed, one.knobs) for one in found] == [("lamp", 7, Knobs()), ("moth", 7, Knobs())]


def test_temperatures_and_seeds_are_those_of_one_persona() -> None:
    warm = line_up("temperatures", [LAMP, MOTH], seed=7)
    assert [(one.persona.name, one.knobs.temperature, one.seed) for one in warm] == [
        ("lamp", temperature, 7) for temperature in TEMPERATURES
    ]
    seeds = line_up("seeds", [LAMP], seed=MAX_SEED - 1)
    assert len({one.seed for one in seeds}) == len(seeds) == 3
    assert all(0 <= one.seed < MAX_SEED and one.knobs == Knobs() for one in seeds)


def test_nobody_to_ask_is_told() -> None:
    with pytest.raises(GuppyError, match="Nobody is chosen"):
        line_up("personas", [], seed=0)


def test_answers_grow_side_by_side_to_their_ends(shelf_of: Callable[..., Shelf]) -> None:
    shelf = shelf_of(lamp=Scripted("a", "b", "c"), moth=Scripted("x"))
    steps = list(grow(shelf, line_up("personas", [LAMP, MOTH], seed=3), "hi"))
    assert [one.reply for one in steps[-1]] == ["a b c", "x"]
    assert all(one.done for one in steps[-1])
    assert any(0 < len(lamp.reply) < 5 and moth.reply for lamp, moth in steps)


def test_one_that_fails_tells_so_in_its_place(shelf_of: Callable[..., Shelf]) -> None:
    class Failing(Scripted):
        def stream(self, *args: Any, **settings: Any) -> Any:
            raise ChatError("It is asleep.")

    shelf = shelf_of(lamp=Failing("a"), moth=Scripted("x", "y"))
    last = list(grow(shelf, line_up("personas", [LAMP, MOTH], seed=3), "hi"))[-1]
    assert [(one.problem, one.reply) for one in last] == [("It is asleep.", ""), ("", "x y")]


def test_who_stops_waiting_stops_them_all(shelf_of: Callable[..., Shelf]) -> None:
    chats = {"lamp": Scripted("a", "b", "c"), "moth": Scripted("x", "y", "z")}
    growing = grow(shelf_of(**chats), line_up("personas", [LAMP, MOTH], seed=3), "hi")
    for _ in range(3):
        next(growing)
    growing.close()
    assert list(growing) == []


def test_markup_is_text() -> None:
    answer = Answer(persona=LAMP, label="<i>", knobs=Knobs(), seed=1, reply="<script>", done=True)
    html = answers_html("<b>&", [answer])
    assert "<script>" not in html
    assert "<b>&<" not in html
    assert "<i>" not in html
    assert 'lang="es"' in html
    assert "(silence)" in answers_html("", [answer])


@pytest.fixture
def tab(stage: Stage) -> CompareTab:
    chat = Scripted("oh", "well")
    shelf = Shelf(models_dir=stage.models_dir, personas_dir=stage.personas_dir, open_chat=lambda folder: chat)
    tab = CompareTab(shelf=shelf, draw_seed=lambda: 5)
    with gr.Blocks() as page:
        tab.build()
        tab.wire(page)
    return tab


def test_a_visit_offers_those_that_can_talk(tab: CompareTab) -> None:
    many, one = tab.on_visit()
    assert (many["choices"], many["value"]) == ([("Lamp", "lamp")], ["lamp"])
    assert one["value"] == "lamp"


def test_one_question_gives_all_answers(tab: CompareTab) -> None:
    *growing, (_, box) = tab.on_ask("hi", "seeds", [], "lamp")
    assert growing[-1][0].count("oh well") == 3
    assert "seed 6" in growing[-1][0]
    assert (growing[0][1]["stop_btn"], box["submit_btn"]) == ("Stop", "Ask")


@pytest.mark.parametrize(("many", "one"), [([], None), (None, None), (["../x"], "nobody")])
def test_a_choice_that_is_none_is_told(tab: CompareTab, many: Any, one: Any) -> None:
    [(html, box)] = tab.on_ask("hi", "personas", many, one)
    assert "Nobody is chosen" in html
    assert box["submit_btn"] == "Ask"


def test_the_list_fits_what_is_compared(tab: CompareTab) -> None:
    assert [update["visible"] for update in tab.on_what("seeds")] == [False, True]
    assert [update["visible"] for update in tab.on_what("personas")] == [True, False]
