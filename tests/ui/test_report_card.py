"""The report card: what was measured in words and numbers, from files that anybody may have written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guppylm.ui import words
from guppylm.ui.browse import label_of
from guppylm.ui.chat_tab import ChatTab
from guppylm.ui.report_card import ReportCard, read_card, report_html
from guppylm.ui.shelf import Shelf
from tests.ui.reports import RATES, a_report, put_report, weights_of
from tests.ui.stage import Stage
from tests.ui.test_markup import EVIL, Outline

COMMAND = "python -m guppylm exam lamp"


@pytest.fixture
def card(tmp_path: Path) -> Callable[..., ReportCard | None]:
    """Reads the card of a folder with such a report in it."""

    def read(**changes: Any) -> ReportCard | None:
        (tmp_path / "metrics.json").write_text('{"digests": {"weights": "abc"}}')
        put_report(tmp_path, **changes)
        return read_card(tmp_path)

    return read


def told(card: ReportCard | None) -> str:
    """Return the text of a card with each row of the table on a line of its own."""
    markup = report_html(card, command=COMMAND).replace("</tr>", "\n").replace("</th>", " ").replace("</td>", " ")
    return Outline(markup).text.replace("\xa0", " ")


def test_it_is_closed_and_says_the_whole_in_a_line(card: Callable[..., ReportCard]) -> None:
    markup = report_html(card(), command=COMMAND)
    assert "open" not in next(attrs for tag, attrs in Outline(markup).tags if tag == "details")
    summary = Outline(markup.partition("</summary>")[0]).text.replace("\xa0", " ")
    assert "on topic 91 % · knows who it is 100 % · ends by itself 99.96 %" in summary
    assert "misses 3 of 13 bars" in summary


def test_every_line_says_what_was_measured_and_what_was_asked(card: Callable[..., ReportCard]) -> None:
    rows = [" ".join(row.split()) for row in told(card()).splitlines()]
    assert "free messages answered on topic 91.2 % ≥ 85 %" in rows
    assert "the same in CAPITALS 90.0 %" in rows
    assert "lost without punctuation −0.2 pts ≤ 5 pts" in rows
    assert "different replies to one message, of ten seeds 8.4 ≥ 6" in rows


def test_a_missed_bar_is_called_so_in_words(card: Callable[..., ReportCard]) -> None:
    rows = [row for row in told(card()).splitlines() if "missed" in row]
    assert [row.split(" ")[0:2] for row in rows] == [["lost", "by"], ["repeats", "the"], ["replies", "that"]]
    fine = card(rates={"final": 0.9, "identity": 1.0})
    assert "miss" not in told(fine)
    assert "misses" not in report_html(fine, command=COMMAND)


def test_a_bar_is_drawn_for_shares_that_should_be_large(card: Callable[..., ReportCard]) -> None:
    markup = report_html(card(rates={"final": 0.5, "gap: capitals": 0.5, "loops": 0.5}), command=COMMAND)
    styles = [attrs["style"] for _, attrs in Outline(markup).tags if "style" in attrs]
    assert styles == ["width:50.0%", "left:85.0%"]


def test_below_stands_what_it_means(card: Callable[..., ReportCard]) -> None:
    text = told(card())
    assert "Means over 3 seeds, 12,345 replies in all" in text
    assert "right about 98.1 % of true ones" in text
    assert "finds the topic of 93.8 % of the free messages" in text
    assert COMMAND in text
    assert "For comparison" not in told(card(prompt_classifier={"held_out": 0.9}))
    assert "right about" not in told(card(judge_accuracy=None))


def test_the_topics_understood_worst_come_worst_first(card: Callable[..., ReportCard]) -> None:
    topics = {"a": 1.0, "b": 0.9, "c": 0.2, "d": 0.5, "e": 0.6, "f": 0.7, "g": 0.8}
    assert [name for name, _ in card(topics=topics).worst] == ["c", "d", "e", "f", "g"]
    assert "worst" not in told(card(topics={"a": 1.0}))


def test_a_pack_without_free_messages_is_on_topic_too(card: Callable[..., ReportCard]) -> None:
    assert words.at_a_glance(card(rates={"held_out": 0.97}).results) == "on topic 97\xa0%"
    assert words.at_a_glance(card(rates={"loops": 0.0}).results) == ""


def test_a_strangers_words_stay_words(card: Callable[..., ReportCard]) -> None:
    found = card(topics={EVIL: 0.5})
    for markup in (
        report_html(found, command=EVIL),
        report_html(found, command="", label=lambda name: name),
        report_html(None, command=EVIL),
    ):
        outline = Outline(markup)
        assert EVIL in outline.text
        assert "img" not in [tag for tag, _ in outline.tags]


def test_who_was_never_examined_is_told_the_command() -> None:
    outline = Outline(report_html(None, command=COMMAND))
    assert outline.text == f"Not examined yet: {COMMAND}"
    assert "details" not in [tag for tag, _ in outline.tags]


def test_a_report_of_other_weights_is_none(card: Callable[..., ReportCard | None]) -> None:
    assert card() is not None
    assert card(weights="those of last week") is None


RATE = {"mean": 0.5, "low": 0.5, "high": 0.5, "n": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "exam/9"},
        {"rates": []},
        {"rates": {"final": [1, 2, 3]}},
        {"rates": {"final": {**RATE, "mean": "much"}}},
        {"rates": {"final": {**RATE, "mean": float("nan")}}},
        {"rates": {"final": {**RATE, "mean": None}}},
        {"rates": {}},
        {"topics": ["dark"]},
        {"topics": {"dark": "<b>"}},
        {"seeds": 3},
        {"n_replies": "<script>"},
        {"n_replies": float("inf")},
        {"judge_accuracy": "high"},
        {"prompt_classifier": None},
        {"prompt_classifier": {"final": "<b>"}},
    ],
    ids=str,
)
def test_a_report_that_does_not_hold_together_is_none(tmp_path: Path, changes: dict[str, Any]) -> None:
    (tmp_path / "metrics.json").write_text('{"digests": {"weights": "abc"}}')
    (tmp_path / "exam.json").write_text(json.dumps({**a_report(weights="abc"), **changes}))
    assert read_card(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00", "[" * 100_000], ids=range(6))
def test_a_torn_file_disturbs_nobody(a_copy: Stage, text: str) -> None:
    (a_copy.models_dir / "lamp" / "exam.json").write_text(text)
    shelf = Shelf(models_dir=a_copy.models_dir, personas_dir=a_copy.personas_dir)
    lamp = shelf.persona("lamp")
    assert lamp.ready
    assert shelf.report_card(lamp) is None


def test_a_folder_without_anything_has_no_card(tmp_path: Path) -> None:
    assert read_card(tmp_path) is None
    assert read_card(tmp_path / "nowhere") is None


def test_the_shelf_reads_a_report_once_until_it_changes(a_copy: Stage) -> None:
    shelf = Shelf(models_dir=a_copy.models_dir, personas_dir=a_copy.personas_dir)
    lamp = shelf.persona("lamp")
    first = shelf.report_card(lamp)
    assert first is not None
    assert shelf.report_card(lamp) is first
    bundle = a_copy.models_dir / "lamp"
    put_report(bundle, weights=weights_of(bundle), rates={**RATES, "final": 0.5})
    os.utime(bundle / "exam.json", (1, 1))
    assert next(iter(shelf.report_card(lamp).results)).mean == 50


def test_it_comes_with_the_topics(shelf: Shelf, stage: Stage) -> None:
    tab = ChatTab(shelf=shelf)
    topics, report = tab.on_topics("lamp")
    assert "being bright" in topics
    assert "being bright" in report  # by its label
    assert f"python -m guppylm exam {stage.models_dir / 'lamp'}" in report
    assert tab.on_topics("stone")[1] == ""
    assert tab.on_topics("nobody") == ("", "")


def test_at_home_the_name_is_command_enough(shelf: Shelf) -> None:
    lamp = shelf.persona("lamp")
    home = Shelf(models_dir=Path("models"), personas_dir=Path("personas"))
    assert home.exam_command(lamp) == COMMAND


def test_a_topic_that_the_pack_no_longer_has_keeps_its_name() -> None:
    assert label_of(None, "big_fish") == "big fish"
