"""Many replies at once: each is the one that somebody alone would get."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guppylm.chat import Chat, many
from guppylm.chat.many import reply_to_all

MESSAGES = [
    "hello there",
    "what do you like?",
    "",
    "hello there",
    "good night 🌙",
    "night",
    "dark",
    "are you 37 years old?",
    "  hello there ",
    "<|food|>",
    "a message so long that it cannot be seen whole, " * 9,
]


@pytest.fixture(params=["with gists", "without"])
def chat(request, tiny_bundle, gist_bundle):
    return Chat(gist_bundle if request.param == "with gists" else tiny_bundle)


def told(reply):
    """All of a reply that can be compared."""
    gist = reply.gist and reply.gist.topic
    said = [step.id for step in reply.steps]
    return reply.text, reply.n_tokens, reply.stopped, reply.note, reply.seed, reply.window, gist, said


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_replies_at_once_are_those_that_each_message_gets_alone(chat, seed):
    together = reply_to_all(chat, MESSAGES, seed=seed)
    assert [told(reply) for reply in together] == [told(chat.reply(message, seed=seed)) for message in MESSAGES]


def test_some_replies_end_before_others(chat):
    lengths = {reply.n_tokens for reply in reply_to_all(chat, MESSAGES, seed=1)}
    assert len(lengths) > 2


def test_gists_are_as_sure_as_they_would_be_alone(gist_bundle):
    chat = Chat(gist_bundle)
    for message, reply in zip(MESSAGES, reply_to_all(chat, MESSAGES, seed=1), strict=True):
        assert reply.gist.topics == pytest.approx(chat.reply(message, seed=1).gist.topics, abs=1e-5)


def test_equal_messages_are_answered_once(chat):
    first, other, again = reply_to_all(chat, ["hello", "night", "hello"], seed=1)
    assert first is again
    assert first is not other


def test_a_great_many_go_in_groups(chat, monkeypatch):
    messages = [f"are you {n}?" for n in range(10, 20)]
    whole = [told(reply) for reply in reply_to_all(chat, messages, seed=1)]
    monkeypatch.setattr(many, "N_AT_ONCE", 3)
    assert [told(reply) for reply in reply_to_all(chat, messages, seed=1)] == whole


def test_no_messages_get_no_replies(chat):
    assert reply_to_all(chat, [], seed=1) == []


def test_where_there_is_no_room_all_are_cut_alike(gist_bundle):
    chat = Chat(replace(gist_bundle, metrics={**gist_bundle.metrics, "n_positions_trained": 9}))
    [reply] = reply_to_all(chat, ["hello"], seed=1)
    assert told(reply) == told(chat.reply("hello", seed=1))
