"""Turns the logits where a reply begins into a Gist: what the model takes the message to be about.

    <|im_start|>assistant\\n  <|food/2|>  yes. always yes.  <|im_end|>
                             the gist     the reply

Before it speaks, a persona makes up its mind. In training every reply begins with one token that names the scene it was
made from, a control token that no text contains. So the model learns two things that are easy in place of one that is
hard: to tell what a message is about, a single prediction over a few hundred names; and to say something about that.
Without it the same decision is spread over the first words of a reply, and a model of this size took ten times as long
to get it half as right (docs/log.md). It is the smallest thought aloud there can be, and it can be looked at.

In chat the likeliest topic is taken, and of that topic the likeliest scene. Mood is for words: the dice are thrown only
from there on.
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
        name: topic and number of the scene, as in `food/2`.
        topic: the topic alone.
        topics: the probability of every topic, likeliest first.
    """

    id: int
    name: str
    topic: str
    topics: Mapping[str, float]

    @property
    def p(self) -> float:
        """The probability of the chosen topic."""
        return self.topics[self.topic]


def make_up_mind(logits: Tensor, tokenizer: Tokenizer) -> Gist | None:
    """Return the gist that logits (V,) at the beginning of a reply favour; None where the tokenizer knows none."""
    if not tokenizer.gists:
        return None
    ids = list(tokenizer.gists.values())
    p = dict(zip(tokenizer.gists, logits[ids].detach().float().softmax(dim=0).tolist(), strict=True))
    topics: dict[str, float] = {}
    for name, share in p.items():
        topics[topic_of(name)] = topics.get(topic_of(name), 0.0) + share
    ranked = dict(sorted(topics.items(), key=lambda entry: -entry[1]))
    topic = next(iter(ranked))
    name = max((name for name in p if topic_of(name) == topic), key=p.__getitem__)
    return Gist(id=tokenizer.gists[name], name=name, topic=topic, topics=ranked)


def topic_of(gist: str) -> str:
    """Return the topic of a gist's name."""
    return gist.rpartition("/")[0]
