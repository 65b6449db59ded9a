"""Scripts that put no spaces between words: nothing may depend on spaces, and noise has to look like theirs."""

from __future__ import annotations

import random

import pytest

from guppylm.exam.voice import broken_rule, loops
from guppylm.packs.noise import Typist
from guppylm.packs.normalise import normalise
from guppylm.packs.overlap import shared_texts
from guppylm.packs.pack import Noise, Voice
from guppylm.packs.recognise import ManyRecogniser, Recogniser
from tests.packs.grammars import bind
from tests.packs.packs import check_files, codes

SAME = ["早上好，咪咪", "早上好咪咪", "早上好 咪咪！", " 早上好、咪咪。", "早 上 好 咪 咪"]


def test_a_comma_or_a_space_makes_no_other_text():
    assert len(set(map(normalise, SAME))) == 1
    assert normalise("我用iPhone，你呢") == normalise("我用 iphone 你呢")
    assert normalise("おはよう、みみ") == normalise("おはようみみ")
    assert normalise("สวัสดี ครับ") == normalise("สวัสดีครับ")
    assert normalise("が") != normalise("か")
    assert normalise("안녕 미미") != normalise("안녕미미")  # Korean does put spaces


@pytest.mark.parametrize("text", SAME)
def test_texts_are_recognised_however_their_lines_are_cut(text):
    for line in ("早上好，(咪咪|老板)", "(早上|晚上)好(，|)咪咪", "(早上好|再见) <x>"):
        tree = bind(line, words={"x": ["咪咪", "老板"]})
        assert Recogniser(text).fits(tree)
        assert ManyRecogniser([text, "别的"]).found(tree) == [text]


def test_lines_that_differ_by_a_comma_are_one_prompt():
    trees = {"a": bind("(早上|晚上)好，咪咪"), "b": bind("晚上好(啊|)咪咪"), "c": bind("用iphone(吗|)")}
    [(text, owners)] = shared_texts(trees)
    assert (text.replace(" ", ""), owners) == ("晚上好咪咪", ("a", "b"))


def test_a_held_out_line_leaks_through_a_comma(tmp_path):
    report = check_files(tmp_path, {"topics/food.yaml": "ask: 饿了吗咪咪\nheld_out: 饿了吗，咪咪\nreply: 饿\n"})
    assert "E150" in codes(report)


def test_forbidden_words_are_found_inside_a_sentence(tmp_path):
    persona = "format: persona/1\nname: M\nabout: m\nfallback: food\nvoice: {forbid: [人工智能]}\n"
    report = check_files(
        tmp_path, {"persona.yaml": persona, "topics/food.yaml": "ask: 谁\nreply: 我是人工(智能|湖)啊\n"}
    )
    assert codes(report) == ["E151"]
    assert broken_rule("我是人工智能啊", Voice(forbid=("人工智能",))) == "says 人工智能"
    assert not broken_rule("我是人工湖", Voice(forbid=("人工智能",)))


@pytest.mark.parametrize(
    ("reply", "is_loop"),
    [
        ("哈哈哈哈哈哈，好", False),
        ("喵喵喵喵。", False),
        ("研究研究，再说。", False),
        ("我先吃饭再睡觉我先吃饭再睡觉", False),
        ("我先吃饭，再睡觉。我先吃饭，再睡觉。", True),
        ("好吃好吃好吃好吃好吃", True),
        ("喵" * 12, True),
    ],
)
def test_laughing_is_no_loop(reply, is_loop):
    assert loops(reply) == is_loop


def typed(kind: str, prompt: str, **short: tuple[str, ...]) -> set[str]:
    noise = Noise(**{**dict.fromkeys(("keep", "case", "marks", "typo", "short", "around"), 0), kind: 100})
    return {Typist(noise, short, random.Random(seed)).mistype(prompt, kind) for seed in range(200)}


def test_marks_are_those_of_the_script():
    endings = {text.removeprefix("你饿了吗")[:1] for text in typed("marks", "你饿了吗")}
    assert {"？", "！", "。"} <= endings
    assert typed("case", "你饿了吗") - {"你饿了吗"}  # without capitals, another mark


def test_fingers_slip_in_a_sentence_with_marks():
    found = typed("typo", "你好，今天饿了吗？")
    assert len(found) > 10
    assert all("，" in text and text.endswith("？") for text in found)


def test_short_spellings_are_found_inside_a_sentence():
    assert typed("short", "你怎么不喜欢我", 怎么=("肿么",), 喜欢=("稀饭",)) == {
        "你肿么不喜欢我",
        "你怎么不稀饭我",
        "你肿么不稀饭我",
    }
