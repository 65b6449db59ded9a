"""Turns the logits where a reply begins into a Gist: what the model takes the message to be about.

    <|im_start|>assistant\\n  <|food|>  yes. always yes.  <|im_end|>
                             the gist  the reply

Before it speaks, a persona makes up its mind. In training every reply begins with one token that names its topic, a
control token that no text contains. So the model learns two things that are easy in place of one that is hard: to
tell what a message is about, a single prediction over a few dozen names; and to say something about that. Without it
the same decision is spread over the first words of a reply, and hardly any loss is left to teach it (docs/log.md has
the figures). It is the smallest thought aloud there can be, and one can look at it.

In chat the likeliest topic is taken. Mood is for words: the dice are thrown only from there on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from guppylm.model.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class Gist:
    """What the model takes a message to be about.

    Attributes:
        id: the token.
        topic: the likeliest topic.
        topics: the probability of every topic, likeliest first.
    """

    id: int
    topic: str
    topics: Mapping[str, float]


def make_up_mind(logits: Tensor, tokenizer: Tokenizer) -> Gist | None:
    """Return the gist that logits (V,) at the beginning of a reply favour; None where the tokenizer knows none."""
    if not tokenizer.gists:
        return None
    p = logits[list(tokenizer.gists.values())].detach().float().softmax(dim=0).tolist()
    topics = dict(sorted(zip(tokenizer.gists, p, strict=True), key=lambda entry: -entry[1]))
    topic = next(iter(topics))
    return Gist(id=tokenizer.gists[topic], topic=topic, topics=topics)
