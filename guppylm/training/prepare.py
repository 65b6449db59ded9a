"""Turns a pack and its rows into what a run begins with: a vocabulary, and rows as chat would show them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

from guppylm.model.ear import ear_of
from guppylm.model.tokenizer import Tokenizer
from guppylm.packs.generate import Dataset
from guppylm.packs.pack import Pack


def ear(pack: Pack) -> Callable[[str], str]:
    """Return what makes of a message what chat will show the model of it: nothing else is worth learning from."""
    return ear_of(pack.voice.case)


def make_tokenizer(pack: Pack, dataset: Dataset, *, vocab_size: int) -> Tokenizer:
    """Learn a vocabulary from the rows, as the model will be shown them but before anybody mistyped them.

    Entries are for words; a slip of the fingers is spelt with parts of some.
    """
    hear = ear(pack)
    texts = chain.from_iterable((hear(row.clean), row.output) for row in dataset.train)
    return Tokenizer.train(texts, vocab_size=vocab_size, gists=list(pack.topics))
