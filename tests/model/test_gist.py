"""The gist: one look at the logits, one topic, and nothing left to chance."""

from __future__ import annotations

import pytest
import torch

from guppylm.model.gist import make_up_mind
from guppylm.model.tokenizer import Tokenizer

TOKENIZER = Tokenizer.train(["hello there"] * 4, vocab_size=280, gists=["food", "joke", "night"])


def logits(**of_topics: float) -> torch.Tensor:
    """Logits that favour words over topics, and among the topics these."""
    found = torch.full((TOKENIZER.vocab_size,), 50.0)
    for topic, id in TOKENIZER.gists.items():
        found[id] = of_topics.get(topic, 0.0)
    return found


def test_the_likeliest_topic_is_the_gist_whatever_words_are_likelier():
    gist = make_up_mind(logits(joke=2.0, night=1.0), TOKENIZER)
    assert (gist.topic, gist.id) == ("joke", TOKENIZER.gists["joke"])


def test_topics_are_ranked_and_share_all_the_probability():
    gist = make_up_mind(logits(joke=2.0, night=1.0), TOKENIZER)
    assert list(gist.topics) == ["joke", "night", "food"]
    assert sum(gist.topics.values()) == pytest.approx(1)
    assert list(gist.topics.values()) == pytest.approx(torch.tensor([2.0, 1.0, 0.0]).softmax(0).tolist())


def test_of_equals_the_first_is_taken():
    assert make_up_mind(logits(), TOKENIZER).topic == "food"


def test_half_precision_and_gradients_are_no_obstacle():
    asked = logits(night=1.0).half().requires_grad_()
    assert make_up_mind(asked, TOKENIZER).topic == "night"


def test_a_persona_without_gists_has_none():
    without = Tokenizer.train(["hello there"] * 4, vocab_size=280)
    assert make_up_mind(torch.zeros(without.vocab_size), without) is None
