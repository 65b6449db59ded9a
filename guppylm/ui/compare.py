"""Turns one message into several answers that grow side by side: of personas, of temperatures, or of seeds.

A comparison changes one thing and holds the rest: personas answer with the same seed, so do temperatures; only
where seeds are compared do seeds differ. Nothing here knows gradio.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from html import escape
from typing import Literal

from guppylm.errors import GuppyError
from guppylm.ui.conversation import Knobs, speak
from guppylm.ui.persona import Persona
from guppylm.ui.shelf import Shelf

What = Literal["personas", "temperatures", "seeds"]
MAX_PERSONAS = 6
TEMPERATURES = (0.2, 0.7, 1.3)
N_SEEDS = 3
MAX_SEED = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Who answers, and how, and as much as has been said.

    Attributes:
        label: what is special about this one.
        problem: why there is no reply; empty when there is one.
    """

    persona: Persona
    label: str
    knobs: Knobs
    seed: int
    reply: str = ""
    done: bool = False
    problem: str = ""


def line_up(what: What, personas: Sequence[Persona], *, seed: int) -> list[Answer]:
    """Return who is to answer. Temperatures and seeds are those of the first persona."""
    if not personas:
        raise GuppyError("Nobody is chosen.", "Pick who shall answer.")
    usual = Knobs()
    if what == "personas":
        return [Answer(persona=one, label="", knobs=usual, seed=seed) for one in personas[:MAX_PERSONAS]]
    if what == "temperatures":
        return [
            Answer(
                persona=personas[0],
                label=f"temperature {temperature:g}",
                knobs=replace(usual, temperature=temperature),
                seed=seed,
            )
            for temperature in TEMPERATURES
        ]
    seeds = [(seed + number) % MAX_SEED for number in range(N_SEEDS)]
    return [Answer(persona=personas[0], label=f"seed {one}", knobs=usual, seed=one) for one in seeds]


def grow(shelf: Shelf, answers: Sequence[Answer], message: str) -> Iterator[tuple[Answer, ...]]:
    """Yield the answers as they grow, a token each in turn. Closing this stops all of them."""
    now = list(answers)
    streams = [closing(_stream(shelf, answer, message)) for answer in answers]
    yield tuple(now)
    try:
        while not all(answer.done for answer in now):
            for number, stream in enumerate(streams):
                if not now[number].done:
                    now[number] = next(stream.thing, replace(now[number], done=True))
            yield tuple(now)
    finally:
        for stream in streams:
            stream.__exit__(None, None, None)


def _stream(shelf: Shelf, answer: Answer, message: str) -> Iterator[Answer]:
    """Yield one answer as it grows; what goes wrong is told in its own place."""
    try:
        chat = shelf.chat(answer.persona.name)
        with closing(speak(chat, (), message, knobs=answer.knobs, seed=answer.seed)) as exchanges:
            for exchange in exchanges:
                yield replace(answer, reply=exchange.reply, done=bool(exchange.stopped))
    except GuppyError as error:
        yield replace(answer, problem=" ".join(str(error).split()), done=True)


def answers_html(message: str, answers: Sequence[Answer]) -> str:
    """Return the answers as cards beside one another."""
    cards = "".join(map(_card, answers))
    asked = escape(message) or "<i>(silence)</i>"
    return f'<p class="asked">{asked}</p><div class="answers" aria-live="polite">{cards}</div>'


def _card(answer: Answer) -> str:
    persona = answer.persona
    label = f'<span class="label">{escape(answer.label)}</span>' if answer.label else ""
    if answer.problem:
        said = f'<p class="problem" role="alert">{escape(answer.problem)}</p>'
    else:
        cursor = "" if answer.done else '<span class="cursor" aria-hidden="true"></span>'
        said = f'<p lang="{escape(persona.language, quote=True)}">{escape(answer.reply)}{cursor}</p>'
    return (
        f'<article class="answer"><header><img src="{persona.avatar}" alt="" width="40" height="40">'
        f'<span class="title">{escape(persona.title)}</span>{label}</header>{said}</article>'
    )
