"""What the page is told about the inside of a reply: the same reply, the right numbers, and a sentence for nonsense."""

from __future__ import annotations

import base64
import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from guppylm.errors import GuppyError
from guppylm.ui.conversation import Exchange, Knobs, speak
from guppylm.ui.inside_tab import InsideTab, _answering
from guppylm.ui.look import Ask, Looker, checked
from guppylm.ui.shelf import Shelf
from guppylm.ui.walk import STATIONS, walk

ROOT = Path(__file__).parents[2]
ASK = {"persona": "lamp", "message": "are you bright", "seed": 3}


@pytest.fixture
def tab(shelf: Shelf) -> InsideTab:
    return InsideTab(shelf=shelf)


def spoken(shelf: Shelf, message: str, *, n_tokens: int | None = None, **knobs: Any) -> Exchange:
    """Return an exchange as the chat makes it, stopped after so many tokens."""
    stream = speak(shelf.chat("lamp"), (), message, knobs=Knobs(**knobs), seed=3)
    for exchange in stream:
        if n_tokens is not None and exchange.n_tokens == n_tokens:
            stream.close()
            return exchange
    return exchange


@pytest.mark.parametrize("knobs", [{}, {"temperature": 1.5, "top_k": 0, "top_p": 1.0}])
def test_the_last_exchange_of_the_chat_is_said_again(tab: InsideTab, knobs: dict[str, Any]) -> None:
    exchange = spoken(tab.shelf, "are <b>you</b> bright", **knobs)
    opened = json.loads(tab.on_open("lamp", {"lamp": (exchange,)}))
    assert opened["chosen"] == "lamp"
    assert tab.look(opened["ask"])["text"] == exchange.reply


def test_a_reply_that_was_stopped_is_shown_as_far_as_it_went(tab: InsideTab) -> None:
    exchange = spoken(tab.shelf, "tell me everything", n_tokens=5)
    opened = json.loads(tab.on_open("lamp", {"lamp": (exchange,)}))
    view = tab.look(opened["ask"])
    assert view["text"] == exchange.reply
    assert len([one for one in view["tokens"] if one["role"] == "reply"]) == 5


def test_where_nothing_was_said_there_is_somebody_to_ask(tab: InsideTab) -> None:
    opened = json.loads(tab.on_open("stone", {}))
    assert (opened["chosen"], opened["ask"]) == ("lamp", None)
    assert [one["name"] for one in opened["personas"]] == ["lamp"]
    assert opened["personas"][0]["starters"] == ["are you bright", "do you know the moth"]


def test_nobody_to_look_into_is_no_error(tmp_path: Path) -> None:
    opened = json.loads(InsideTab(shelf=Shelf(models_dir=tmp_path, personas_dir=tmp_path)).on_open("", {}))
    assert opened == {"personas": [], "chosen": "", "ask": None}


def test_numbers_sum_up(tab: InsideTab) -> None:
    view = tab.look(ASK)
    json.dumps(view, allow_nan=False)
    n = len(view["tokens"])
    weights = base64.b64decode(view["attention"]["bytes"])
    assert len(weights) == view["attention"]["layers"] * view["attention"]["heads"] * n * n
    row = weights[(n - 1) * n : n * n]  # layer 1, head 1, the last token
    assert sum(row) == pytest.approx(255, abs=n / 2)
    assert sum(part["n"] for part in view["model"]["parts"]) == view["model"]["n_parameters"]
    token = tab.look_at_token({"ask": ASK, "position": view["first"] + 1})
    json.dumps(token, allow_nan=False)
    assert sum(one["p"] for one in token["draw"]["candidates"]) <= 1.001
    assert token["draw"]["id"] == view["tokens"][view["first"] + 1]["id"]


def test_another_temperature_draws_with_the_same_number(tab: InsideTab) -> None:
    first = tab.look(ASK)["first"]
    sent = {"ask": ASK, "position": first}
    kept = tab.look_at_token(sent)["draw"]
    same = tab.draw_again({**sent, "knobs": {"temperature": 0.7, "top_k": 40, "top_p": 0.95}})
    assert same == kept
    cold = tab.draw_again({**sent, "knobs": {"temperature": 0, "top_k": 40, "top_p": 0.95}})
    assert (cold["n_left"], cold["uniform"], cold["said"]) == (1, kept["uniform"], kept["id"])


def test_another_candidate_goes_on_from_there(tab: InsideTab) -> None:
    view = tab.look(ASK)
    first = view["first"]
    other = next(
        one for one in tab.look_at_token({"ask": ASK, "position": first + 2})["draw"]["candidates"]
        if one["pick"] and one["id"] != view["tokens"][first + 2]["id"] and one["text"] != "(end)"
    )  # fmt: skip
    begin = [one["id"] for one in view["tokens"][first : first + 2]] + [other["id"]]
    changed = tab.look({**ASK, "begin": begin})
    assert [one["id"] for one in changed["tokens"][first : first + 3]] == begin


def test_where_the_words_come_from_is_shown_to_the_line(tab: InsideTab, stage: Any) -> None:
    found = tab.remember(ASK)
    assert found["verdict"] in ("word for word", "mix", "new")
    line = found["nearest"][0]["replied"][0]
    file, number = line["where"].rsplit(":", 1)
    assert (stage.personas_dir / file).read_text().splitlines()[int(number) - 1].strip() == line["text"]


def test_what_it_said_while_it_learned(tab: InsideTab) -> None:
    found = tab.learn("lamp")
    assert [frame["step"] for frame in found["frames"]] == [0, 12]
    assert "hesitated between 12 tokens" in found["frames"][1]["says"]
    assert found["curve"] == ((12, 2.5),)


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("look", None),
        ("look", []),
        ("look", "lamp"),
        ("look", {**ASK, "persona": "../lamp"}),
        ("look", {**ASK, "persona": "stone"}),
        ("look", {**ASK, "persona": "half"}),
        ("look", {**ASK, "seed": -1}),
        ("look", {**ASK, "seed": 1.5}),
        ("look", {**ASK, "temperature": "hot"}),
        ("look", {**ASK, "temperature": float("nan")}),
        ("look", {**ASK, "temperature": 0.0001}),
        ("look", {**ASK, "top_p": 0}),
        ("look", {**ASK, "begin": [10**9]}),
        ("look", {**ASK, "begin": [-1]}),
        ("look", {**ASK, "begin": [0] * 2000}),
        ("look", {**ASK, "message": "x" * 100_000}),
        ("look", {**ASK, "more": 1}),
        ("look_at_token", ASK),
        ("look_at_token", {"ask": ASK, "position": 0}),
        ("look_at_token", {"ask": ASK, "position": 10**6}),
        ("look_at_token", {"ask": ASK, "position": "1"}),
        ("draw_again", {"ask": ASK, "position": 1, "knobs": {}}),
        ("draw_again", {"ask": ASK, "position": 1}),
        ("remember", {}),
        ("learn", {"a": 1}),
        ("learn", "nobody"),
    ],
)
def test_nonsense_gets_a_sentence(tab: InsideTab, name: str, sent: Any) -> None:
    answer = _answering(getattr(tab, name))(sent)
    assert list(answer) == ["problem"]
    assert answer["problem"].count(" ") > 3
    assert "fault of this program" not in answer["problem"]
    assert "Traceback" not in answer["problem"]


def test_a_fault_of_ours_is_told_without_its_inside(tab: InsideTab, caplog: pytest.LogCaptureFixture) -> None:
    def breaks(sent: Any) -> dict[str, Any]:
        raise ZeroDivisionError("secret")

    assert "secret" not in _answering(breaks)(None)["problem"]
    assert "secret" in caplog.text


def test_the_same_question_is_computed_once_and_few_are_kept(shelf: Shelf) -> None:
    looker = Looker(shelf)
    ask = checked(Ask, ASK)
    assert looker.inside(ask) is looker.inside(checked(Ask, ASK))
    first = looker.inside(ask)
    for seed in range(10, 20):
        looker.inside(checked(Ask, {**ASK, "seed": seed}))
    assert looker.inside(ask) is not first
    assert looker.inside(ask).ids == first.ids


def test_many_at_once_get_what_they_asked_for(tab: InsideTab) -> None:
    alone = {seed: tab.look({**ASK, "seed": seed})["text"] for seed in range(20)}
    found: dict[int, str] = {}
    threads = [
        threading.Thread(target=lambda seed=seed: found.update({seed: tab.look({**ASK, "seed": seed})["text"]}))
        for seed in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone


def test_weights_that_do_not_say_what_they_were_raised_on(tab: InsideTab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(tab.shelf.chat("lamp").bundle.metrics, "settings")
    with pytest.raises(GuppyError, match="do not say from which rows"):
        tab.remember(ASK)


@pytest.mark.parametrize("station", STATIONS, ids=lambda station: station.key)
def test_a_station_leads_to_its_code(station: Any) -> None:
    figures = {"n_rows": 1, "n_parameters": 2, "vocab_size": 3, "context": 4, "d_model": 5, "n_layers": 6, "n_heads": 7,
               "ln_vocab": 8, "n_steps": 9}  # fmt: skip
    shown = next(one for one in walk(figures) if one["key"] == station.key)
    assert "{" not in shown["sentence"] + shown["paragraph"]
    file, line = shown["place"].split(":")
    assert re.search(
        rf"(def|class) {shown['code'].split('.')[-1]}\b", (ROOT / file).read_text().splitlines()[int(line) - 1]
    )


def test_every_station_is_drawn_by_the_page() -> None:
    drawn = (ROOT / "guppylm/ui/assets/inside/heads.js").read_text()
    names = re.search(r"const STATIONS = \{ (.*?) \}", drawn)
    assert names
    assert names[1].split(", ") == [station.key for station in STATIONS]


def test_the_page_never_builds_markup_from_text() -> None:
    for script in (ROOT / "guppylm/ui/assets/inside").glob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script.read_text()), (
            script
        )
