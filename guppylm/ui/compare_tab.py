"""Turns a shelf of personas into the comparison: pick what to compare, say one thing, read the answers side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from guppylm.errors import GuppyError
from guppylm.ui import words
from guppylm.ui.chat_tab import MAX_SEED, QUIET, _html, draw_seed
from guppylm.ui.compare import MAX_PERSONAS, answers_html, grow, line_up
from guppylm.ui.conversation import N_CHARACTERS_SENT
from guppylm.ui.persona import Persona
from guppylm.ui.shelf import Shelf

WHAT = [
    ("Different personas", "personas"),
    ("One, at three temperatures", "temperatures"),
    ("One, with three seeds", "seeds"),
]


@dataclass(kw_only=True)
class CompareTab:
    """The comparison's components, and the functions behind its events. `build` places them, `wire` connects them."""

    shelf: Shelf
    n_concurrent: int = 4
    draw_seed: Callable[[], int] = draw_seed

    def build(self) -> None:
        with gr.Column(elem_id="compare"):
            gr.HTML(f"<h2>{words.COMPARE}</h2><p>{words.WHY_COMPARE}</p>", **_html("compare-lead"))
            with gr.Row(elem_id="compare-choice"):
                self.what = gr.Radio(WHAT, value="personas", label=words.COMPARE_WHAT, elem_id="compare-what")
                self.many = gr.CheckboxGroup([], label=words.WHO_ANSWERS, elem_id="compare-many")
                self.one = gr.Radio([], label=words.WHO_ANSWERS, elem_id="compare-one", visible=False)
            self.message = gr.Textbox(
                elem_id="compare-message",
                label=words.COMPARE_MESSAGE,
                show_label=False,
                container=False,
                placeholder=words.COMPARE_MESSAGE,
                lines=1,
                max_lines=5,
                submit_btn=words.ASK,
                stop_btn=False,
            )
            self.answers = gr.HTML("", **_html("compare-answers"))

    def wire(self, page: gr.Blocks) -> None:
        """Connect every event. Called once, inside the Blocks context."""
        at_once = {"queue": False, **QUIET}
        speaking = {"concurrency_id": "chat", "concurrency_limit": self.n_concurrent, **QUIET}
        chosen = [self.message, self.what, self.many, self.one]
        asking = self.message.submit(self.on_ask, chosen, [self.answers, self.message], **speaking)
        self.message.stop(lambda: _idle(), None, self.message, cancels=[asking], **at_once)
        self.what.change(self.on_what, self.what, [self.many, self.one], **at_once)
        page.load(self.on_visit, None, [self.many, self.one], **at_once)

    def on_visit(self) -> tuple[Any, Any]:
        """Offer those that can talk, the first two chosen."""
        choices = [(persona.title, persona.name) for persona in self._ready()]
        names = [name for _, name in choices]
        return gr.update(choices=choices, value=names[:2]), gr.update(choices=choices, value=next(iter(names), None))

    def on_what(self, what: str) -> tuple[Any, Any]:
        """Show the list from which several can be chosen, or the one from which one can."""
        return gr.update(visible=what == "personas"), gr.update(visible=what != "personas")

    def on_ask(self, message: str, what: Any, many: list[str], one: str | None) -> Iterator[tuple[Any, Any]]:
        """Yield (answers, message box) as the answers grow."""
        message = (message or "")[-N_CHARACTERS_SENT:]
        names = list(many or ()) if what == "personas" else [one]
        try:
            personas = [persona for persona in self._ready() if persona.name in names]
            if what == "personas" and len(personas) > MAX_PERSONAS:
                raise GuppyError(f"{len(personas)} are too many.", f"Choose up to {MAX_PERSONAS}.")
            answers = line_up(what, personas, seed=self.draw_seed() % MAX_SEED)
            with closing(grow(self.shelf, answers, message)) as growing:
                for now in growing:
                    yield answers_html(message, now), gr.update(submit_btn=False, stop_btn="Stop")
        except GuppyError as error:
            yield f'<p class="problem" role="alert">{escape(" ".join(str(error).split()))}</p>', _idle()
        except Exception:
            yield f'<p class="problem" role="alert">{words.OUR_FAULT}</p>', _idle()
            raise
        else:
            yield gr.skip(), _idle()

    def _ready(self) -> list[Persona]:
        return [persona for persona in self.shelf.personas() if persona.ready]


def _idle() -> Any:
    return gr.update(submit_btn=words.ASK, stop_btn=False)
