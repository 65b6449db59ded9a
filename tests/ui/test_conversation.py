"""What grows while a persona speaks, and what the chat is shown of it."""

from __future__ import annotations

from guppylm.ui import words
from guppylm.ui.conversation import (
    N_CHARACTERS_SENT,
    N_EXCHANGES_KEPT,
    Exchange,
    Knobs,
    as_messages,
    exchange_at,
    speak,
    stopped_now,
    with_exchange,
)
from tests.ui.stage import Scripted


def test_a_reply_grows_token_by_token_and_ends_with_its_facts() -> None:
    chat = Scripted("the", "moth", "came", note="cut.")
    grown = list(speak(chat, (), "hi", knobs=Knobs(), seed=5))
    assert [exchange.reply for exchange in grown] == ["", "the", "the moth", "the moth came", "the moth came"]
    assert [exchange.stopped for exchange in grown] == ["", "", "", "", "end"]
    assert (grown[-1].seed, grown[-1].n_tokens, grown[-1].note) == (5, 3, "cut.")


def test_settings_and_seed_reach_the_engine() -> None:
    chat = Scripted("yes")
    list(speak(chat, (), "hi", knobs=Knobs(temperature=0.1, top_k=3, top_p=0.5), seed=9))
    assert chat.asked == [("hi", {"history": [], "seed": 9, "temperature": 0.1, "top_k": 3, "top_p": 0.5})]


def test_closing_early_closes_the_engines_stream() -> None:
    chat = Scripted("a", "b", "c")
    growing = speak(chat, (), "hi", knobs=Knobs(), seed=0)
    next(growing), next(growing)
    growing.close()
    assert chat.closed


def test_history_is_as_long_as_the_persona_was_raised_to_see() -> None:
    talk = tuple(Exchange(message=f"m{n}", reply=f"r{n}", stopped="end") for n in range(5))
    for max_turns, seen in ((1, []), (2, [("m4", "r4")]), (4, [("m2", "r2"), ("m3", "r3"), ("m4", "r4")])):
        chat = Scripted("ok", max_turns=max_turns)
        list(speak(chat, talk, "now", knobs=Knobs(), seed=0))
        assert chat.asked[0][1]["history"] == seen


def test_a_book_is_sent_from_its_end() -> None:
    chat = Scripted("ok")
    list(speak(chat, (), "x" * 100_000 + "end", knobs=Knobs(), seed=0))
    sent = chat.asked[0][0]
    assert len(sent) == N_CHARACTERS_SENT
    assert sent.endswith("xend")


def test_markup_is_shown_as_typed() -> None:
    talk = (Exchange(message="HELLO <b>x</b> & &amp; $$x$$", reply="<script>", stopped="end"),)
    shown = [message["content"] for message in as_messages(talk)]
    assert shown == ["HELLO &lt;b>x&lt;/b> & &amp;amp; $$x$$", "&lt;script>"]


def test_message_indices_point_at_their_exchange() -> None:
    talk = tuple(Exchange(message=str(n), reply="r", stopped="end") for n in range(3))
    assert len(as_messages(talk)) == 6
    assert [exchange_at(talk, index) for index in range(6)] == [0, 0, 1, 1, 2, 2]
    assert exchange_at(talk, [5, 0]) == 2
    assert exchange_at(talk, 99) == 2
    assert exchange_at((), 3) == 0


def test_silence_and_wordless_replies_are_visible() -> None:
    talk = (Exchange(message="", reply="", stopped="cancelled"), Exchange(message="hi"))
    assert [message["content"] for message in as_messages(talk)] == ["(silence)", "…", "hi"]


def test_stopping_marks_only_what_was_still_growing() -> None:
    done = Exchange(message="a", reply="b", stopped="end")
    growing = Exchange(message="c", reply="d")
    assert stopped_now((done,)) == (done,)
    assert stopped_now((done, growing))[-1].stopped == "cancelled"
    assert stopped_now(()) == ()


def test_a_talk_does_not_grow_without_end() -> None:
    talk = ()
    for n in range(N_EXCHANGES_KEPT + 5):
        talk = with_exchange(talk, Exchange(message=str(n)))
    assert len(talk) == N_EXCHANGES_KEPT
    assert talk[-1].message == str(N_EXCHANGES_KEPT + 4)


def test_the_page_starts_from_the_engines_defaults() -> None:
    from guppylm.model import Sampling

    sampling, knobs = Sampling(), Knobs()
    assert (knobs.temperature, knobs.top_k, knobs.top_p) == (
        sampling.temperature, sampling.top_k, sampling.top_p,
    )  # fmt: skip


def test_sentences_are_honest_about_memory_and_endings() -> None:
    assert words.what_it_sees("Lamp", 1) == ("Lamp answers your last message only: it was raised on single exchanges.")
    assert "last 4 exchanges" in words.what_it_sees("Lamp", 4)
    exchange = Exchange(message="m", reply="r", seed=3, n_tokens=1, stopped="end")
    assert words.about_reply(exchange) == "Seed 3, 1 token."
    stopped = Exchange(message="m", reply="r", seed=3, n_tokens=7, stopped="cancelled", note="Cut.")
    assert words.about_reply(stopped) == "Cut. Stopped after 7 tokens. Seed 3."
