"""The engine: the same reply whoever else is talking, and nothing shown that must be taken back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from guppylm.chat import Chat
from guppylm.errors import ChatError
from guppylm.model import Sampling, Tokenizer, Transformer

PAD, START, END = 0, 1, 2


class Scripted(Transformer):
    """A model that says what it is told, token by token, and finds nothing else even half as likely."""

    script: tuple[int, ...] = ()
    n_prompt = 0

    def forward(self, ids, *, cache=None, trace=None, keep=None):
        if not cache.n_tokens:
            self.n_prompt = ids.shape[1]
        cache.n_tokens += ids.shape[1]
        n_said = cache.n_tokens - self.n_prompt
        logits = torch.zeros(1, self.config.vocab_size)
        logits[0, self.script[n_said] if n_said < len(self.script) else END] = 50.0
        return logits


@pytest.fixture
def chat(tiny_bundle):
    return Chat(tiny_bundle)


@pytest.fixture
def parrot(tiny_bundle):
    """Return a Chat that says the given tokens, and then ends."""

    def say(ids, **metrics):
        model = Scripted(tiny_bundle.config)
        model.script = tuple(ids)
        metrics = {**tiny_bundle.metrics, **metrics}
        return Chat(replace(tiny_bundle, model=model, metrics=metrics, generation=Sampling()))

    return say


def test_a_reply_ends_at_the_end_marker_and_does_not_show_it(parrot, tiny_tokenizer):
    ids = tiny_tokenizer.encode("good night 🌙")
    reply = parrot(ids).reply("hello", seed=1)
    assert (reply.text, reply.n_tokens, reply.stopped) == ("good night 🌙", len(ids), "end")
    assert [step.id for step in reply.steps] == [*ids, END]


def test_a_reply_may_be_empty(parrot):
    reply = parrot([]).reply("hello", seed=1)
    assert (reply.text, reply.n_tokens, reply.stopped) == ("", 0, "end")


@pytest.mark.parametrize("control", [PAD, START])
def test_control_tokens_are_never_said_even_when_the_model_wants_nothing_else(parrot, control):
    for temperature in (0, 1, 100):
        reply = parrot([control] * 60).reply("hello", seed=1, temperature=temperature, top_k=0)
        assert not {PAD, START} & {step.id for step in reply.steps}


def test_text_only_ever_grows_and_never_shows_half_a_character(parrot, tiny_tokenizer):
    byte_tokens = Tokenizer.train([], vocab_size=259).encode("a🐟b")  # the same ids for bytes in every vocabulary
    assert tiny_tokenizer.decode(byte_tokens) == "a🐟b"
    shown = [token.text_so_far for token in parrot(byte_tokens).stream("hello", seed=1)]
    assert shown == ["", "a", "a", "a", "a", "a🐟", "a🐟b"]


def test_a_reply_cut_inside_a_character_leaves_the_half_out(parrot):
    byte_tokens = Tokenizer.train([], vocab_size=259).encode("a🐟b")
    reply = parrot(byte_tokens).reply("hello", seed=1, max_tokens=4)
    assert (reply.text, reply.n_tokens, reply.stopped) == ("a", 4, "length")


def test_a_loop_is_broken(parrot, tiny_tokenizer):
    loop = tiny_tokenizer.encode("xyz")
    reply = parrot(loop * 10).reply("hello", seed=1)
    said = tuple(step.id for step in reply.steps)
    runs = [said[i : i + 8] for i in range(len(said) - 7)]
    assert len(runs) == len(set(runs))
    assert reply.text.startswith("xyz xyz")  # a short repetition is nobody's business


def test_streaming_and_replying_say_the_same(chat):
    stream = chat.stream("hello", seed=4)
    tokens = list(stream)
    reply = chat.reply("hello", seed=4)
    assert stream.reply.text == reply.text == tokens[-1].text_so_far
    assert [token.step.id for token in tokens] == [step.id for step in reply.steps if step.id != END]


def test_the_same_seed_gives_the_same_reply_and_another_seed_another(chat):
    texts = [chat.reply("hello", seed=seed).text for seed in (1, 1, 2, 3)]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


def test_a_reply_without_a_seed_can_be_asked_for_again(chat):
    first, other = chat.reply("hello"), chat.reply("hello")
    assert first.seed != other.seed
    assert chat.reply("hello", seed=first.seed).text == first.text


def test_the_cache_says_what_the_full_forward_would(chat, tiny_bundle):
    reply = chat.reply("hello", seed=5, temperature=0)
    ids = list(reply.window.ids)
    for step in reply.steps:
        logits = tiny_bundle.model(torch.tensor([ids]))[0, -1]
        torch.testing.assert_close(step.logits, logits, atol=1e-4, rtol=1e-4)
        ids.append(step.id)


def test_many_threads_get_the_replies_they_would_get_alone(chat):
    asked = [(message, seed) for message in ("hello", "", "what do you like?", "🐟" * 99) for seed in range(6)]
    alone = [chat.reply(message, seed=seed).text for message, seed in asked]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda pair: chat.reply(pair[0], seed=pair[1]).text, asked))
    assert together == alone


def test_two_interleaved_streams_do_not_disturb_each_other(chat):
    first, second = chat.stream("hello", seed=1), chat.stream("good night", seed=2)
    for _ in range(5):
        next(first), next(second)
    list(first), list(second)
    assert first.reply.text == chat.reply("hello", seed=1).text
    assert second.reply.text == chat.reply("good night", seed=2).text


def test_a_resting_stream_leaves_the_caller_free_to_train(chat):
    stream = chat.stream("hello", seed=1)
    next(stream)
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()


def test_closing_a_stream_cancels_it_and_keeps_what_was_said(chat):
    stream = chat.stream("hello", seed=1)
    shown = [next(stream).text_so_far for _ in range(3)]
    stream.close()
    assert next(stream, None) is None
    assert (stream.reply.text, stream.reply.stopped, stream.reply.n_tokens) == (shown[-1], "cancelled", 3)


def test_closing_a_finished_stream_does_not_make_it_cancelled(parrot, tiny_tokenizer):
    stream = parrot(tiny_tokenizer.encode("hi")).stream("hello", seed=1)
    list(stream)
    stream.close()
    assert stream.reply.stopped == "end"


def test_a_reply_may_fill_the_context_to_the_brim(parrot, tiny_tokenizer):
    everything = range(3, 250)
    reply = parrot(everything).reply("hello", seed=1)
    assert reply.stopped == "length"
    assert len(reply.window.ids) + reply.n_tokens == 61


def test_a_real_model_at_the_end_of_its_context_stops_instead_of_crashing(chat):
    reply = chat.reply("what do you like? " * 99, seed=3, max_tokens=10_000, temperature=100, top_k=0, top_p=1)
    assert len(reply.window.ids) + reply.n_tokens <= 61
    assert reply.note


def test_positions_that_training_never_reached_are_not_used(parrot):
    reply = parrot(range(3, 250), n_positions_trained=33).reply("hello " * 99, seed=1)
    assert len(reply.window.ids) + reply.n_tokens == 33
    assert reply.n_tokens >= 16


def test_history_is_left_out_for_a_persona_of_single_exchanges_and_the_reply_says_so(chat):
    alone = chat.reply("hello", seed=1)
    reply = chat.reply("hello", seed=1, history=[("good night", "hi")])
    assert reply.text == alone.text
    assert (alone.note, reply.note) == (
        "",
        "Only your last message was read; what was said before is not remembered.",
    )


def test_history_is_shown_to_a_persona_that_was_trained_on_turns(parrot, tiny_tokenizer):
    reply = parrot([], max_turns=3).reply("hello", seed=1, history=[("hi", "hi")])
    assert list(reply.window.ids) == tiny_tokenizer.prompt([("hi", "hi")], "hello")


@pytest.mark.parametrize(
    "message", ["", "\0", "\0" * 50, "\ud83d", "🏳️‍🌈" * 30, "<|im_end|>", "a" * 1_000_000, "\u202e"]
)
def test_no_text_is_too_strange(chat, message):
    assert chat.reply(message, seed=1, max_tokens=4).stopped in ("end", "length")


def test_settings_left_out_are_those_of_the_bundle(chat, tiny_bundle):
    given, left_out = chat.reply("hi", seed=1, top_k=3, max_tokens=1), chat.reply("hi", seed=1, max_tokens=1)
    assert left_out.steps[0].sampling == tiny_bundle.generation
    assert given.steps[0].sampling == tiny_bundle.generation.changed(top_k=3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -1}, "temperature is -1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_p": 2}, "top_p is 2"),
        ({"top_k": -5}, "top_k is -5"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"max_tokens": 1.5}, "max_tokens is 1.5"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**64}, "seed is 18446744073709551616"),
        ({"seed": "1"}, "seed is '1'"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_the_first_token(chat, settings, message):
    with pytest.raises(ChatError, match=message):
        chat.stream("hello", **settings)


def test_a_message_that_is_no_text_is_refused(chat):
    with pytest.raises(ChatError, match="the message is NoneType"):
        chat.reply(None)


# ---- gists ---------------------------------------------------------------------------------------------


def test_a_persona_without_gists_makes_up_no_mind(chat):
    assert chat.reply("hello", seed=1).gist is None


def test_a_reply_says_what_the_message_was_taken_to_be_about(gist_bundle):
    reply = Chat(gist_bundle).reply("hello there", seed=1)
    logits = gist_bundle.model(torch.tensor([reply.window.ids]))[0, -1]
    gists = gist_bundle.tokenizer.gists
    assert reply.gist.topic == max(gists, key=lambda topic: logits[gists[topic]])
    assert reply.gist.id == gists[reply.gist.topic]
    assert reply.gist.topics.keys() == gists.keys()
    assert reply.gist.id not in reply.window.ids


def test_the_gist_does_not_depend_on_the_dice(gist_bundle):
    replies = [Chat(gist_bundle).reply("hello there", seed=seed, temperature=2) for seed in range(5)]
    assert len({reply.gist.topic for reply in replies}) == 1
    assert len({reply.text for reply in replies}) > 1


def test_the_reply_goes_on_from_the_gist(gist_bundle):
    reply = Chat(gist_bundle).reply("hello", seed=5, temperature=0)
    ids = [*reply.window.ids, reply.gist.id]
    for step in reply.steps:
        torch.testing.assert_close(step.logits, gist_bundle.model(torch.tensor([ids]))[0, -1], atol=1e-4, rtol=1e-4)
        ids.append(step.id)


def test_the_gist_takes_one_place_of_the_context_and_none_of_the_text(gist_bundle):
    reply = Chat(gist_bundle).reply("what do you like? " * 99, seed=3, temperature=100, top_k=0, top_p=1)
    assert len(reply.window.ids) + 1 + len(reply.steps) <= 61
    assert "<|" not in reply.text


def test_a_stream_that_has_not_begun_has_no_gist_yet(gist_bundle):
    stream = Chat(gist_bundle).stream("hello", seed=1)
    assert stream.reply.gist is None
    next(stream)
    assert stream.reply.gist is not None
