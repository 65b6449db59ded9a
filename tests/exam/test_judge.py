"""Who is on topic, what is memorised, and whether a word was repeated."""

from dataclasses import replace

import pytest

from guppylm.exam.judge import Judge, TextClassifier


@pytest.fixture(scope="module")
def judge(lamp, rows):
    return Judge(lamp, rows)


def test_a_reply_from_the_training_rows_is_memorised(judge, rows):
    row = rows.train[0]
    [judged] = judge.judge([row.output], [row.category])
    assert judged.novelty == "memorised"
    assert row.category in judged.topics


def test_a_reply_that_lines_can_say_is_valid_though_nobody_trained_it(lamp, rows):
    fresh = Judge(lamp, rows)
    fresh.trained = {}
    [judged] = fresh.judge(["oil is warm, please."], ["oil"])
    assert judged.novelty == "valid"
    assert judged.topics == {"oil"}


def test_a_sentence_of_its_own_goes_to_the_classifier(judge):
    [judged] = judge.judge(["oil is my supper and oil is good and warm"], ["who"])
    assert judged.novelty == "new"
    assert judged.topics == {"oil"}


def test_the_judge_knows_how_often_it_is_right(lamp, rows):
    kept = {row.output for row in rows.train[::7]}
    judge = Judge(
        lamp,
        replace(
            rows,
            train=[row for row in rows.train if row.output not in kept],
            seen=[row for row in rows.train if row.output in kept],
        ),
    )
    assert 0.7 < judge.accuracy <= 1
    assert Judge(lamp, replace(rows, seen=[])).accuracy is None


def test_words_that_come_back_are_copied(judge, rows):
    row = next(row for row in rows.train if row.words and row.words[0][1] in row.clean)
    word = row.words[0][1]
    other = "a bulb" if word != "a bulb" else "a light"
    assert judge.copied(row, f"yes, {word}, mostly.") is True
    assert judge.copied(row, f"yes, {other}.") is False
    assert judge.copied(row, "i am a lamp. i glow.") is None
    assert judge.copied(row, "something else") is None
    assert judge.copied(row, "something else", is_new=True) is False
    assert judge.copied(row, f"{word}, something else", is_new=True) is True


def test_a_prompt_without_the_word_asks_for_no_copy(judge, rows):
    row = next(row for row in rows.train if row.clean in ("who are you", "what are you"))
    assert judge.copied(row, "yes, a bulb.") is None


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_classifiers_learn_what_words_mean(unit):
    examples = [(f"{word} {i}", word) for i in range(20) for word in ("red", "blue")]
    assert TextClassifier(examples, unit=unit).predict(["so red", "very blue"]) == ["red", "blue"]
    assert TextClassifier(examples, unit=unit).predict([]) == []


def test_one_topic_needs_no_thought():
    assert TextClassifier([("a", "only"), ("b", "only")], unit="words").predict(["c"]) == ["only"]
