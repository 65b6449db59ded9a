"""Turns a visitor's bench into the Make tab: describe, write, see, train, talk, take away."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr

from guppylm.errors import GuppyError
from guppylm.packs.describe import describe
from guppylm.packs.generate import SETS
from guppylm.packs.sources import list_personas
from guppylm.ui.chat_tab import QUIET, _html, draw_seed
from guppylm.ui.conversation import N_CHARACTERS_SENT, Knobs, speak
from guppylm.ui.make import make_words as says
from guppylm.ui.make import views
from guppylm.ui.make.bench import Bench, Benches
from guppylm.ui.make.training import Trainings

N_ROWS_CHECKED = 20_000  # what a small persona should be able to fill
N_ROWS_DESCRIBED = 5_000
N_SAMPLES = 50
N_TALK_KEPT = 20
NEW, TABLE, ZIP = "new", "table", "zip"
MAX_MINUTES = 10
OPEN_PRESETS = [("3m, to talk to", "3m"), ("smoke, to see that it works", "smoke")]

CLICK_ZIP = "setTimeout(() => document.querySelector('#make-zip[href], #make-zip a[href], #make-zip')?.click(), 100);"


@dataclass(kw_only=True)
class MakeTab:
    """The Make tab's components, and the functions behind its events. `build` places them, `wire` connects them.

    Args:
        is_home: whether the page runs on the visitor's own computer, so that work may be saved beside the page.
    """

    personas_dir: Path
    models_dir: Path
    n_concurrent: int = 4
    is_home: bool = field(default_factory=lambda: "SPACE_ID" not in os.environ)
    benches: Benches = field(init=False)
    trainings: Trainings = field(default_factory=Trainings)

    def __post_init__(self) -> None:
        self.benches = Benches(self.personas_dir)

    # ---- placing

    def remember(self) -> None:
        """Place what lies in the visitor's browser: the token by which a reload finds the bench again.

        Outside of all tabs: what is in one is not there before it is opened.
        """
        self.token = gr.BrowserState("", storage_key="guppylm-bench", secret="guppylm")

    def build(self) -> None:
        self.editing = gr.State("")
        self.talk = gr.State([])
        self.timer = gr.Timer(1.0, active=False)
        with gr.Column(elem_id="make"):
            gr.HTML(f"<h2>{says.TITLE}</h2><p>{says.LEAD}</p>", **_html("make-lead"))
            self._build_describe()
            with gr.Column(visible=False, elem_id="make-rest") as self.rest:
                self._build_write()
                self._build_see()
                self._build_train()
                self._build_away()

    def _build_describe(self) -> None:
        choices = [
            (says.BEGIN_NEW, NEW),
            *((says.begin_copy(name), f"copy:{name}") for name in list_personas(self.personas_dir)),
        ]
        choices += [(says.BEGIN_TABLE, TABLE), (says.BEGIN_ZIP, ZIP)]
        with gr.Column(elem_classes="step"):
            gr.HTML(_head(1, says.DESCRIBE), **_html("make-1"))
            with gr.Row():
                self.name = gr.Textbox(label=says.NAME, placeholder="moth", max_lines=1, elem_id="make-name")
                self.source = gr.Dropdown(choices, value=NEW, label=says.SOURCE, elem_id="make-source")
            self.upload = gr.File(
                visible=False, label=says.UPLOAD, file_types=[".csv", ".zip"], elem_id="make-upload", height=110
            )
            self.begin = gr.Button(says.BEGIN, variant="primary", elem_id="make-begin")
            self.begun = gr.HTML("", **_html("make-begun"))

    def _build_write(self) -> None:
        with gr.Column(elem_classes="step"):
            gr.HTML(_head(2, says.WRITE), **_html("make-2"))
            with gr.Row():
                with gr.Column(scale=3, min_width=320):
                    self.file = gr.Dropdown([], label=says.FILE, elem_id="make-file")
                    self.editor = gr.Code(
                        "", language="yaml", lines=18, max_lines=28, label="", show_label=False, wrap_lines=True,
                        interactive=True, elem_id="make-editor", buttons=[],
                    )  # fmt: skip
                    self.help = gr.HTML("", **_html("make-help"))
                with gr.Column(scale=2, min_width=280):
                    self.findings = gr.HTML("", **_html("make-findings"))
            with gr.Accordion(says.ADD_TOPIC, open=False, elem_id="make-topic"):
                self.topic = gr.Textbox(label=says.TOPIC, max_lines=1, elem_id="make-topic-name")
                with gr.Row():
                    self.asks = gr.Textbox(label=says.ASKS, lines=5, elem_id="make-asks")
                    self.replies = gr.Textbox(label=says.REPLIES, lines=5, elem_id="make-replies")
                self.add = gr.Button(says.ADD, elem_id="make-add")
                self.added = gr.HTML("", **_html("make-added"))

    def _build_see(self) -> None:
        with gr.Column(elem_classes="step"):
            gr.HTML(_head(3, says.SEE), **_html("make-3"))
            with gr.Row():
                self.draw = gr.Button(says.SAMPLES, elem_id="make-draw")
                self.describe = gr.Button(says.DATA, elem_id="make-data")
            self.samples = gr.HTML("", **_html("make-samples"))

    def _build_train(self) -> None:
        with gr.Column(elem_classes="step"):
            gr.HTML(_head(4, says.TRAIN), **_html("make-4"))
            with gr.Row():
                self.preset = gr.Radio(OPEN_PRESETS, value="3m", label=says.PRESET, elem_id="make-preset")
                self.minutes = gr.Slider(
                    1, MAX_MINUTES, 2, step=1, label=says.MINUTES, elem_id="make-minutes", buttons=[]
                )
            with gr.Row():
                self.train = gr.Button(says.START, variant="primary", elem_id="make-train")
                self.halt = gr.Button(says.STOP, elem_id="make-stop", interactive=False)
            self.live = gr.HTML("", **_html("make-live"))
            self.message = gr.Textbox(
                label=says.TALK, placeholder=says.TALK, show_label=False, container=False, visible=False, max_lines=4,
                submit_btn="Send", elem_id="make-message",
            )  # fmt: skip
            self.said = gr.HTML("", **_html("make-said"))

    def _build_away(self) -> None:
        with gr.Column(elem_classes="step"):
            gr.HTML(_head(5, says.AWAY), **_html("make-5"))
            with gr.Row():
                self.pack = gr.Button(says.PACK, elem_id="make-pack")
                self.bundle = gr.Button(says.BUNDLE, elem_id="make-bundle", interactive=False)
                self.save = gr.Button(says.SAVE, visible=self.is_home, elem_id="make-save")
            # A zip is made when it is asked for, so that it holds the last word typed; then the browser fetches it.
            self.zip = gr.DownloadButton(visible="hidden", elem_id="make-zip")
            self.away = gr.HTML("", **_html("make-away"))

    # ---- connecting

    def wire(self, page: gr.Blocks) -> None:
        """Connect every event. Called once, inside the Blocks context."""
        at_once = {"queue": False, **QUIET}
        write = [self.file, self.editing, self.editor, self.help, self.findings]
        status = [self.live, self.timer, self.halt, self.train, self.message, self.bundle]
        bench = [self.token, self.rest, self.begun, *write, *status, self.samples, self.said, self.talk, self.away]
        self.source.input(lambda source: gr.update(visible=source in (TABLE, ZIP)), self.source, self.upload, **at_once)
        for begin in (self.begin.click, self.name.submit):
            begin(self.on_begin, [self.token, self.name, self.source, self.upload], bench, **at_once)
        self.file.input(self.on_file, [self.token, self.file], write[1:4], **at_once)
        self.editor.input(
            self.on_edit, [self.token, self.editing, self.editor], self.findings, trigger_mode="always_last", **at_once
        )
        self.add.click(
            self.on_add, [self.token, self.topic, self.asks, self.replies],
            [*write, self.added, self.topic, self.asks, self.replies], **at_once,
        )  # fmt: skip
        self.draw.click(self.on_samples, self.token, self.samples, **at_once)
        self.describe.click(self.on_data, self.token, self.samples, **at_once)
        self.train.click(self.on_train, [self.token, self.preset, self.minutes], status, **at_once)
        self.halt.click(self.on_stop, self.token, status, **at_once)
        self.timer.tick(self.on_tick, self.token, status, **at_once)
        speaking = {"concurrency_id": "chat", "concurrency_limit": self.n_concurrent, **QUIET}
        self.message.submit(
            self.on_message, [self.token, self.message, self.talk], [self.said, self.talk, self.message], **speaking
        )
        for button, make in ((self.pack, self.on_pack), (self.bundle, self.on_bundle)):
            made = button.click(make, self.token, [self.zip, self.away], **at_once)
            made.success(None, js=f"() => {{ {CLICK_ZIP} }}", **at_once)
        self.save.click(self.on_save, self.token, self.away, **at_once)
        page.load(self.on_visit, self.token, bench, **at_once)

    # ---- events

    def on_visit(self, token: str) -> tuple:
        bench = self.benches.find(token)
        return self._bench(bench, "" if bench is None or not bench.name else says.still_here(bench.name))

    def on_begin(self, token: str, name: str, source: str, upload: str | None) -> tuple:
        try:
            bench = self.benches.open(token)
            if (training := self.trainings.of(bench.token)) and not training.is_over:
                raise GuppyError("Your training is under way.", "Stop it before you begin anew.")
            too_little = self._begin(bench, (name or "").strip().lower(), source, upload)
        except GuppyError as error:
            return (gr.skip(), gr.skip(), views.problem(error), *[gr.skip()] * 15)
        self.trainings.forget(bench.token)
        return self._bench(bench, " ".join([says.begun(bench.name), *too_little]))

    def _begin(self, bench: Bench, name: str, source: str, upload: str | None) -> list[str]:
        if source == NEW:
            bench.begin_new(name)
        elif source.startswith("copy:"):
            bench.begin_copy(name, source.removeprefix("copy:"))
        elif not upload:
            raise GuppyError("There is no file yet.", "Choose one above.")
        elif source == TABLE:
            return bench.begin_table(name, Path(upload))
        else:
            bench.begin_zip(name, Path(upload))
        return []

    def on_file(self, token: str, file: str) -> tuple:
        bench = self.benches.find(token)
        if bench is None or file not in bench.files():
            return gr.skip(), gr.skip(), gr.skip()
        return file, bench.read(file), views.help_html(file)

    def on_edit(self, token: str, file: str, text: str) -> str:
        def edit(bench: Bench) -> str:
            bench.write(file, text)
            return views.report_html(bench.check(N_ROWS_CHECKED))

        return self._with(token, edit)

    def on_add(self, token: str, name: str, asks: str, replies: str) -> tuple:
        try:
            bench = self._find(token)
            file = bench.add_topic((name or "").strip(), asks or "", replies or "")
        except GuppyError as error:
            return (*[gr.skip()] * 5, views.problem(error), *[gr.skip()] * 3)
        return (*self._write(bench, file), views.note(says.added(file)), "", "", "")

    def on_samples(self, token: str) -> str:
        return self._with(token, lambda bench: views.samples_html(bench.samples(N_SAMPLES, seed=draw_seed())))

    def on_data(self, token: str) -> str:
        def data(bench: Bench) -> str:
            pack, dataset = bench.dataset(N_ROWS_DESCRIBED)
            return views.data_html(describe(pack, dataset, {name: len(getattr(dataset, name)) for name in SETS}))

        return self._with(token, data)

    def on_train(self, token: str, preset: str, minutes: float) -> tuple:
        try:
            bench = self._find(token)
            self.trainings.start(
                bench, preset="smoke" if preset == "smoke" else "3m", minutes=min(max(float(minutes), 1), MAX_MINUTES)
            )
        except GuppyError as error:
            return (views.problem(error), *[gr.skip()] * 5)
        return self._status(bench)

    def on_stop(self, token: str) -> tuple:
        self.trainings.stop(token)
        return self._status(self.benches.find(token))

    def on_tick(self, token: str) -> tuple:
        return self._status(self.benches.find(token))

    def on_message(self, token: str, message: str, talk: list) -> Iterator[tuple]:
        message = (message or "")[-N_CHARACTERS_SENT:]
        try:
            bench = self._find(token)
            with closing(
                speak(bench.shelf.chat(bench.name), (), message, knobs=Knobs(), seed=draw_seed())
            ) as exchanges:
                for exchange in exchanges:
                    now = [(message, exchange.reply), *talk][:N_TALK_KEPT]
                    yield views.talk_html(now), now, ""
        except GuppyError as error:
            yield views.problem(error), talk, message

    def on_pack(self, token: str) -> tuple:
        return self._zipped(token, Bench.pack_zip)

    def on_bundle(self, token: str) -> tuple:
        return self._zipped(token, Bench.bundle_zip)

    def _zipped(self, token: str, zip: Callable[[Bench], Path]) -> tuple:
        try:
            return gr.update(value=str(zip(self._find(token)))), ""
        except GuppyError as error:
            return gr.update(value=None), views.problem(error)

    def on_save(self, token: str) -> str:
        if not self.is_home:
            return ""

        def save(bench: Bench) -> str:
            return views.note(says.saved(bench.save(self.personas_dir, self.models_dir)))

        return self._with(token, save)

    # ---- what is shown

    def _find(self, token: str) -> Bench:
        bench = self.benches.find(token)
        if bench is None or not bench.name:
            raise GuppyError("There is no persona on your bench any more.", "Begin one in step 1.")
        return bench

    def _with(self, token: str, show: Callable[[Bench], str]) -> str:
        try:
            return show(self._find(token))
        except GuppyError as error:
            return views.problem(error)

    def _bench(self, bench: Bench | None, told: str) -> tuple:
        """Return everything that depends on what is on the bench."""
        if bench is None or not bench.name:
            return ("", gr.update(visible=False), "", gr.skip(), "", "", "", "", *self._status(None), "", "", [], "")
        return (
            bench.token,
            gr.update(visible=True),
            views.note(told),
            *self._write(bench, "persona.yaml"),
            *self._status(bench),
            "",
            "",
            [],
            "",
        )

    def _write(self, bench: Bench, file: str) -> tuple:
        """Return what belongs to a file that is opened: the list, the file, its text, its help, the findings."""
        files = bench.files()
        file = file if file in files else files[0]
        findings = views.report_html(bench.check(N_ROWS_CHECKED))
        return gr.update(choices=files, value=file), file, bench.read(file), views.help_html(file), findings

    def _status(self, bench: Bench | None) -> tuple:
        """Return what depends on the training."""
        training = self.trainings.of(bench.token) if bench else None
        is_on = training is not None and not training.is_over
        can_talk = bench is not None and not is_on and (bench.bundle_dir / "config.json").is_file()
        return (
            views.training_html(training),
            gr.Timer(active=is_on),
            gr.update(interactive=is_on),
            gr.update(interactive=not is_on),
            gr.update(visible=can_talk),
            gr.update(interactive=can_talk),
        )


def _head(number: int, title: str) -> str:
    return f"<h3><b>{number}</b> {title}</h3>"
