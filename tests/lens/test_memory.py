"""What is called word for word, a mix, or new, and the rows that are pointed at."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from guppylm.lens.learning import learning
from guppylm.lens.memory import MIN_RUN, Rows, remember, rows_of
from guppylm.model import Tokenizer
from guppylm.packs.generate import Conversation, generate
from guppylm.packs.load import load_pack
from guppylm.packs.place import Place

SAID = [
    "the lamp is warm and the moth is glad tonight.",
    "i like the dark and the moth is glad tonight because of me.",
    "the rain came at nine and went home again by ten.",
]


def row(text: str, number: int) -> Conversation:
    line = Place(file="lamp/topics/light.yaml", line=number)
    return Conversation(
        input="hi", output=text, category="light", set="train", clean="hi", scene=0, ask_lines=(line,),
        reply_lines=(line,), words=(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([*SAID * 4, "a fox walks by"], vocab_size=400)


@pytest.fixture(scope="module")
def rows(tokenizer: Tokenizer) -> Rows:
    return Rows("light", [row(text, number) for number, text in enumerate(SAID, start=1)], tokenizer)


def said(text: str, tokenizer: Tokenizer) -> SimpleNamespace:
    """As much of an Inside as memory looks at."""
    ids = [*tokenizer.encode(text), tokenizer.end_id]
    reply = SimpleNamespace(text=text, steps=[SimpleNamespace(id=id) for id in ids])
    return SimpleNamespace(bundle=SimpleNamespace(tokenizer=tokenizer), reply=reply)


def test_a_training_reply_is_word_for_word(rows, tokenizer):
    for text in SAID:
        found = remember(said(text, tokenizer), rows)
        assert found.verdict == "word for word"
        assert len(found.runs) == 1
        assert found.runs[0].row.output == text
        assert found.nearest[0].row.output == text
        assert found.nearest[0].share == 1


def test_two_known_halves_are_a_mix(rows, tokenizer):
    found = remember(said("the lamp is warm and the moth is glad tonight because of me.", tokenizer), rows)
    assert found.verdict == "mix"
    assert not found.unknown
    assert [run.row.output for run in found.runs] == [SAID[0], SAID[1]]
    assert found.runs[0].start == 0
    assert found.runs[1].end == len(tokenizer.encode("the lamp is warm and the moth is glad tonight because of me."))


def test_part_of_a_training_reply_is_no_training_reply(rows, tokenizer):
    assert remember(said("the moth is glad tonight because", tokenizer), rows).verdict == "mix"


def test_a_word_of_its_own_makes_it_new(rows, tokenizer):
    text = "the lamp is warm and the fox walks at nine and went home again"
    found = remember(said(text, tokenizer), rows)
    ids = tokenizer.encode(text)
    assert found.verdict == "new"
    own = tokenizer.decode([ids[at] for at in found.unknown])
    assert "walks" in own
    assert "lamp" not in own
    for run in found.runs:
        assert run.end - run.start >= MIN_RUN
        assert tokenizer.decode(ids[run.start : run.end]).strip() in run.row.output


def test_nothing_said_is_nothing_remembered(rows, tokenizer):
    found = remember(said("", tokenizer), rows)
    assert (found.verdict, found.runs, found.unknown) == ("new", (), ())


def test_what_is_shared_stands_in_both(rows, tokenizer):
    text = "the rain came at nine and i like the dark"
    for near in remember(said(text, tokenizer), rows).nearest:
        for start, end in near.shared:
            assert near.row.output[start:end] in text
        assert 0 <= near.share <= 1


def test_the_rows_of_a_topic_are_made_again(tmp_path):
    from tests.ui.stage import set_stage

    stage = set_stage(tmp_path)
    pack = load_pack(stage.personas_dir / "lamp")
    tokenizer = Tokenizer.train(["are you bright", "i am warm"] * 3, vocab_size=300)
    all_rows = [row for row in generate(pack, n_rows=400, seed=3).train if row.category == "light"]
    again = rows_of(pack, "light", tokenizer, n_rows=400, seed=3)
    assert set(again.replies) == {row.output for row in all_rows}
    assert again.n_rows == len(all_rows)


def test_frames_that_make_no_sense_are_left_out():
    good = {"step": 3, "n_tokens": 10, "loss": 2.5, "replies": [{"prompt": "hi", "reply": "<b>hello</b>"}]}
    start = {**good, "step": 0, "loss": None}
    bad = [None, 3, {}, {**good, "replies": 7}, {**good, "step": "x"}, {**good, "loss": float("nan")}]
    curve = [{"step": 0, "loss": None, "held_out_loss": 8.3}, {"step": 5, "loss": 2.0, "held_out_loss": None}, 7, {}]
    found = learning([good, *bad, start], {"curve": curve}, vocab_size=4096)
    assert [frame.step for frame in found.frames] == [0, 3]
    assert found.curve == ((5, 2.0),)
    assert found.held_out == ((0, 8.3),)
    assert found.knows_nothing == pytest.approx(8.3177661)
    assert learning("nonsense", {"curve": 3}, vocab_size=10).frames == ()
