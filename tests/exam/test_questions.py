"""What the examination asks, and that it keeps its two halves apart."""

from pathlib import Path

import pytest

from guppylm.exam.questions import WORSE, halves, papers, with_a_typo, without_marks
from guppylm.packs.generate import generate
from guppylm.packs.load import load_pack
from guppylm.packs.normalise import normalise

PERSONAS = Path(__file__).parents[2] / "personas"


def test_messages_of_a_topic_take_sides_in_turn():
    practice, final = halves({"food": ["a", "b", "c"], "_unknown": ["x", "y"]})
    assert practice == [("food", "a"), ("food", "c"), ("_unknown", "x")]
    assert final == [("food", "b"), ("_unknown", "y")]


def test_every_paper_asks_what_its_name_says(lamp, rows):
    asked = papers(lamp, rows, n_rows=5)
    assert [(q.text, q.topic) for q in asked["final"]] == [
        ("say, what might you be", "who"),
        ("your name please", "who"),
        ("Thirsty for oil...", "oil"),
    ]
    assert [q.text for q in asked["capitals"]] == ["SAY, WHAT MIGHT YOU BE", "YOUR NAME PLEASE", "THIRSTY FOR OIL..."]
    assert [(q.text, q.of) for q in asked["no punctuation"]] == [("say what might you be", 0), ("Thirsty for oil", 2)]
    assert [(q.text, q.topic) for q in asked["unknown"]] == [("sing in latin", "unknown")]
    assert all(len(asked[name]) <= 5 and all(q.row for q in asked[name]) for name in ("held_out", "seen", "noisy"))


def test_other_questions_are_all_asked(lamp, rows):
    asked = papers(lamp, rows, n_rows=5, exam={"oil": ["one", "two"]})
    assert [q.text for q in asked["final"]] == ["one", "two"]
    assert "practice" not in asked
    assert "unknown" not in asked


@pytest.mark.parametrize(
    "text", ["", "?", "🙂", "ok", "are you hungry?", "WHY SO SAD", "你好吗？", "don't stop now..."]
)
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
    assert len(pack.exam["_unknown"]) >= 50  # each half then tells the rate to four points
    asked = {normalise(text) for texts in pack.exam.values() for text in texts} - {""}
    trained = {normalise(row.input) for row in generate(pack, n_rows=60_000, seed=5).train}
    assert not asked & trained
