"""What a learner does: open the inside of a reply, walk through it, choose words, move sliders; also on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Served, Visit, open_visit

pytestmark = pytest.mark.browser

MODELS = Path(__file__).parents[2] / "models"
KEYS = ["wrote", "numbers", "stream", "attention", "layers", "draw", "memory", "learned"]
DRAWN = {
    "wrote": ".row",
    "numbers": ".pieces li",
    "stream": ".model .block",
    "attention": ".heads canvas",
    "layers": ".guesses tr",
    "draw": ".candidates tr",
    "memory": ".verdict",
    "learned": ".curve",
}


@pytest.fixture(autouse=True)
def _in_a_hurry(served: Served) -> Iterator[None]:
    """Nobody presses Stop here, so nobody need wait for the words one by one."""
    before = [(chat, chat.seconds) for chat in served.chats]
    for chat in served.chats:
        chat.seconds = 0
    yield
    for chat, seconds in before:
        chat.seconds = seconds


def open_inside(page: Any) -> None:
    page.get_by_role("tab", name="Look inside").click()
    page.wait_for_selector("#inside .why li")


def is_here(page: Any, key: str) -> None:
    page.wait_for_selector(f"#inside .station.{key} {DRAWN[key]}")


def test_the_walk_goes_through_the_reply_that_was_just_given(visit: Visit) -> None:
    visit.send("are <b>you</b> bright")
    visit.wait_for_replies(1)
    page = visit.page
    page.locator("#note button").click()
    page.wait_for_selector("#inside .why li")
    assert page.locator("#inside .said .asked").inner_text() == "are <b>you</b> bright"
    assert page.locator("#inside .asked b").count() == 0
    for i, key in enumerate(KEYS):
        is_here(page, key)
        assert page.locator("#inside .turns .soft").inner_text() == f"{i + 1} of 8"
        page.locator("#inside .depth summary").click()
        assert ".py:" in page.locator("#inside .code").inner_text()
        page.locator("#inside .depth summary").click()
        if key != KEYS[-1]:
            page.locator("#inside [data-key=next]").click()
    assert page.locator("#inside [data-key=next]").is_disabled()
    assert page.locator("#inside .replied", has_text="i <b>am</b>").count() == 1
    page.locator("#inside [data-key=back]").click()
    is_here(page, "memory")


def test_a_slider_draws_again_and_a_candidate_goes_on(visit: Visit) -> None:
    page = visit.page
    open_inside(page)
    page.locator("#inside [data-key=s5]").click()
    is_here(page, "draw")
    before = page.locator("#inside .candidates").inner_text()
    page.locator("#inside [data-key=temperature]").fill("0")
    page.wait_for_function("document.querySelector('#inside .drawing').innerText.includes('1 token is in the draw')")
    assert page.locator("#inside .candidates").inner_text() != before
    other = page.locator("#inside .candidates tr:not(.chosen) button").first
    word = other.inner_text()
    other.click()
    page.wait_for_function("word => document.querySelector('#inside .why q')?.textContent === word", arg=word)
    assert page.locator("#inside .tokens [aria-pressed=true]").first.inner_text() == word


def test_heads_and_words_are_chosen_by_keyboard(visit: Visit) -> None:
    page = visit.page
    open_inside(page)
    page.locator("#inside [data-key=s3]").focus()
    page.keyboard.press("Enter")
    is_here(page, "attention")
    page.locator("#inside .heads [aria-pressed=true]").focus()
    held = page.locator("#inside .heads [aria-pressed=true]").get_attribute("data-key")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "held => document.activeElement.closest('.heads') && document.activeElement.dataset.key !== held"
        " && document.activeElement.getAttribute('aria-pressed') === 'true'",
        arg=held,
    )
    page.locator("#inside .said .tokens [aria-pressed=true]").focus()
    chosen = page.locator("#inside .why q").inner_text()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "old => document.activeElement.closest('.said') && document.activeElement.textContent !== old", arg=chosen
    )
    page.locator("#inside [data-key=s7]").focus()
    page.keyboard.press("Enter")
    is_here(page, "learned")
    page.locator("#inside [data-key=frames]").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.querySelector('#inside .drawing').innerText.includes('every number is noise')")


def test_pointing_at_the_map_names_the_cell(visit: Visit) -> None:
    page = visit.page
    open_inside(page)
    page.locator("#inside [data-key=s3]").click()
    is_here(page, "attention")
    canvas = page.locator("#inside .large canvas")
    width = canvas.bounding_box()["width"]
    canvas.hover(position={"x": 3, "y": width - 3})
    assert "%" in page.locator("#inside .says").inner_text()
    canvas.hover(position={"x": width - 3, "y": 3})
    assert page.locator("#inside .says").inner_text() == "Not said yet."
    assert page.locator("#inside .looks path").count() > 0


def test_ones_own_message_and_silence(visit: Visit) -> None:
    page = visit.page
    open_inside(page)
    for message, shown in (
        ("<img src=x onerror=alert(1)> 🌙\u202e", "<img src=x"),
        ("", "(silence)"),
        ("z" * 5000, "zzz"),
    ):
        page.locator("#inside [data-key=message]").fill(message)
        page.keyboard.press("Enter")
        page.wait_for_function(
            "shown => document.querySelector('#inside .said .asked')?.innerText.startsWith(shown)", arg=shown
        )
        page.wait_for_selector("#inside .why li")
        for i, key in enumerate(KEYS):
            page.locator(f"#inside [data-key=s{i}]").click()
            is_here(page, key)
    assert page.locator("#inside img").count() == 1  # the avatar


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_inside_fits_a_phone(browser: Any, served: Served, scheme: str) -> None:
    phone = open_visit(
        browser, served.address, viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True
    )
    open_inside(phone.page)
    for i, key in enumerate(KEYS):
        phone.page.locator(f"#inside [data-key=s{i}]").tap()
        is_here(phone.page, key)
        assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), key
    assert phone.elsewhere == []
    assert phone.complaints == []
    phone.page.context.close()


@pytest.fixture(scope="module")
def shipped() -> Iterator[str]:
    """The app as it is shipped; its address."""
    from guppylm.ui.page import AppSettings, build_app, launch_options

    page = build_app(AppSettings(models_dir=MODELS, personas_dir=MODELS.parent / "personas"))
    _, address, _ = page.launch(prevent_thread_lock=True, **launch_options())
    yield address.rstrip("/")
    page.close(verbose=False)


@pytest.mark.parametrize("name", sorted(path.parent.name for path in MODELS.glob("*/config.json")))
def test_every_shipped_persona_can_be_looked_into(browser: Any, shipped: str, name: str) -> None:
    visit = open_visit(browser, f"{shipped}/?persona={name}")
    page = visit.page
    open_inside(page)
    if page.locator("#inside select").count():
        page.locator("#inside select").select_option(name)
        page.wait_for_selector("#inside .why li")
    for i, key in enumerate(KEYS):
        page.locator(f"#inside [data-key=s{i}]").click()
        is_here(page, key)
    assert page.locator("#inside .problem").count() == 0
    assert (visit.elsewhere, visit.complaints) == ([], [])
    page.context.close()
