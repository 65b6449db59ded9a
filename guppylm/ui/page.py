"""Turns settings into the page: a gr.Blocks, and what launch() needs beside it.

No request leaves the machine: system fonts, drawings as data, analytics off. Server-side rendering stays
off too; it buys nothing for one page and costs a second process.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import gradio as gr

from guppylm.ui import words
from guppylm.ui.chat_tab import ChatTab, _asset, _html
from guppylm.ui.compare_tab import CompareTab
from guppylm.ui.endpoints import add_endpoints
from guppylm.ui.inside_tab import InsideTab
from guppylm.ui.make.tab import MakeTab
from guppylm.ui.shelf import Shelf

HEADER = """
<header><h1>GuppyLM</h1>
<p>Tiny language models with a character. Everything happens here, on this machine.</p></header>
"""
FOOT = "<p>Nothing you say here is kept.</p>"
LIGHT = '<button type="button" aria-pressed="false" aria-label="Dark page" title="Light or dark">◐</button>'


@dataclass(frozen=True, kw_only=True)
class AppSettings:
    """Where personas and bundles are, and how many may talk at once.

    Attributes:
        n_concurrent: replies computed at the same time; two CPU cores carry four with ease.
        n_waiting: how many may wait; who comes later is told to try again.
    """

    models_dir: Path = Path("models")
    personas_dir: Path = Path("personas")
    n_concurrent: int = 4
    n_waiting: int = 32


def build_app(settings: AppSettings, *, shelf: Shelf | None = None) -> gr.Blocks:
    """Return the page, ready for `launch(**launch_options())`."""
    shelf = shelf or Shelf(models_dir=settings.models_dir, personas_dir=settings.personas_dir)
    with gr.Blocks(title="GuppyLM", analytics_enabled=False, fill_width=True) as page:
        with gr.Row(elem_id="top"):
            gr.HTML(HEADER, **_html("header"))
            gr.HTML(LIGHT, **_html("light", "light.js"))
        chat = ChatTab(shelf=shelf, n_concurrent=settings.n_concurrent)
        compare = CompareTab(shelf=shelf, n_concurrent=settings.n_concurrent)
        inside = InsideTab(shelf=shelf)
        make = MakeTab(
            personas_dir=settings.personas_dir, models_dir=settings.models_dir, n_concurrent=settings.n_concurrent
        )
        make.remember()
        with gr.Tabs(elem_id="rooms"):
            with gr.Tab("Chat", id="chat"):
                chat.build()
            with gr.Tab(words.LOOK_INSIDE, id="inside") as inside_tab:
                inside.build()
            with gr.Tab("Compare", id="compare"):
                compare.build()
            with gr.Tab(words.MAKE, id="make"):
                make.build()
        chat.wire(page)
        inside.wire(inside_tab, chat)
        compare.wire(page)
        make.wire(page)
        gr.HTML(FOOT, **_html("foot"))
        add_endpoints(shelf, n_concurrent=settings.n_concurrent)
    page.queue(default_concurrency_limit=settings.n_concurrent, max_size=settings.n_waiting)
    return page


def launch_options() -> dict[str, Any]:
    """Return how the page is served, the same for the app and its tests."""
    return {
        "theme": _theme(),
        "css": _asset("theme.css") + _asset("inside/inside.css") + _asset("make.css"),
        "favicon_path": str(resources.files("guppylm.ui").joinpath("assets/avatar.svg")),
        "footer_links": ["api"],
        "run_history": False,  # what a visitor says is not kept, not even in the visitor's own browser
        "ssr_mode": False,
        "share": False,
        "show_error": True,
        "quiet": True,
        "max_file_size": "1mb",
    }


def _theme() -> gr.themes.Base:
    """Return a plain theme whose colours are the custom properties of theme.css."""
    colours = {
        "body_background_fill": "var(--paper)",
        "body_text_color": "var(--ink)",
        "body_text_color_subdued": "var(--soft-ink)",
        "background_fill_primary": "var(--card)",
        "background_fill_secondary": "var(--card)",
        "block_background_fill": "var(--card)",
        "block_border_color": "var(--line)",
        "block_label_text_color": "var(--soft-ink)",
        "block_title_text_color": "var(--ink)",
        "block_info_text_color": "var(--soft-ink)",
        "border_color_primary": "var(--line)",
        "border_color_accent": "var(--water)",
        "color_accent_soft": "var(--water-soft)",
        "input_background_fill": "var(--card)",
        "input_border_color": "var(--line)",
        "input_border_color_focus": "var(--water)",
        "input_placeholder_color": "var(--soft-ink)",
        "slider_color": "var(--water)",
        "checkbox_background_color": "var(--card)",
        "checkbox_background_color_selected": "var(--water)",
        "checkbox_border_color": "var(--soft-ink)",
        "checkbox_border_color_selected": "var(--water)",
        "checkbox_label_background_fill": "transparent",
        "checkbox_label_text_color": "var(--ink)",
        "button_primary_background_fill": "var(--water)",
        "button_primary_background_fill_hover": "var(--water-strong)",
        "button_primary_text_color": "var(--on-water)",
        "button_secondary_background_fill": "var(--card)",
        "button_secondary_background_fill_hover": "var(--water-soft)",
        "button_secondary_text_color": "var(--ink)",
        "button_secondary_border_color": "var(--line)",
        "link_text_color": "var(--water)",
    }
    both = {}
    for name, value in colours.items():
        both[name] = value
        if hasattr(gr.themes.Base(), f"{name}_dark"):
            both[f"{name}_dark"] = value
    return gr.themes.Base(
        font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"], radius_size="lg"
    ).set(**both)
