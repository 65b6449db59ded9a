"""Turns a shelf of personas into the chat: events in, exchanges out, one visitor at a time.

What a visitor has said lives in two session values, `talks` (persona -> exchanges) and `chosen`. The
Chatbot only shows them and is never read back, so a page that sends a made-up history changes nothing.
Models are never session values.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Any

import gradio as gr

from guppylm.errors import GuppyError, NotFoundError
from guppylm.ui import words
from guppylm.ui.browse import chips_html, label_of, topics_html
from guppylm.ui.cards import LOOKING, cards_html, hello_html
from guppylm.ui.conversation import (
    Exchange,
    Knobs,
    Talk,
    as_messages,
    exchange_at,
    speak,
    stopped_now,
    with_exchange,
)
from guppylm.ui.persona import Persona
from guppylm.ui.report_card import report_html
from guppylm.ui.shelf import Shelf

MAX_SEED = 2**31 - 1
QUIET = {"api_visibility": "private", "show_progress": "hidden"}


def draw_seed() -> int:
    return random.SystemRandom().randrange(MAX_SEED)


@dataclass(kw_only=True)
class ChatTab:
    """The chat's components, and the functions behind its events.

    `build` places them, `wire` connects them.
    """

    shelf: Shelf
    n_concurrent: int = 4
    draw_seed: Callable[[], int] = draw_seed

    def build(self) -> None:
        """Place the components. They are filled on each visit: reading packs and bundles can take seconds."""
        self.chosen = gr.State("")
        self.talks = gr.State({})
        with gr.Row(elem_id="desk", equal_height=False):
            with gr.Column(elem_id="cards-column", min_width=0):
                self.cards = gr.HTML(LOOKING, **_html("cards", "cards.js"))
            with gr.Column(elem_id="talk-column", min_width=0):
                self._build_talk()
                self._build_knobs()
            with gr.Column(elem_id="topics-column", min_width=0):
                self.topics = gr.HTML("", **_html("topics", "chips.js"))
                self.report = gr.HTML("", **_html("report"))

    def _build_talk(self) -> None:
        self.hello = gr.HTML("", **_html("hello"))
        self.chat = gr.Chatbot(
            elem_id="chat",
            show_label=False,
            label="Chat",
            height=None,
            render_markdown=False,  # a small model says odd things: show them as they are
            allow_tags=False,
            latex_delimiters=[],
            sanitize_html=True,
            autoscroll=True,
            buttons=[],
            feedback_options=None,
            layout="bubble",
        )
        self.starters = gr.HTML("", **_html("starters", "chips.js"))
        self.message = gr.Textbox(
            elem_id="message",
            label="Message",
            show_label=False,
            container=False,
            interactive=False,
            lines=1,
            max_lines=5,
            submit_btn="Send",
            stop_btn=False,
            html_attributes=gr.InputHTMLAttributes(autocapitalize="sentences", enterkeyhint="send"),
        )
        self.sees = gr.HTML("", **_html("sees"))
        self.note = gr.HTML("", **_html("note", "rooms.js"))

    def _build_knobs(self) -> None:
        knobs = Knobs()
        with gr.Accordion("Settings", open=False, elem_id="knobs"):
            with gr.Row():
                self.temperature = gr.Slider(
                    0, 2, knobs.temperature, step=0.05, label="Temperature", elem_id="temperature",
                    info="0 careful, 2 wild", buttons=[],
                )  # fmt: skip
                self.top_k = gr.Slider(
                    0, 100, knobs.top_k, step=1, label="Top-k", elem_id="top-k",
                    info="0 for no limit", buttons=[],
                )  # fmt: skip
                self.top_p = gr.Slider(
                    0.05, 1, knobs.top_p, step=0.05, label="Top-p", elem_id="top-p",
                    info="1 for no limit", buttons=[],
                )  # fmt: skip
            with gr.Row(elem_id="seed-row"):
                self.new_seed = gr.Checkbox(True, label="A new seed each time", elem_id="new-seed")
                self.seed = gr.Number(
                    0,
                    label="Seed",
                    precision=0,
                    minimum=0,
                    maximum=MAX_SEED,
                    elem_id="seed",
                    buttons=[],
                )
                self.defaults = gr.Button("Back to the defaults", size="sm", elem_id="defaults")

    def wire(self, page: gr.Blocks) -> None:
        """Connect every event. Called once, inside the Blocks context."""
        knobs = [self.temperature, self.top_k, self.top_p, self.new_seed, self.seed]
        shown = [self.chat, self.talks, self.message, self.note, self.seed]
        session = [self.chosen, self.talks]
        speaking: dict[str, Any] = {
            "outputs": shown,
            "concurrency_id": "chat",
            "concurrency_limit": self.n_concurrent,
            **QUIET,
        }
        started = [
            self.message.submit(self.on_submit, [self.message, *session, *knobs], **speaking),
            self.starters.ask(self.on_ask, [*session, *knobs], **speaking),
            self.topics.ask(self.on_ask, [*session, *knobs], **speaking),
            self.chat.retry(self.on_retry, [*session, *knobs], **speaking),
        ]
        about = [self.cards, self.chosen, self.hello, self.sees, self.starters, self.topics, self.report]
        view = [*about, self.chat, self.note, self.message, self.talks]
        topics = {"fn": self.on_topics, "inputs": self.chosen, "outputs": [self.topics, self.report]}
        at_once = {"queue": False, **QUIET}
        self.message.stop(self.on_stop, session, [*shown[:4]], cancels=started, **at_once)
        self.chat.undo(self.on_undo, session, [*shown[:4]], cancels=started, **at_once)
        self.chat.clear(self.on_clear, session, [*shown[:4]], cancels=started, **at_once)
        # Whoever walks over the cards with the arrow keys is faster than the answers, and no step may be dropped.
        picked = self.cards.pick(self.on_pick, self.talks, view, cancels=started, trigger_mode="multiple", **at_once)
        picked.then(**topics, **at_once)
        self.defaults.click(self.on_defaults, None, knobs[:4], **at_once)
        page.load(self.on_visit, self.talks, view, **at_once).then(**topics, **at_once)

    # ---- speaking ----

    def on_submit(self, message: str, chosen: str, talks: dict, *knobs: Any) -> Iterator[tuple]:
        yield from self._speak(message or "", chosen, talks, talks.get(chosen, ()), knobs)

    def on_ask(self, event: gr.EventData, chosen: str, talks: dict, *knobs: Any) -> Iterator[tuple]:
        yield from self._speak(str(event.text), chosen, talks, talks.get(chosen, ()), knobs)

    def on_retry(self, event: gr.RetryData, chosen: str, talks: dict, *knobs: Any) -> Iterator[tuple]:
        talk = talks.get(chosen, ())
        if talk:
            index = exchange_at(talk, event.index)
            yield from self._speak(talk[index].message, chosen, talks, talk[:index], knobs)

    def _speak(self, message: str, chosen: str, talks: dict, talk: Talk, knobs: tuple) -> Iterator[tuple]:
        """Yield (chat, talks, message box, note, seed) as the reply grows."""
        temperature, top_k, top_p, new_seed, seed = knobs
        seed = self.draw_seed() if new_seed else int(seed or 0)
        picks = Knobs(temperature=float(temperature), top_k=int(top_k), top_p=float(top_p))
        busy, no_note = gr.update(value="", submit_btn=False, stop_btn="Stop"), ""
        try:
            if not chosen:  # the server forgot this visit: it was started anew under an open page
                raise GuppyError("The page was restarted in the meantime.", "Load it again to go on.")
            with closing(speak(self.shelf.chat(chosen), talk, message, knobs=picks, seed=seed)) as exchanges:
                for exchange in exchanges:
                    now = with_exchange(talk, exchange)
                    yield as_messages(now), {**talks, chosen: now}, busy, no_note, seed
                    busy = no_note = gr.skip()  # a step still on its way must not undo what Stop shows
        except GuppyError as error:
            yield self._taken_back(message, chosen, talks, talk, " ".join(str(error).split()))
        except Exception:
            yield self._taken_back(message, chosen, talks, talk, words.OUR_FAULT)
            raise
        else:
            yield gr.skip(), gr.skip(), idle(), _about(exchange), gr.skip()

    def _taken_back(self, message: str, chosen: str, talks: dict, talk: Talk, problem: str) -> tuple:
        """Return the page as it was before the message, which goes back into the box, and what went wrong."""
        note = _note(problem, is_problem=True)
        return as_messages(talk), {**talks, chosen: talk}, idle(message), note, gr.skip()

    # ---- stopping, undoing, choosing ----

    def on_stop(self, chosen: str, talks: dict) -> tuple:
        talk = stopped_now(talks.get(chosen, ()))
        note = _about(talk[-1]) if talk else ""
        return as_messages(talk), {**talks, chosen: talk}, idle(), note

    def on_undo(self, chosen: str, talks: dict, event: gr.UndoData) -> tuple:
        talk = talks.get(chosen, ())
        if not talk:
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()
        index = exchange_at(talk, event.index)
        return as_messages(talk[:index]), {**talks, chosen: talk[:index]}, idle(talk[index].message), ""

    def on_clear(self, chosen: str, talks: dict) -> tuple:
        return [], {**talks, chosen: ()}, idle(), ""

    def on_pick(self, talks: dict, event: gr.EventData) -> tuple:
        return self._view(str(event.name), talks)

    def on_visit(self, talks: dict, request: gr.Request) -> tuple:
        return self._view(str(request.query_params.get("persona", "")), talks)

    def on_topics(self, chosen: str) -> tuple[str, str]:
        """Return what stands beside the talk: the topics and the report card."""
        try:
            persona = self.shelf.persona(chosen)
        except NotFoundError:
            return "", ""
        topics = topics_html(self.shelf.topics(persona), title=persona.title, ready=persona.ready)
        return topics, self._report(persona)

    def on_defaults(self) -> tuple:
        knobs = Knobs()
        return knobs.temperature, knobs.top_k, knobs.top_p, True

    def _view(self, name: str, talks: dict) -> tuple:
        """Return everything that changes with the persona; an unknown name shows the first one."""
        personas = self.shelf.personas()
        persona = next((one for one in personas if one.name == name), personas[0] if personas else None)
        if persona is None:
            return cards_html((), ""), "", "", "", "", "", "", [], "", gr.skip(), talks
        persona = self.shelf.persona(persona.name)  # reads its weights, which may turn out broken
        if not persona.ready:
            personas = self.shelf.personas()
        talks = {key: stopped_now(talk) for key, talk in talks.items()}
        return (
            cards_html(personas, persona.name),
            persona.name,
            hello_html(persona),
            self._sees(persona),
            chips_html(persona.starters, ready=persona.ready),
            "",  # the topics follow: drawing prompts takes a moment the first time
            "",  # and with them the report card, which stands below
            gr.update(value=as_messages(talks.get(persona.name, ())), avatar_images=_avatars(persona)),
            "",
            self._box(persona),
            talks,
        )

    def _sees(self, persona: Persona) -> str:
        return f"<p>{escape(words.what_it_sees(persona.title, persona.max_turns))}</p>" if persona.ready else ""

    def _report(self, persona: Persona) -> str:
        if not persona.ready:
            return ""
        pack = self.shelf.pack(persona)
        return report_html(
            self.shelf.report_card(persona),
            command=self.shelf.exam_command(persona),
            label=lambda name: label_of(pack, name),
        )

    def _box(self, persona: Persona) -> Any:
        invite = words.invitation(persona.title) if persona.ready else words.not_ready(persona.title)
        return gr.update(
            placeholder=invite,
            interactive=persona.ready,
            submit_btn="Send" if persona.ready else False,
            stop_btn=False,
        )


def _avatars(persona: Persona | None) -> tuple[None, dict[str, str]] | None:
    """Return the Chatbot's avatars.

    The drawing is in the address: no stranger's SVG is ever a page of this server.
    """
    return (None, {"path": "avatar.svg", "url": persona.avatar}) if persona else None


def idle(text: str = "") -> Any:
    """Return the message box as it is while nobody speaks, holding `text` when there is some to give back."""
    update = gr.update(submit_btn="Send", stop_btn=False)
    return {**update, "value": text} if text else update


def _note(text: str, *, is_problem: bool = False) -> str:
    role = "alert" if is_problem else "status"
    return f'<p role="{role}" class="{"problem" if is_problem else ""}">{escape(text)}</p>'


def _about(exchange: Exchange) -> str:
    """Return how a reply came about, and the way to all the rest of it."""
    look = f'<button type="button" class="more" data-room="{words.LOOK_INSIDE}">{words.LOOK_INSIDE}</button>'
    return f'<p role="status">{escape(words.about_reply(exchange))} {look}</p>'


def _html(elem_id: str, script: str = "") -> dict[str, Any]:
    """Return what each gr.HTML of ours is built with: no styles of gradio's, a script where one acts."""
    return {"elem_id": elem_id, "apply_default_css": False, "js_on_load": _asset(script) if script else None}


def _asset(name: str) -> str:
    return resources.files("guppylm.ui").joinpath("assets", name).read_text("utf-8")
