"""What the model can see: the end of the message, then earlier turns as they fit, and an honest note."""

from __future__ import annotations

import time

import pytest

from guppylm.chat import visible

N_FORMAT = 8  # tokens of the chat format around one message
TURNS = [("are you 37", "i am 3"), ("good night", "good night 🌙")]


def test_a_short_message_is_seen_whole_and_without_a_note(tiny_tokenizer):
    window = visible((), "hello there", tiny_tokenizer, 61, 30)
    assert list(window.ids) == tiny_tokenizer.prompt((), "hello there")
    assert (window.n_turns_seen, window.n_tokens_cut, window.note) == (0, 0, "")


@pytest.mark.parametrize("message", ["", " ", "\n\t \u3000", "\u200a"])
def test_silence_is_the_empty_message(tiny_tokenizer, message):
    assert list(visible((), message, tiny_tokenizer, 61, 30).ids) == tiny_tokenizer.prompt((), "")


def test_spaces_around_a_message_do_not_count(tiny_tokenizer):
    assert visible((), "  hello \n", tiny_tokenizer, 61, 30) == visible((), "hello", tiny_tokenizer, 61, 30)


def test_of_a_long_message_the_end_is_kept_and_the_rest_of_the_window_is_free(tiny_tokenizer):
    message = "night " * 50 + "what do you like?"
    window = visible((), message, tiny_tokenizer, 61, 30)
    kept = tiny_tokenizer.encode(message)[-(61 - 30 - N_FORMAT) :]
    assert list(window.ids) == tiny_tokenizer.prompt((), kept)
    assert len(window.ids) == 61 - 30
    assert window.n_tokens_cut == len(tiny_tokenizer.encode(message)) - len(kept)
    assert window.note == "That message is too long to be seen whole: only its end was read."


def test_a_message_that_just_fits_is_not_cut(tiny_tokenizer):
    message = "hi " * 30
    n = len(tiny_tokenizer.encode(message.strip()))
    assert visible((), message, tiny_tokenizer, n + N_FORMAT + 5, 5).n_tokens_cut == 0
    assert visible((), message, tiny_tokenizer, n + N_FORMAT + 4, 5).n_tokens_cut == 1


def test_a_cut_never_starts_inside_a_character(tiny_tokenizer):
    message = "🐟" * 40  # four tokens each
    for reserve in range(20, 28):
        said = tiny_tokenizer.decode(visible((), message, tiny_tokenizer, 61, reserve).ids)
        assert "\ufffd" not in said
        assert "🐟🐟" in said


def test_a_megabyte_costs_no_more_than_a_page_and_its_end_is_read(tiny_tokenizer):
    for filler in ("x", "night ", "🐟", "\0", "\ud800", "1", "\n."):
        message = filler * (1_000_000 // len(filler)) + " what do you like?"
        start = time.perf_counter()
        window = visible((), message, tiny_tokenizer, 61, 30)
        elapsed_seconds = time.perf_counter() - start
        assert elapsed_seconds < 0.25
        assert window.note
        assert len(window.ids) <= 31
        assert "what do you like?" in tiny_tokenizer.decode(window.ids)


def test_earlier_turns_are_shown_when_the_model_knows_turns(tiny_tokenizer):
    window = visible(TURNS, "hello", tiny_tokenizer, 200, 30)
    assert list(window.ids) == tiny_tokenizer.prompt(TURNS, "hello")
    assert (window.n_turns_seen, window.note) == (2, "")


def test_what_does_not_fit_is_dropped_oldest_first_and_said(tiny_tokenizer):
    room = len(tiny_tokenizer.prompt(TURNS[1:], "hello"))
    window = visible(TURNS, "hello", tiny_tokenizer, room + 30, 30)
    assert list(window.ids) == tiny_tokenizer.prompt(TURNS[1:], "hello")
    assert window.n_turns_seen == 1
    assert window.note == "Only your last message and the exchange before it were read."
    assert visible(TURNS, "hello", tiny_tokenizer, room + 29, 30).n_turns_seen == 0


def test_a_persona_of_single_exchanges_is_shown_no_history_and_the_note_says_so(tiny_tokenizer):
    window = visible(TURNS, "hello", tiny_tokenizer, 200, 30, max_turns=1)
    assert list(window.ids) == tiny_tokenizer.prompt((), "hello")
    assert window.note == "Only your last message was read; what was said before is not remembered."


def test_a_persona_of_two_exchanges_is_shown_one_before_the_last(tiny_tokenizer):
    window = visible(TURNS, "hello", tiny_tokenizer, 200, 30, max_turns=2)
    assert list(window.ids) == tiny_tokenizer.prompt(TURNS[1:], "hello")
