"""README keeps its word: the Space's front matter is accepted, links lead somewhere, the transcript really happened."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FRONT = yaml.safe_load(README.split("---")[1])
COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
KNOWN_KEYS = {
    *("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file"),
    *("short_description", "license", "pinned", "tags"),
}


def test_the_front_matter_is_what_a_space_accepts():
    assert set(FRONT) == KNOWN_KEYS
    assert FRONT["sdk"] == "gradio"
    assert (ROOT / FRONT["app_file"]).is_file()
    assert FRONT["colorFrom"] in COLORS
    assert FRONT["colorTo"] in COLORS
    assert len(FRONT["short_description"]) <= 60
    assert FRONT["python_version"] == "3.12"  # as text: 3.10 would else become 3.1


def test_the_space_uses_a_gradio_that_requirements_allow():
    requirement = re.search(r"^gradio>=([\d.]+),<(\d+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    version = tuple(map(int, FRONT["sdk_version"].split(".")))
    assert tuple(map(int, requirement[1].split("."))) <= version < (int(requirement[2]),)


@pytest.mark.parametrize("name", ["README.md", "personas/README.md", "docs/benchmarks.md", "docs/log.md"])
def test_links_lead_somewhere(name):
    path = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_the_transcript_really_happened():
    from guppylm import Bundle, Chat

    block = re.search(r"<!-- transcript: .*?--seed (\d+) -->\s*```text\n(.*?)```", README, re.DOTALL)
    chat = Chat(Bundle.load(ROOT / "models" / "guppy"))
    talk = re.findall(r"^you> (.*)\nguppy> (.*)$", block[2], re.MULTILINE)
    assert len(talk) >= 5
    for message, reply in talk:
        assert chat.reply(message, seed=int(block[1])).text == reply


def test_the_report_card_is_the_one_in_the_bundle():
    import json

    from guppylm.exam.report import as_table

    folder = ROOT / "models" / "guppy"
    report = json.loads((folder / "exam.json").read_text(encoding="utf-8"))
    assert report["weights"] == json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["digests"]["weights"]
    shown = re.search(r"<!-- exam -->\n(.*?)\n<!-- /exam -->", README, re.DOTALL)[1]
    assert shown.strip() == as_table(report)
    assert as_table(report) in (folder / "README.md").read_text(encoding="utf-8")


def test_the_example_of_a_topic_is_a_topic():
    from guppylm.packs.schema import TopicFile

    block = re.search(r"```yaml\n(about: .*?)```", README, re.DOTALL)[1]
    TopicFile.model_validate(yaml.safe_load(block))
