"""A real browser on the real page. Skipped, with the reason, where there is no chromium or no playwright."""

from __future__ import annotations

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.ui.stage import Paced, Stage, set_stage

CHROMIUM = Path("/usr/bin/chromium")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
         "--disable-component-update", "--disable-sync")  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if "GUPPYLM_REQUIRE_BROWSER" not in os.environ:  # .ci/run sets it: there, no browser is a failure
        pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
        if not CHROMIUM.exists():
            pytest.skip(f"{CHROMIUM} is not there: apt-get install chromium")
    from playwright import sync_api as playwright

    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield browser
        browser.close()


@dataclass(kw_only=True)
class Served:
    """A page being served, and the Chats it opened, each slowed down so that there is time to press Stop."""

    address: str
    chats: list[Paced] = field(default_factory=list)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    from guppylm.ui.page import AppSettings, build_app, launch_options
    from guppylm.ui.shelf import Shelf, open_chat

    stage: Stage = set_stage(tmp_path_factory.mktemp("stage"))
    served = Served(address="")

    def open_paced(folder: Path) -> Paced:
        served.chats.append(Paced(open_chat(folder), seconds=0.04))
        return served.chats[-1]

    shelf = Shelf(models_dir=stage.models_dir, personas_dir=stage.personas_dir, open_chat=open_paced)
    page = build_app(AppSettings(models_dir=stage.models_dir, personas_dir=stage.personas_dir), shelf=shelf)
    _, address, _ = page.launch(prevent_thread_lock=True, **launch_options())
    served.address = address.rstrip("/")
    yield served
    page.close(verbose=False)


@dataclass(kw_only=True)
class Visit:
    """One visitor's page, with everything it asked of the network and complained about."""

    page: Any
    elsewhere: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def send(self, message: str) -> None:
        box = self.page.locator("#message textarea")
        box.fill(message)
        self.page.keyboard.press("Enter")
        # In the moment between a reply's last word and its end, gradio drops an Enter; the words stay in the box, and
        # people press again.
        if message:
            self.page.wait_for_timeout(500)
            if box.input_value() == message:
                self.page.keyboard.press("Enter")

    def said(self, who: str) -> list[str]:
        return self.page.locator(f"#chat [data-testid={who}]").all_inner_texts()

    def wait_for_replies(self, n: int) -> None:
        """Wait until the n-th reply is complete: the note is written and Send is back."""
        self.page.wait_for_function(
            "n => document.querySelectorAll('#chat [data-testid=bot]').length === n"
            " && document.querySelector('#message .submit-button')"
            " && document.querySelector('#note p')?.textContent",
            arg=n,
            timeout=30_000,
        )


def open_visit(browser: Any, address: str, **options: Any) -> Visit:
    context = browser.new_context(viewport=options.pop("viewport", {"width": 1280, "height": 860}), **options)
    page = context.new_page()
    page.set_default_timeout(30_000)
    visit = Visit(page=page)

    def on_request(request: Any) -> None:
        if not request.url.startswith((address.split("/?")[0], "data:", "blob:")):
            visit.elsewhere.append(request.url)

    page.on("request", on_request)

    def on_console(line) -> None:
        # gradio answers 500 when a reply ends in the very moment in which it is cancelled; nobody notices.
        is_late = line.location.get("url", "").endswith("/cancel") and "status of 500" in line.text
        if line.type == "error" and not is_late:
            visit.complaints.append(line.text)

    page.on("console", on_console)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.goto(address)
    page.wait_for_selector("#cards [role=radio]")
    page.wait_for_selector("#topics .topic", state="attached")
    return visit


@pytest.fixture
def visit(browser: Any, served: Served) -> Iterator[Visit]:
    """A visitor on a wide screen. Whatever the test does, no request leaves the machine and nothing fails."""
    visit = open_visit(browser, served.address)
    yield visit
    visit.page.context.close()
    assert visit.elsewhere == []
    assert visit.complaints == []
