"""Cards, chips and topics are built from strangers' packs: no text of theirs may become markup."""

from __future__ import annotations

from html.parser import HTMLParser

from guppylm.ui.browse import TopicCard, chips_html, pick_prompts, topics_html
from guppylm.ui.cards import cards_html, hello_html
from guppylm.ui.persona import Persona

EVIL = "<img src=x onerror=alert(1)> \"'&amp; ${alert(1)} {{this}}"


class Outline(HTMLParser):
    """Collects tags with their attributes, and the text between."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, **wanted: str) -> list[dict[str, str | None]]:
        return [attrs for _, attrs in self.tags if all(attrs.get(key) == value for key, value in wanted.items())]


def persona(name: str = "lamp", **facts: object) -> Persona:
    return Persona(**{"name": name, "title": name.title(), **facts})


def test_cards_are_one_radio_group_with_one_tab_stop() -> None:
    outline = Outline(cards_html([persona("a"), persona("b"), persona("c")], chosen="b"))
    assert len(outline.all(role="radiogroup")) == 1
    radios = outline.all(role="radio")
    assert [radio["aria-checked"] for radio in radios] == ["false", "true", "false"]
    assert [radio["tabindex"] for radio in radios] == ["-1", "0", "-1"]


def test_an_untrained_persona_shows_the_command() -> None:
    markup = cards_html([persona(state="untrained", problem="No weights.", command="python train.py --persona x")], "")
    assert "not trained yet" in markup
    assert "<code>python train.py --persona x</code>" in markup


def test_a_strangers_words_stay_words() -> None:
    evil = persona(title=EVIL, about=EVIL, state="broken", problem=EVIL, command=EVIL)
    topic = TopicCard(name="t", label=EVIL, about=EVIL, prompts=(EVIL,))
    for markup in (
        cards_html([evil], "lamp"),
        hello_html(evil),
        chips_html([EVIL], ready=True),
        topics_html([topic], title=EVIL, ready=True),
    ):
        outline = Outline(markup)
        assert EVIL in outline.text
        assert all("onerror" not in attrs for _, attrs in outline.tags)
        assert all((attrs.get("src") or "data:").startswith("data:") for _, attrs in outline.tags)


def test_a_chip_sends_exactly_its_words() -> None:
    assert [chip["data-ask"] for chip in Outline(chips_html([EVIL, "hi"], ready=True)).all(**{"class": "chip"})] == [
        EVIL,
        "hi",
    ]


def test_topics_show_a_few_prompts_and_offer_others() -> None:
    topic = TopicCard(name="t", label="tea", about="", prompts=tuple(f"p{n}" for n in range(9)))
    outline = Outline(topics_html([topic], title="Lamp", ready=True))
    chips = outline.all(**{"class": "chip"})
    assert ["hidden" in chip for chip in chips] == [False] * 4 + [True] * 5
    assert len(outline.all(**{"class": "more"})) == 1


def test_without_weights_topics_are_read_only_and_starters_gone() -> None:
    topic = TopicCard(name="t", label="tea", about="", prompts=("p",))
    chips = Outline(topics_html([topic], title="Lamp", ready=False)).all(**{"class": "chip"})
    assert all("disabled" in chip for chip in chips)
    assert chips_html(["hi"], ready=False) == ""
    assert topics_html([], title="Lamp", ready=True) == ""


def test_prompts_come_from_every_scene_and_fit_a_chip() -> None:
    assert pick_prompts([["a1", "x" * 80, "a3"], ["b1", " ", "a3"]]) == ("a1", "b1", "a3")
    assert pick_prompts([["y" * 90, "x" * 80]]) == ("x" * 80, "y" * 90)
    assert pick_prompts([]) == ()


def test_an_empty_house_says_how_to_begin() -> None:
    assert "guppylm new" in cards_html([], "")
    assert hello_html(None) == ""
