"""Turns facts about a persona and a reply into the sentences the page shows. Plain English, no markup."""

from __future__ import annotations

from collections.abc import Sequence

from guppylm.exam.report import Line, Result, Unit, number
from guppylm.ui.conversation import Exchange

OUR_FAULT = "Something broke while it was answering. That is a fault of this program, not of your message."

LOOK_INSIDE = "Look inside"
MAKE = "Make"

COMPARE = "Side by side"
WHY_COMPARE = "One message, several answers: everything else is the same, the seed too unless seeds are compared."
COMPARE_WHAT = "What to compare"
COMPARE_MESSAGE = "One message for all of them"
WHO_ANSWERS = "Who answers"
ASK = "Ask"

REPORT_CARD = "Report card"
NOT_EXAMINED = "Not examined yet:"
EXAMINE_AGAIN = "Examine it yourself:"
MEASURED, BAR, MISSED = "measured", "bar", "missed"
WORST = "Understood worst"
UNITS = {"percent": "\N{NO-BREAK SPACE}%", "points": "\N{NO-BREAK SPACE}pts", "count": ""}

# What a card says while it is closed: the first of these rates that there is, and a few words for it.
GLANCE = (
    (("final", "held_out"), "on topic"),
    (("identity",), "knows who it is"),
    (("ends by itself",), "ends by itself"),
)


def what_it_sees(title: str, max_turns: int) -> str:
    """Say honestly how much of the talk a persona can see."""
    if max_turns <= 1:
        return f"{title} answers your last message only: it was raised on single exchanges."
    return f"{title} sees your last {max_turns} exchanges: it was raised on talks of that length."


def about_reply(exchange: Exchange) -> str:
    """Say how a reply came about: its seed, its length, and what was out of the ordinary."""
    n_tokens = f"{exchange.n_tokens} token" + ("" if exchange.n_tokens == 1 else "s")
    said = f"Seed {exchange.seed}, {n_tokens}."
    if exchange.stopped == "cancelled":
        said = f"Stopped after {n_tokens}. Seed {exchange.seed}."
    elif exchange.stopped == "length":
        said += " It ran out of room before it came to an end."
    return f"{exchange.note} {said}" if exchange.note else said


def invitation(title: str) -> str:
    return f"Talk to {title}"


def not_ready(title: str) -> str:
    return f"{title} cannot talk yet"


def at_a_glance(results: Sequence[Result]) -> str:
    """Say the whole report card in one line."""
    means = {result.line.rate: result.mean for result in results}
    first = [(next((rate for rate in rates if rate in means), None), text) for rates, text in GLANCE]
    return " · ".join(f"{text} {whole_percent(means[rate])}" for rate, text in first if rate)


def bars_missed(results: Sequence[Result]) -> str:
    """Say how many bars are missed; nothing where none is."""
    passed = [result.passed for result in results if result.line.bar is not None]
    return "" if all(passed) else f"misses {passed.count(False)} of {len(passed)} bars"


def amount(value: float, unit: Unit) -> str:
    """Return what was measured: one digit behind the point, two where one would round what is missing away."""
    return number(value, unit).replace("-", "−") + UNITS[unit]


def asked(line: Line) -> str:
    """Return the bar of a line that has one."""
    sign = "≤" if line.at_most else "≥"
    return f"{sign} {line.bar:g}" + UNITS[line.unit]


def whole_percent(value: float) -> str:
    """Return a percentage without digits behind the point, unless that would hide what is missing to 100."""
    return amount(value, "percent") if 99 < value < 100 else f"{round(value)}{UNITS['percent']}"


def how_examined(n_replies: int, n_seeds: int) -> str:
    seeds = "one seed" if n_seeds == 1 else f"{n_seeds} seeds"
    return f"Means over {seeds}, {n_replies:,} replies in all, at the settings of this page."


def on_topic_means(judge_accuracy: float | None) -> str:
    how_right = ""
    if judge_accuracy is not None:
        how_right = f" that is right about {amount(100 * judge_accuracy, 'percent')} of true ones"
    return (
        "A reply is on topic when the lines of its topic can say it; a sentence that no line can say is left to a "
        f"classifier of replies{how_right}."
    )


def beside_it(reader_accuracy: float) -> str:
    return (
        "For comparison: a plain classifier that learned from the same prompts finds the topic of "
        f"{amount(100 * reader_accuracy, 'percent')} of the free messages. It only has to read, not to answer."
    )
