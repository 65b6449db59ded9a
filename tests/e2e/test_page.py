"""What a visitor does: pick, click, type, stop, retry, undo, browse; by mouse, by keyboard, on a phone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Served, Visit, open_visit

pytestmark = pytest.mark.browser

MODELS = Path(__file__).parents[2] / "models"


def test_cards_tell_who_is_there_and_what_is_missing(visit: Visit) -> None:
    cards = visit.page.locator("#cards [role=radio]")
    assert cards.count() == 4
    assert cards.first.get_attribute("aria-checked") == "true"
    assert "<b>opinions</b> on ${moths} and {{light}}" in cards.first.inner_text()
    stone = visit.page.locator("#cards [data-name=stone]")
    assert "not trained yet" in stone.inner_text()
    assert "python train.py --persona" in stone.inner_text()
    assert "config" in visit.page.locator("#cards [data-name=half]").inner_text()


def test_a_starter_is_sent_and_answered(visit: Visit) -> None:
    visit.page.locator("#starters .chip", has_text="are you bright").click()
    visit.wait_for_replies(1)
    assert visit.said("user") == ["are you bright"]
    assert "Seed" in visit.page.locator("#note").inner_text()


def test_answers_stand_side_by_side(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("tab", name="Compare").click()
    page.get_by_label("One, with three seeds").check()
    page.wait_for_selector("#compare-one input:checked")
    page.locator("#compare-message textarea").fill("are you <b>bright</b>")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "document.querySelectorAll('#compare-answers .answer').length === 3"
        " && !document.querySelector('#compare-answers .cursor')"
    )
    labels = page.locator("#compare-answers .label").all_inner_texts()
    assert len(set(labels)) == 3
    assert page.locator("#compare-answers .asked").inner_text() == "are you <b>bright</b>"
    page.locator("#compare-message .submit-button").wait_for()
    assert visit.complaints == []


def test_markup_is_text(visit: Visit) -> None:
    visit.send("HELLO <b>x</b> $$x^2$$ **y** &lt;")
    visit.wait_for_replies(1)
    assert visit.said("user") == ["HELLO <b>x</b> $$x^2$$ **y** &lt;"]
    assert visit.page.locator("#chat [data-testid=user] b").count() == 0


def test_silence_is_answered(visit: Visit) -> None:
    visit.send("")
    visit.wait_for_replies(1)
    assert visit.said("user") == ["(silence)"]


@pytest.fixture
def slowly(visit: Visit, served: Served) -> Iterator[None]:
    """Gives the test all the time it needs before a reply is over."""
    for chat in served.chats:
        chat.seconds *= 8
    yield
    for chat in served.chats:
        chat.seconds /= 8


@pytest.mark.usefixtures("slowly")
def test_the_reply_streams(visit: Visit) -> None:
    visit.send("hello")
    visit.page.wait_for_selector("#message .stop-button")
    lengths = set()
    while len(lengths) <= 3 and visit.page.locator("#message .stop-button").is_visible():
        lengths.add(sum(map(len, visit.said("bot"))))
        time.sleep(0.05)
    assert len(lengths) > 3


@pytest.mark.usefixtures("slowly")
def test_stop_stops(visit: Visit, served: Served) -> None:
    visit.send("tell me everything")
    visit.page.wait_for_function("document.querySelector('#chat [data-testid=bot]')?.innerText.length > 3")
    visit.page.locator("#message .stop-button").click()
    visit.page.wait_for_selector("#message .submit-button")
    visit.page.wait_for_function("document.querySelector('#note').innerText.startsWith('Stopped')")
    assert not visit.page.get_by_text("Error", exact=True).is_visible()
    time.sleep(0.5)
    chat = served.chats[-1]
    n_tokens, n_closed, said = chat.n_tokens, chat.n_closed, visit.said("bot")
    time.sleep(1)
    assert chat.n_tokens == n_tokens  # nobody computes what nobody waits for
    assert n_closed > 0
    assert visit.said("bot") == said
    chat.seconds = 0
    visit.send("go on")
    visit.wait_for_replies(2)
    chat.seconds = 0.32


def test_retry_answers_again_and_undo_takes_back(visit: Visit) -> None:
    visit.send("one")
    visit.wait_for_replies(1)
    visit.send("two")
    visit.wait_for_replies(2)
    first, second = visit.said("bot")
    visit.page.locator("#chat button[aria-label=Retry]").last.click()
    visit.page.wait_for_selector("#message .stop-button")
    visit.wait_for_replies(2)
    assert visit.said("user") == ["one", "two"]
    assert visit.said("bot")[0] == first
    assert visit.said("bot")[1] != second
    visit.page.locator("#chat button[aria-label=Undo]").last.click()
    visit.page.wait_for_function("document.querySelectorAll('#chat [data-testid=user]').length === 1")
    assert visit.page.locator("#message textarea").input_value() == "two"


def test_a_fixed_seed_repeats_a_reply(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Settings").click()
    visit.page.wait_for_selector("#seed input")
    time.sleep(0.5)
    visit.page.locator("#new-seed input").uncheck()
    visit.page.locator("#seed input").fill("42")
    visit.page.locator("#seed input").press("Tab")
    for n in (1, 2):
        visit.send("are you warm")
        visit.wait_for_replies(n)
    first, second = visit.said("bot")
    assert first == second
    assert "Seed 42" in visit.page.locator("#note").inner_text()


def test_settings_reach_the_model_and_come_back(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Settings").click()
    visit.page.wait_for_selector("#temperature input[type=number]")
    time.sleep(0.5)  # a hand takes longer than that, and the first paint of the fields undoes what is typed in it
    temperature = visit.page.locator("#temperature input[type=number]")
    temperature.fill("0")
    temperature.press("Tab")
    visit.page.wait_for_function("document.querySelector('#temperature input[type=range]').value === '0'")
    for n in (1, 2):  # at temperature 0 even new seeds say the same
        visit.send("are you warm")
        visit.wait_for_replies(n)
    first, second = visit.said("bot")
    assert first == second
    visit.page.locator("#defaults").click()
    visit.page.wait_for_function("document.querySelector('#temperature input[type=number]').value === '0.7'")


def test_topics_open_turn_and_send(visit: Visit) -> None:
    topic = visit.page.locator("#topics .topic", has_text="being bright")
    topic.locator("summary").click()
    shown = topic.locator(".chip:visible").all_inner_texts()
    assert len(shown) == 4
    topic.locator(".more").click()
    others = topic.locator(".chip:visible").all_inner_texts()
    assert not set(shown) & set(others)
    topic.locator(".chip:visible").first.click()
    visit.wait_for_replies(1)
    assert visit.said("user") == [others[0]]


def test_the_report_card_opens_in_place(visit: Visit) -> None:
    report = visit.page.locator("#report")
    assert "on topic 91\xa0%" in report.locator("summary").inner_text()
    assert "misses 3 of 13 bars" in report.locator("summary").inner_text()
    assert not report.locator("table").is_visible()
    report.locator("summary").focus()
    visit.page.keyboard.press("Enter")
    typo = report.locator("tr", has_text="lost by a typo").inner_text()
    assert typo.split() == ["lost", "by", "a", "typo", "6.9", "pts", "missed", "≤", "5", "pts"]
    assert "12,345 replies" in report.inner_text()
    assert [worst.split() for worst in report.locator("li").all_inner_texts()] == [
        ["dark", "50", "%"],
        ["being", "bright", "75", "%"],
    ]
    visit.page.locator("#cards [data-name=stone]").click(position={"x": 20, "y": 20})
    visit.page.wait_for_selector("#report", state="hidden")


def test_a_persona_without_weights_says_how_to_train_it(visit: Visit) -> None:
    visit.send("hello")
    visit.wait_for_replies(1)
    visit.page.locator("#cards [data-name=stone]").click(position={"x": 20, "y": 20})
    visit.page.wait_for_selector("#hello .untrained code")
    assert visit.said("user") == []
    assert visit.page.locator("#message textarea").is_disabled()
    assert visit.page.locator("#starters .chip").count() == 0
    visit.page.locator("#cards [data-name=lamp]").click(position={"x": 20, "y": 20})
    visit.page.wait_for_selector("#chat [data-testid=user]")  # what was said to it is still there
    assert visit.said("user") == ["hello"]
    assert visit.page.locator("#message textarea").is_enabled()


@pytest.mark.usefixtures("slowly")
def test_leaving_in_the_middle_of_a_reply_is_harmless(visit: Visit) -> None:
    visit.send("tell me everything")
    visit.page.wait_for_function("document.querySelector('#chat [data-testid=bot]')?.innerText.length > 3")
    visit.page.locator("#cards [data-name=torn]").click(position={"x": 20, "y": 20})
    visit.page.wait_for_selector("#hello .broken")
    visit.page.locator("#cards [data-name=lamp]").click(position={"x": 20, "y": 20})
    visit.page.wait_for_selector("#chat [data-testid=bot]")
    visit.page.wait_for_selector("#message .submit-button")
    assert len(visit.said("user")) == 1


def test_all_of_it_works_from_the_keyboard(visit: Visit) -> None:
    page = visit.page
    page.locator("#cards [data-name=lamp]").focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("#cards [data-name=stone][aria-checked=true]")
    page.keyboard.press("ArrowUp")
    page.wait_for_selector("#cards [data-name=lamp][aria-checked=true]")
    page.wait_for_selector("#topics .topic")
    assert page.evaluate("document.activeElement.dataset.name") == "lamp"
    page.locator("#starters .chip").first.focus()
    page.keyboard.press("Enter")
    visit.wait_for_replies(1)
    page.locator("#topics summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#topics .topic[open]").count() == 1
    outline = page.locator("#topics summary").first.evaluate("e => getComputedStyle(e).outlineStyle")
    assert outline == "solid"


def test_a_long_message_is_cut_and_the_page_says_so(visit: Visit) -> None:
    visit.send("the moth came at one. " * 60)
    visit.wait_for_replies(1)
    note = visit.page.locator("#note").inner_text()
    assert not note.startswith("Seed")
    assert "Seed" in note


def test_what_it_can_see_is_said(visit: Visit) -> None:
    assert visit.page.locator("#sees").inner_text() == (
        "Lamp answers your last message only: it was raised on single exchanges."
    )


def test_a_new_chat_begins_empty(visit: Visit) -> None:
    visit.send("hello")
    visit.wait_for_replies(1)
    visit.page.locator("#chat button[aria-label=Clear]").click()
    visit.page.wait_for_function("!document.querySelector('#chat [data-testid=user]')")
    assert visit.page.locator("#hello").is_visible()
    visit.send("and again")
    visit.wait_for_replies(1)


def test_visitors_do_not_see_each_other(visit: Visit, browser: Any, served: Served) -> None:
    other = open_visit(browser, served.address)
    visit.send("my secret")
    other.send("something else")
    visit.wait_for_replies(1)
    other.wait_for_replies(1)
    assert visit.said("user") == ["my secret"]
    assert other.said("user") == ["something else"]
    other.page.context.close()


def test_an_address_can_name_the_persona(browser: Any, served: Served) -> None:
    other = open_visit(browser, f"{served.address}/?persona=stone")
    assert other.page.locator("#cards [data-name=stone]").get_attribute("aria-checked") == "true"
    other.page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_all_without_sideways_scrolling(browser: Any, served: Served, scheme: str) -> None:
    phone = open_visit(
        browser, served.address, viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True
    )
    phone.send("hello from a phone, with words enough to fill more than just one line of it")
    phone.wait_for_replies(1)
    phone.page.locator("#report summary").click()
    assert phone.page.locator("#report table").is_visible()
    assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for wanted in (
        "#cards [data-name=lamp]",
        "#message .submit-button",
        "#starters .chip",
        "#topics summary",
        "#report summary",
        "#report table",
    ):
        box = phone.page.locator(wanted).first.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert box["height"] >= 36
    assert phone.elsewhere == []
    assert phone.complaints == []
    phone.page.context.close()


def test_light_and_dark_can_be_switched_and_are_remembered(visit: Visit) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = visit.page.evaluate(paper)
    visit.page.locator("#light button").click()
    assert visit.page.evaluate(paper) != light
    visit.page.reload()
    visit.page.wait_for_selector("#topics .topic", state="attached")
    assert visit.page.evaluate(paper) != light


CONTRAST = """
() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const style = getComputedStyle(e), stops = style.backgroundImage.match(/rgb\\([^)]*\\)/g);
      if (stops && style.backgroundImage.startsWith("linear")) return stops.map(parse);
      const colour = parse(style.backgroundColor);
      if (colour.length < 4 || colour[3] > .99) return [colour];
    }
    return [[255, 255, 255]];
  };
  const weak = [];
  for (const e of document.querySelectorAll("#desk *, #top *")) {
    const says = [...e.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!says || !e.offsetParent || e.closest("[hidden], :disabled, svg, .sr-only")) continue;
    for (const back of behind(e)) {
      const [a, b] = [light(parse(getComputedStyle(e).color)), light(back)].sort((x, y) => y - x);
      const ratio = (a + .05) / (b + .05);
      if (ratio < 4.5) weak.push(`${ratio.toFixed(2)} ${e.tagName}.${e.className} ${e.textContent.trim()}`);
    }
  }
  return weak;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast_enough(browser: Any, served: Served, scheme: str) -> None:
    other = open_visit(browser, served.address, color_scheme=scheme)
    other.send("hello")
    other.wait_for_replies(1)
    other.page.locator("#topics summary").first.click()
    other.page.locator("#report summary").click()
    other.page.get_by_role("button", name="Settings").click()
    other.page.wait_for_selector("#defaults")
    assert other.page.evaluate(CONTRAST) == []
    other.page.context.close()


@pytest.mark.skipif(not MODELS.is_dir() or not any(MODELS.iterdir()), reason="no bundle is shipped in models/")
def test_the_shipped_personas_talk(browser: Any) -> None:
    from guppylm.ui.page import AppSettings, build_app, launch_options

    root = MODELS.parent
    page = build_app(AppSettings(models_dir=MODELS, personas_dir=root / "personas"))
    _, address, _ = page.launch(prevent_thread_lock=True, **launch_options())
    try:
        visit = open_visit(browser, address.rstrip("/"))
        visit.page.locator("#starters .chip").first.click()
        visit.wait_for_replies(1)
        visit.send("HELLO <b>x</b>")
        visit.wait_for_replies(2)
        assert visit.said("user")[1] == "HELLO <b>x</b>"
        assert all(len(reply) > 1 for reply in visit.said("bot"))
        assert visit.elsewhere == []
        assert visit.complaints == []
        visit.page.context.close()
    finally:
        page.close(verbose=False)
