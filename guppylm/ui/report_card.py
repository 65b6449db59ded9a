"""Turns the report in a bundle's folder into the report card beside the persona, closed until it is opened.

A report lies in a folder that a stranger may have sent, so it is read into checked numbers first: one that does not
hold together counts as none at all, and every text is escaped. What is measured, and which bar it has to reach, is
decided in guppylm.exam.report; nothing here knows a rate.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from guppylm.exam import report as exam
from guppylm.ui import words

N_WORST = 5


@dataclass(frozen=True, kw_only=True)
class ReportCard:
    """What the page shows of an examination.

    Attributes:
        results: the lines with what was measured, in their order.
        judge_accuracy: how often the classifier among the judges is right, from 0 to 1; None where that is not known.
        reader_accuracy: how often a plain classifier finds the topic of a free message; None where none was asked.
        worst: the topics understood worst, by name, with the share of replies on topic.
    """

    results: tuple[exam.Result, ...]
    n_replies: int
    n_seeds: int
    judge_accuracy: float | None = None
    reader_accuracy: float | None = None
    worst: tuple[tuple[str, float], ...] = ()


def read_card(folder: Path) -> ReportCard | None:
    """Return the card of the weights in a bundle's folder; None without a report of just these weights."""
    try:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        report = exam.read(folder, weights=metrics["digests"]["weights"])
        return _checked(report) if report else None
    except Exception:  # whatever is wrong with a stranger's file, the persona can talk without it
        return None


def _checked(report: Mapping[str, Any]) -> ReportCard:
    """Return the card of a report. Raises something or other where the report is not what an examination writes."""
    results = tuple(exam.results(report))
    for result in results:
        _number(result.mean)
    reader, judge = report["prompt_classifier"].get("final"), report["judge_accuracy"]
    topics = sorted(((str(name), _number(share)) for name, share in report["topics"].items()), key=lambda one: one[1])
    return ReportCard(
        results=results,
        n_replies=int(_number(report["n_replies"])),
        n_seeds=len(report["seeds"]),
        judge_accuracy=None if judge is None else _number(judge),
        reader_accuracy=None if reader is None else _number(reader),
        worst=tuple((name, share) for name, share in topics if share < 1)[:N_WORST],
    )


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number.")
    return value


def report_html(card: ReportCard | None, *, command: str, label: Callable[[str], str] = str) -> str:
    """Return the card as a block that opens in place, or one quiet line where there is none.

    Args:
        command: what to type to hold the examination.
        label: what people call the topic of that name.
    """
    if card is None:
        return f'<p class="unexamined">{words.NOT_EXAMINED} <code>{escape(command)}</code></p>'
    missed = words.bars_missed(card.results)
    return (
        f'<details class="report"><summary><h2>{words.REPORT_CARD}</h2>'
        f'<span class="glance">{words.at_a_glance(card.results)}</span>'
        + (f'<span class="missed">{missed}</span>' if missed else "")
        + f'</summary><div class="inside">{_table(card)}{_worst(card, label)}'
        f"<p>{words.how_examined(card.n_replies, card.n_seeds)} {words.on_topic_means(card.judge_accuracy)}</p>"
        + ("" if card.reader_accuracy is None else f"<p>{words.beside_it(card.reader_accuracy)}</p>")
        + f"<p>{words.EXAMINE_AGAIN} <code>{escape(command)}</code></p></div></details>"
    )


def _table(card: ReportCard) -> str:
    rows = "".join(map(_row, card.results))
    head = f'<td></td><th scope="col">{words.MEASURED}</th><th scope="col">{words.BAR}</th>'
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _row(result: exam.Result) -> str:
    line = result.line
    state = "" if result.passed else ' class="under"'
    missed = "" if result.passed else f'<span class="missed">{words.MISSED}</span>'
    asked = "" if line.bar is None else words.asked(line)
    return (
        f'<tr{state}><th scope="row">{escape(line.label)}{_bar(result)}</th>'
        f"<td>{words.amount(result.mean, line.unit)}{missed}</td><td>{asked}</td></tr>"
    )


def _bar(result: exam.Result) -> str:
    """Draw a share that should be large; of one that should be nought, a long bar would look like praise."""
    line = result.line
    if line.unit != "percent" or line.at_most:
        return ""
    mark = "" if line.bar is None else f'<i style="left:{line.bar:.1f}%"></i>'
    return (
        f'<span class="bar" aria-hidden="true"><b style="width:{min(100, max(0, result.mean)):.1f}%"></b>{mark}</span>'
    )


def _worst(card: ReportCard, label: Callable[[str], str]) -> str:
    if not card.worst:
        return ""
    topics = "".join(
        f"<li>{escape(label(name))} <span>{words.whole_percent(100 * share)}</span></li>" for name, share in card.worst
    )
    return f"<h3>{words.WORST}</h3><ul>{topics}</ul>"
