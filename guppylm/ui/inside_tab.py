"""Turns the reply that was just given, or any other, into the walk through it.

Python answers questions (what is inside this reply, this token, this draw), the page asks them and draws. What is asked
stands in the question, so two visitors never share anything but the time of the machine.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import gradio as gr

from guppylm.errors import GuppyError
from guppylm.ui import words
from guppylm.ui.browse import label_of
from guppylm.ui.chat_tab import QUIET, ChatTab, _asset
from guppylm.ui.conversation import Exchange, Talk, history
from guppylm.ui.look import Ask, Looker, Redraw, checked
from guppylm.ui.persona import Persona
from guppylm.ui.shelf import Shelf

SCRIPTS = ("inside/dom.js", "inside/stations.js", "inside/heads.js", "inside/walk.js")
MAX_LINE = 400  # characters of a line of a pack


@dataclass(kw_only=True)
class InsideTab:
    """The tab's one component, and the functions behind it. `build` places it, `wire` connects it."""

    shelf: Shelf
    looker: Looker = field(init=False)

    def __post_init__(self) -> None:
        self.looker = Looker(self.shelf)

    def build(self) -> None:
        self.view = gr.HTML(
            "",
            html_template='<div class="look" aria-live="off"></div>',
            elem_id="inside",
            apply_default_css=False,
            js_on_load="\n".join(map(_asset, SCRIPTS)),
            server_functions=[
                _answering(fn) for fn in (self.look, self.look_at_token, self.draw_again, self.remember, self.learn)
            ],
        )

    def wire(self, tab: gr.Tab, chat: ChatTab) -> None:
        """Whoever opens the tab sees the last reply of the chat. Called once, inside the Blocks context."""
        tab.select(self.on_open, [chat.chosen, chat.talks], self.view, queue=False, **QUIET)

    def on_open(self, chosen: str, talks: dict) -> str:
        """Return who can be looked into and what the visitor said last, as JSON."""
        ready = [persona for persona in self.shelf.personas() if persona.ready]
        talk = talks.get(chosen, ())
        names = [persona.name for persona in ready]
        return json.dumps(
            {
                "personas": [_facts(persona) for persona in ready],
                "chosen": chosen if chosen in names else next(iter(names), ""),
                "ask": self._ask(chosen, talk) if talk and chosen in names else None,
            }
        )

    def _ask(self, chosen: str, talk: Talk) -> dict[str, Any]:
        """Return the question that says the last exchange of a talk again."""
        chat, last = self.shelf.chat(chosen), talk[-1]
        return {
            "persona": chosen,
            "message": last.message,
            "history": history(talk[:-1], max_turns=chat.max_turns),
            "seed": last.seed,
            "n_tokens": _stopped_after(last),
            "temperature": last.knobs.temperature,
            "top_k": last.knobs.top_k,
            "top_p": last.knobs.top_p,
        }

    # ---- what the page asks; each gets JSON and returns JSON ----

    def look(self, sent: Any) -> dict[str, Any]:
        """Return everything about a reply that does not depend on which token is looked at."""
        from guppylm.ui.look_view import reply_view

        ask = checked(Ask, sent)
        return reply_view(self.looker.inside(ask), label=self._label(ask.persona))

    def look_at_token(self, sent: Any) -> dict[str, Any]:
        """Return what belongs to one token of a reply."""
        from guppylm.ui.look_view import token_view

        ask, inside, position = self._place(sent)
        return token_view(inside, position, label=self._label(ask.persona))

    def draw_again(self, sent: Any) -> dict[str, Any]:
        """Return how a token would have been drawn under other settings."""
        from guppylm.model.sampling import Sampling
        from guppylm.ui.look_view import draw_view

        _, inside, position = self._place(sent)
        step = inside.step_at(position)
        if step is None:
            raise GuppyError("This token was not drawn.", "Choose one of the reply.")
        knobs = checked(Redraw, _part(sent, "knobs"))
        return draw_view(inside, step, Sampling(**knobs.model_dump()))

    def remember(self, sent: Any) -> dict[str, Any]:
        """Return where the words of a reply stood in training."""
        from guppylm.ui.look_view import memory_view

        ask = checked(Ask, sent)
        files = self._pack(ask.persona).files
        return memory_view(
            self.looker.inside(ask),
            self.looker.memory(ask),
            line_at=lambda place: _line_at(files, place),
            label=self._label(ask.persona),
        )

    def learn(self, sent: Any) -> dict[str, Any]:
        """Return what was kept of a persona's training."""
        from guppylm.ui.look_view import learning_view

        return learning_view(self.shelf.chat(str(sent)).bundle)

    def _place(self, sent: Any) -> tuple[Ask, Any, int]:
        ask = checked(Ask, _part(sent, "ask"))
        inside, position = self.looker.inside(ask), _part(sent, "position")
        if not isinstance(position, int) or not 1 <= position < len(inside.ids):
            raise GuppyError("There is no such token in this reply.", "Choose another.")
        return ask, inside, position

    def _pack(self, name: str) -> Any:
        pack = self.shelf.pack(self.shelf.persona(name))
        if pack is None:
            raise GuppyError("The files this persona was made from cannot be read.")
        return pack

    def _label(self, name: str) -> Callable[[str], str]:
        pack = self.shelf.pack(self.shelf.persona(name))
        return lambda topic: label_of(pack, topic)


def _answering(fn: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    """Turn what a user can cause into an answer that says so."""

    @wraps(fn)
    def answer(sent: Any) -> dict[str, Any]:
        try:
            return fn(sent)
        except GuppyError as error:
            return {"problem": " ".join(str(error).split())}
        except Exception:
            logging.getLogger(__name__).exception("%s", fn.__name__)
            return {"problem": words.OUR_FAULT}

    return answer


def _facts(persona: Persona) -> dict[str, Any]:
    return {
        "name": persona.name,
        "title": persona.title,
        "avatar": persona.avatar,
        "language": persona.language,
        "starters": persona.starters,
    }


def _part(sent: Any, key: str) -> Any:
    if not isinstance(sent, dict) or key not in sent:
        raise GuppyError(f"The question says nothing about {key}.", "Load the page again.")
    return sent[key]


def _stopped_after(exchange: Exchange) -> int:
    """Return after how many tokens a visitor stopped a reply; 0 where it ended by itself."""
    return max(exchange.n_tokens, 1) if exchange.stopped in ("", "cancelled") else 0


def _line_at(files: Any, place: Any) -> str:
    """Return a line of a pack; empty where it cannot be pointed at."""
    lines = files.get(place.file, b"").decode("utf-8", "replace").splitlines()
    return lines[place.line - 1].strip()[:MAX_LINE] if place.line and place.line <= len(lines) else ""
