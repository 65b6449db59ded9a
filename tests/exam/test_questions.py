"""What the examination asks, and that it keeps its two halves apart."""

from pathlib import Path

import pytest

from guppylm.exam.questions import WORSE, halves, papers, with_a_typo, without_marks
from guppylm.packs.generate import generate
from guppylm.packs.load import load_pack
from guppylm.packs.normalise import normalise

PERSONAS = Path(__file__).parents[2] / "personas"


@pytest.fixture(scope="module")
def lamp(tmp_path_factory):
    return load_pack(write_lamp(tmp_path_factory.mktemp("personas")))


def write_lamp(folder):
    """Write a pack with two topics, a fallback and an examination."""
    files = {
        "persona.yaml": """
            format: persona/1
            name: Lamp
            about: a lamp
            fallback: unknown
            identity: [who]
            voice: {case: lower, max_words: 12, forbid: [as an ai]}
            """,
        "topics/who.yaml": """
            words: {thing: [a lamp, a light, a lantern, a bulb, a candle]}
            ask: [who are you, what are you]
            ask_: []
            """,
        "exam.yaml": """
            who: ["Who is THERE, then?", "say, what might you be", "tell me who this is", "your name please"]
            oil: ["is your tank full?", "Thirsty for oil...", "need a refill, lamp?"]
            _unknown: ["what is 2 + 2", "sing in latin", "🙂"]
            """,
    }
    files["topics/who.yaml"] = """
        words: {thing: [a lamp, a light, a lantern, a bulb, a candle]}
        ask:
          - (who|what) are you
          - are you <thing>
          - (hello|hey), are you <thing> (today|tonight)
        held_out:
          - say what you are
        reply:
          - i am a lamp. (i glow|i shine|i hum).
          - yes, <thing>(, i think|, mostly|).
        """
    files["topics/oil.yaml"] = """
        ask:
          - do you (want|need|like) (oil|some oil|a drop of oil)
          - (oil|more oil)
        held_out:
          - have some oil
        reply:
          - oil is (good|warm|my supper)(, thank you|, please|).
          - (pour|drip) it (slowly|gently).
        """
    files["topics/unknown.yaml"] = """
        ask:
          - what is <1..9> plus <1..9>
        held_out:
          - add <1..2> and <1..2>
        reply:
          - i only know (light|dark|oil)(, sorry|).
          - that is (too far|not near|past the edge) of my light.
        """
    from textwrap import dedent

    pack = folder / "lamp"
    for name, text in files.items():
        (pack / name).parent.mkdir(parents=True, exist_ok=True)
        (pack / name).write_text(dedent(text).lstrip(), encoding="utf-8")
    return pack


def test_messages_of_a_topic_take_sides_in_turn():
    practice, final = halves({"food": ["a", "b", "c"], "_unknown": ["x", "y"]})
    assert practice == [("food", "a"), ("food", "c"), ("_unknown", "x")]
    assert final == [("food", "b"), ("_unknown", "y")]


def test_every_paper_asks_what_its_name_says(lamp):
    asked = papers(lamp, generate(lamp, n_rows=60), n_rows=5)
    assert [(q.text, q.topic) for q in asked["final"]] == [
        ("say, what might you be", "who"),
        ("your name please", "who"),
        ("Thirsty for oil...", "oil"),
    ]
    assert [q.text for q in asked["capitals"]] == ["SAY, WHAT MIGHT YOU BE", "YOUR NAME PLEASE", "THIRSTY FOR OIL..."]
    assert [q.text for q in asked["no punctuation"]][2] == "Thirsty for oil"
    assert [(q.text, q.topic) for q in asked["unknown"]] == [("sing in latin", "unknown")]
    assert {q.topic for q in asked["identity"]} == {"who"}
    assert all(len(asked[name]) <= 5 and all(q.row for q in asked[name]) for name in ("held_out", "seen", "noisy"))


def test_other_questions_are_all_asked(lamp):
    asked = papers(lamp, generate(lamp, n_rows=60), n_rows=5, exam={"oil": ["one", "two"]})
    assert [q.text for q in asked["final"]] == ["one", "two"]
    assert "practice" not in asked
    assert "unknown" not in asked


@pytest.mark.parametrize("text", ["", "?", "🙂", "ok", "are you hungry?", "WHY SO SAD", "你好吗？", "don't stop now..."])
def test_worse_spelling_is_the_same_each_time_and_never_fails(text):
    for worse in WORSE.values():
        assert worse(text) == worse(text)
    assert without_marks(text).isascii() == text.replace("？", "").isascii()


def test_a_typo_changes_one_word():
    before, after = "where does the little snail sleep", with_a_typo("where does the little snail sleep")
    assert sum(a != b for a, b in zip(before.split(), after.split(), strict=True)) <= 1
    assert any(with_a_typo(f"please swim {i} rounds quickly") != f"please swim {i} rounds quickly" for i in range(9))


NAMES = sorted(p.parent.name for p in PERSONAS.glob("*/exam.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_an_examination_is_large_enough_and_none_of_it_is_trained(name):
    pack = load_pack(name, personas_dir=PERSONAS)
    assert set(pack.topics) - {pack.fallback} <= set(pack.exam)
    assert all(len(texts) >= 8 for texts in pack.exam.values())
    assert len(pack.exam["_unknown"]) >= 120
    asked = {normalise(text) for texts in pack.exam.values() for text in texts} - {""}
    trained = {normalise(row.input) for row in generate(pack, n_rows=60_000, seed=5).train}
    assert not asked & trained
