"""Turns the rates of an examination into a verdict, a table for people, and files in the bundle.

`BARS` is what a persona should reach before it is shown to anybody. The card of a bundle states them beside what was
measured, and `python -m guppylm exam` fails when a rate falls under its bar.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Unit = Literal["percent", "points", "count"]

FREE = {"final": "free messages", "practice": "free messages"}  # what is asked where a pack has no final half
START, END = "<!-- exam -->", "<!-- /exam -->"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the report card.

    Attributes:
        rate: its key among the report's rates.
        label: what people read.
        unit: percent of answers, points of percent between two rates, or a plain count.
        bar: what is asked for, in that unit; None for a line that is only told.
        at_most: the bar is the most there may be, not the least.
    """

    rate: str
    label: str
    unit: Unit = "percent"
    bar: float | None = None
    at_most: bool = False


CARD = (
    Line(rate="final", label="free messages answered on topic", bar=85),
    Line(rate="capitals", label="the same in CAPITALS"),
    Line(rate="no punctuation", label="the same without punctuation"),
    Line(rate="one typo", label="the same with a typo"),
    Line(rate="gap: capitals", label="lost by capitals", unit="points", bar=5, at_most=True),
    Line(rate="gap: no punctuation", label="lost without punctuation", unit="points", bar=5, at_most=True),
    Line(rate="gap: one typo", label="lost by a typo", unit="points", bar=5, at_most=True),
    Line(rate="practice", label="free messages of the practice half"),
    Line(rate="held_out", label="held-out phrasings answered on topic", bar=95),
    Line(rate="seen", label="trained phrasings, in pairs never trained"),
    Line(rate="noisy", label="the same, badly typed"),
    Line(rate="new_words", label="exchanges with words never trained"),
    Line(rate="unknown", label="outside its world: deflected in character", bar=90),
    Line(rate="identity", label="knows who and what it is", bar=95),
    Line(rate="slot copy", label="repeats the user's word where it says one", bar=90),
    Line(rate="slot copy, new words", label="the same with words never trained"),
    Line(rate="voice broken", label="replies that break a rule of the voice", bar=0, at_most=True),
    Line(rate="residue", label="replies with marks that belong to no reply", bar=0, at_most=True),
    Line(rate="loops", label="replies that go round in circles", bar=0, at_most=True),
    Line(rate="ends by itself", label="replies that end by themselves", bar=99.5),
    Line(rate="distinct of ten", label="different replies to one message, of ten seeds", unit="count", bar=6),
)


@dataclass(frozen=True, kw_only=True)
class Result:
    """A line of the card with what was measured, in the line's unit."""

    line: Line
    mean: float
    low: float
    high: float
    n: int

    @property
    def passed(self) -> bool:
        """Whether it reaches its bar; true of a line without one."""
        bar = self.line.bar
        if bar is None:
            return True
        return self.mean <= bar + 1e-9 if self.line.at_most else self.mean >= bar - 1e-9


def results(report: Mapping[str, Any]) -> list[Result]:
    """Return the lines of the card for which there is a rate."""
    return list(_results(report["rates"]))


def _results(rates: Mapping[str, Any]) -> Iterator[Result]:
    for line in CARD:
        if rate := rates.get(line.rate):
            scale = 1 if line.unit == "count" else 100
            yield Result(
                line=line, mean=scale * rate["mean"], low=scale * rate["low"], high=scale * rate["high"], n=rate["n"]
            )


def failures(report: Mapping[str, Any]) -> list[Result]:
    """Return the lines under their bar."""
    return [result for result in results(report) if not result.passed]


def as_table(report: Mapping[str, Any]) -> str:
    """Return the card as a Markdown table."""
    rows = ["| | measured | lowest – highest seed | bar |", "|---|---:|:---:|---:|"]
    for result in results(report):
        line = result.line
        mark = "" if result.passed else " **missed**"
        low, high = number(result.low, line.unit), number(result.high, line.unit)
        low_high = "" if low == high else f"{low} – {high}"
        rows.append(f"| {line.label} | {_shown(result.mean, line.unit)}{mark} | {low_high} | {bar(line)} |")
    return "\n".join(rows)


def as_markdown(report: Mapping[str, Any]) -> str:
    """Return everything that a reader of a model card wants to know of an examination."""
    novelty, loss, reader = report["novelty"], report["loss"], report["prompt_classifier"]
    how_right = (
        f" that is right about {report['judge_accuracy']:.1%} of true replies" if report["judge_accuracy"] else ""
    )
    parts = [
        "## Report card",
        f"{report['n_replies']:,} replies, {len(report['seeds'])} seeds, at {_settings(report['sampling'])}. Made by "
        "`python -m guppylm exam`.",
        as_table(report),
        "A reply is on topic when the lines of its topic can say it; of a sentence that no line can say, a classifier "
        f"decides{how_right}. What worse spelling loses is counted over the messages that it changes.",
        f"Of the replies to {FREE.get(report['free'], report['free'])} {novelty['memorised']:.0%} stand word for word "
        f"in the training rows, {novelty['valid']:.0%} are new and such as the pack's lines can say, and "
        f"{novelty['new']:.0%} are sentences of its own.",
    ]
    if "final" in reader:
        parts.append(
            "A classifier on runs of characters that learned from the same prompts finds the topic of "
            f"{reader['final']:.1%} of the free messages: what the pack says about how people speak. The rest is up to "
            "training."
        )
    if loss.get("held_out") is not None:
        parts.append(
            f"Held-out loss, nats a token: {loss['held_out']:.3f}. Beside it: a trigram model {loss['trigram']:.3f}, "
            f"a unigram model {loss['unigram']:.3f}, one that knows nothing {loss['knows_nothing']:.3f}."
        )
    if not report["are_its_rows"]:
        parts.append(
            "This version of the project makes other rows from the pack than those it was trained on: what is said "
            "here of trained and held-out phrasings holds only roughly."
        )
    if report["confusions"]:
        worst = ", ".join(f"{c['of']} as {c['as']} ({c['n']})" for c in report["confusions"][:8])
        parts.append(f"Most often taken for another topic: {worst}.")
    return "\n\n".join(parts) + "\n"


def _settings(sampling: Mapping[str, Any]) -> str:
    return f"temperature {sampling['temperature']:g}, top-k {sampling['top_k']}, top-p {sampling['top_p']:g}"


def bar(line: Line) -> str:
    if line.bar is None:
        return ""
    return f"{'≤' if line.at_most else '≥'} {line.bar:g}" + (" %" if line.unit == "percent" else "")


def _shown(value: float, unit: Unit) -> str:
    return number(value, unit) + (" %" if unit == "percent" else "")


def number(value: float, unit: Unit) -> str:
    """Return a value with one digit behind the point; two where a tenth of a percent would hide what is missing."""
    is_nearly = unit == "percent" and (0 < value < 0.1 or 99.5 <= value < 100)
    return f"{value:.{2 if is_nearly else 1}f}".replace("-0.0", "0.0")


def replace_section(text: str, section: str) -> str:
    """Return a Markdown file with its examination section, between two comments, replaced or added at the end."""
    block = f"{START}\n{section.strip()}\n{END}"
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        return f"{text.rstrip()}\n\n{block}\n"
    return f"{before}{block}{after}"


def write(report: Mapping[str, Any], folder: Path, *, picture: bytes | None) -> list[Path]:
    """Put a report into a bundle's folder: exam.json, exam.png, the card in README.md. Return what was written."""
    files = {"exam.json": (json.dumps(report, ensure_ascii=False, indent=1) + "\n").encode()}
    if picture:
        files["exam.png"] = picture
    card = folder / "README.md"
    shown = "\n\n![Topics and confusions](exam.png)" if picture else ""
    text = card.read_text(encoding="utf-8") if card.is_file() else f"# {report['title']}\n"
    files["README.md"] = replace_section(text, as_markdown(report).rstrip() + shown).encode()
    for name, content in files.items():
        beside = folder / f".{name}.new"
        beside.write_bytes(content)
        beside.replace(folder / name)
    return [folder / name for name in files]


def read(folder: Path, *, weights: str) -> dict[str, Any] | None:
    """Return the report in a bundle's folder; None without one, or when it is of other weights."""
    try:
        report = json.loads((folder / "exam.json").read_text(encoding="utf-8"))
        is_ours = report["format"] == "exam/1" and report["weights"] == weights
        return report if is_ours and results(report) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
