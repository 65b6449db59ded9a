"""The functions behind the chat's events, called as gradio calls them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from guppylm.errors import ChatError
from guppylm.ui.chat_tab import ChatTab
from guppylm.ui.conversation import Exchange
from guppylm.ui.shelf import Shelf
from tests.ui.stage import Scripted, Stage

KNOBS = (0.7, 40, 0.95, True, 0)


class Failing(Scripted):
    """Says one word, then fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__("a")
        self.error = error

    def __iter__(self) -> Any:
        yield from super().__iter__()
        raise self.error


@pytest.fixture
def tab(stage: Stage) -> Callable[[Any], ChatTab]:
    """Builds a tab whose every bundle opens as the given Chat."""

    def build(chat: Any) -> ChatTab:
        def open_chat(folder: Path) -> Any:
            return chat

        shelf = Shelf(models_dir=stage.models_dir, personas_dir=stage.personas_dir, open_chat=open_chat)
        tab = ChatTab(shelf=shelf, draw_seed=lambda: 1234)
        with gr.Blocks() as page:
            tab.build()
            tab.wire(page)
        return tab

    return build


def test_a_message_ends_as_one_exchange_in_its_own_talk(tab: Callable[[Any], ChatTab]) -> None:
    others = {"stone": (Exchange(message="x", stopped="end"),)}
    *growing, last = tab(Scripted("oh", "well")).on_submit("hi", "lamp", others, *KNOBS)
    messages, _, box, _, seed = growing[0]
    assert messages == [{"role": "user", "content": "hi"}]
    assert (box["value"], box["stop_btn"], seed) == ("", "Stop", 1234)
    talk = growing[-1][1]["lamp"]
    assert [(exchange.message, exchange.reply, exchange.stopped) for exchange in talk] == [("hi", "oh well", "end")]
    assert growing[-1][1]["stone"] == others["stone"]
    assert "Seed 1234, 2 tokens." in last[3]
    assert last[2]["submit_btn"] == "Send"


def test_an_unticked_box_uses_the_seed_that_stands_there(tab: Callable[[Any], ChatTab]) -> None:
    chat = Scripted("ok")
    list(tab(chat).on_submit("hi", "lamp", {}, 0.5, 3, 0.9, False, 77))
    assert chat.asked[0][1]["seed"] == 77


def test_retry_speaks_from_where_it_was_clicked(tab: Callable[[Any], ChatTab]) -> None:
    talk = tuple(Exchange(message=f"m{n}", reply="r", stopped="end") for n in range(3))
    steps = list(tab(Scripted("new")).on_retry(SimpleNamespace(index=3), "lamp", {"lamp": talk}, *KNOBS))
    after = steps[-2][1]["lamp"]
    assert [(exchange.message, exchange.reply) for exchange in after] == [("m0", "r"), ("m1", "new")]


def test_undo_gives_the_words_back(tab: Callable[[Any], ChatTab]) -> None:
    talk = tuple(Exchange(message=f"m{n}", reply="r", stopped="end") for n in range(2))
    messages, talks, box, _ = tab(Scripted()).on_undo("lamp", {"lamp": talk}, SimpleNamespace(index=3))
    assert len(messages) == 2
    assert talks["lamp"] == talk[:1]
    assert box["value"] == "m1"


def test_a_refused_setting_gives_the_message_back(tab: Callable[[Any], ChatTab]) -> None:
    *_, last = tab(Failing(ChatError("temperature is -1."))).on_submit("hi", "lamp", {}, *KNOBS)
    assert last[1] == {"lamp": ()}
    assert last[2]["value"] == "hi"
    assert "temperature is -1." in last[3]


def test_a_fault_of_ours_frees_the_page_and_is_not_hidden(tab: Callable[[Any], ChatTab]) -> None:
    steps = []
    with pytest.raises(ZeroDivisionError):
        steps.extend(tab(Failing(ZeroDivisionError())).on_submit("hi", "lamp", {}, *KNOBS))
    assert (steps[-1][2]["value"], steps[-1][2]["submit_btn"]) == ("hi", "Send")


def test_an_event_from_before_a_restart_is_answered_kindly(tab: Callable[[Any], ChatTab]) -> None:
    (step,) = tab(Scripted("x")).on_submit("hi", "", {}, *KNOBS)
    assert "Load it again" in step[3]
    assert step[2]["value"] == "hi"


@pytest.mark.parametrize("name", ["nobody", "../../etc", "", "<b>"])
def test_a_made_up_name_shows_the_first_persona(tab: Callable[[Any], ChatTab], name: str) -> None:
    tab = tab(Scripted("x"))
    assert tab.on_pick({}, SimpleNamespace(name=name))[1] == tab.shelf.personas()[0].name
