"""What a maker does in the page: begin, write, see, train, talk, take away; two of them at once; on a phone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Served, Visit, open_visit

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
FIRST_REPLY = 90_000  # milliseconds: a smoke training takes a quarter of a minute, on a busy machine longer


def begin(visit: Visit, name: str) -> None:
    page = visit.page
    page.get_by_role("tab", name="Make").click()
    page.locator("#make-name").get_by_role("textbox").fill(name)
    page.locator("#make-begin").click()
    page.wait_for_function("name => document.querySelector('#make-begun')?.innerText.startsWith(name)", arg=name)
    page.wait_for_selector("#make-editor .cm-line")


def write(visit: Visit, text: str) -> None:
    """Put the cursor at the end of the file and type."""
    visit.page.locator("#make-editor .cm-content").click()
    visit.page.keyboard.press("Control+End")
    visit.page.keyboard.insert_text(text)


def add_topic(visit: Visit, name: str, asks: str, replies: str) -> None:
    page = visit.page
    if not page.locator("#make-asks textarea").is_visible():
        page.locator("#make-topic button").first.click()
    page.wait_for_selector("#make-asks textarea", state="visible")
    page.locator("#make-topic-name").get_by_role("textbox").fill(name)
    page.locator("#make-asks textarea").fill(asks)
    page.locator("#make-replies textarea").fill(replies)
    page.locator("#make-add").click()
    page.wait_for_selector("#make-added p")


def train(visit: Visit) -> None:
    visit.page.get_by_label("smoke, to see that it works").check()
    visit.page.locator("#make-train").click()


def download(visit: Visit, button: str, target: Path) -> Path:
    with visit.page.expect_download() as found:
        visit.page.locator(button).click()
    found.value.save_as(target)
    return target


def test_from_a_template_to_a_persona_of_ones_own(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    begin(visit, "zebra")
    add_topic(visit, "stripes", "how many stripes\nwhy stripes", "forty two. i counted <b>twice</b>.")
    assert page.locator("#make-file").get_by_role("textbox").or_(
        page.locator("#make-file input")
    ).first.input_value() == ("topics/stripes.yaml")
    write(visit, "\n  - the <gest> knows")
    page.wait_for_function("document.querySelector('#make-findings').innerText.includes('topics/stripes.yaml:8')")
    assert "1 mistake" in page.locator("#make-findings").inner_text()
    page.locator("#make-train").click()
    page.wait_for_selector("#make-live .findings")  # a pack with a mistake is not trained
    write(visit, "")
    for _ in range(len("\n  - the <gest> knows")):
        page.keyboard.press("Backspace")
    page.wait_for_function("document.querySelector('#make-findings').innerText.includes('No mistakes')")
    page.locator("#make-draw").click()
    page.wait_for_function("document.querySelectorAll('#make-samples .sample').length === 50")
    page.locator("#make-data").click()
    page.wait_for_function("document.querySelector('#make-samples').innerText.includes('different pairs')")
    train(visit)
    page.wait_for_selector("#make-live progress")
    page.reload()  # what was begun goes on
    page.wait_for_selector("#cards [role=radio]")
    page.get_by_role("tab", name="Make").click()
    page.wait_for_function("document.querySelector('#make-begun')?.innerText.includes('zebra is still here')")
    page.wait_for_selector("#make-message textarea", timeout=FIRST_REPLY, state="visible")
    assert page.locator("#make-live .curve").count() == 1
    page.locator("#make-message textarea").fill("how many <b>stripes</b>")
    page.keyboard.press("Enter")
    page.wait_for_function("(document.querySelector('#make-said .said p:last-child')?.innerText.length ?? 0) > 3")
    assert page.locator("#make-said b").count() == 0
    pack = download(visit, "#make-pack", tmp_path / "zebra.zip")
    bundle = download(visit, "#make-bundle", tmp_path / "bundle.zip")
    stripes = zipfile.ZipFile(pack).read("zebra/topics/stripes.yaml").decode()
    assert "how many stripes" in stripes
    assert "gest" not in stripes
    zipfile.ZipFile(bundle).extractall(tmp_path / "models")
    commands = (
        ["train.py", "--persona", str(pack), "--out", str(tmp_path / "again"), "--preset", "smoke", "--steps", "2"],
        ["-m", "guppylm", "chat", str(tmp_path / "models" / "zebra"), "--prompt", "hello", "--seed", "1"],
    )
    for command in commands:
        done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    from guppylm.ui.shelf import Shelf

    assert Shelf(models_dir=tmp_path / "models", personas_dir=tmp_path).persona("zebra").ready


def test_two_makers_at_once_do_not_meet(visit: Visit, browser: Any, served: Served) -> None:
    other = open_visit(browser, served.address)
    begin(visit, "heron")
    begin(other, "newt")
    add_topic(visit, "secrets", "what do you know", "only mine.")
    train(visit)
    train(other)
    for one in (visit, other):
        one.page.wait_for_selector("#make-message textarea", timeout=2 * FIRST_REPLY, state="visible")
    other.page.locator("#make-file input").click()
    assert "topics/secrets.yaml" not in other.page.locator("#make-file").inner_text()
    assert other.complaints == []
    other.page.context.close()


def test_stop_keeps_and_the_button_trains_again(visit: Visit) -> None:
    page = visit.page
    begin(visit, "otter")
    page.locator("#make-train").click()  # 3m: long enough to be stopped
    page.wait_for_function("/Step \\d/.test(document.querySelector('#make-live').innerText)", timeout=FIRST_REPLY)
    page.locator("#make-stop").click()
    page.wait_for_function("document.querySelector('#make-live').innerText.includes('Stopped')", timeout=FIRST_REPLY)
    page.wait_for_selector("#make-message textarea", state="visible")
    assert page.locator("#make-train").is_enabled()
    assert page.locator("#make-stop").is_disabled()


def test_a_zip_that_is_none_is_refused_in_the_page(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    begin(visit, "stork")
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"not a zip")
    page.locator("#make-source input").click()
    page.get_by_role("option", name="a pack in a zip file").click()
    page.wait_for_selector("#make-upload input[type=file]", state="attached")
    page.locator("#make-upload input[type=file]").set_input_files(str(bad))
    page.wait_for_function("document.querySelector('#make-upload').innerText.includes('bad')")
    page.locator("#make-begin").click()
    page.wait_for_function("document.querySelector('#make-begun').innerText.includes('not a zip file')")
    assert page.locator("#make-editor .cm-line").count() > 3  # what was on the bench is still there
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_making_fits_a_phone(browser: Any, served: Served, scheme: str) -> None:
    phone = open_visit(
        browser, served.address, viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True
    )
    begin(phone, "snipe")
    phone.page.locator("#make-draw").tap()
    phone.page.wait_for_selector("#make-samples .sample")
    assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for wanted in ("#make-editor", "#make-train", "#make-pack", "#make-begin"):
        box = phone.page.locator(wanted).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    assert (phone.elsewhere, phone.complaints) == ([], [])
    phone.page.context.close()
