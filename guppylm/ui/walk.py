"""The eight stations of the walk through a reply: for each a title, a sentence, a paragraph, and where the code is.

A paragraph may name figures of the model at hand in braces; `walk` fills them in.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Station:
    """One stop of the walk.

    Attributes:
        key: by which the page knows it.
        code: what does it, as `module:name`.
    """

    key: str
    title: str
    sentence: str
    paragraph: str
    code: str


STATIONS = (
    Station(
        key="wrote",
        title="A line somebody wrote",
        sentence="Everything a persona can say began as a line in a text file.",
        paragraph=(
            "A persona is a folder of such files. One line with a few lists of words to fill in makes many "
            "sentences, and {n_rows} conversations were made like that before training began. Here is one that is "
            "most like this reply, and the lines it was made from. The model never opens those files, and it holds "
            "no list of sentences to choose from. It read the finished conversations one after another, and all that "
            "is left of them are {n_parameters} numbers. The other stations show what these do."
        ),
        code="guppylm.packs.draw:Drawer",
    ),
    Station(
        key="numbers",
        title="Text becomes numbers",
        sentence="The model cannot read letters. Text is cut into tokens, and each token is a number.",
        paragraph=(
            "Frequent words are one token; rare ones are put together from several, and what the model never met is "
            "spelt in bytes. Which tokens there are was counted from the training text: this persona has "
            "{vocab_size}. The grey ones are markers: where somebody begins to speak, who it is, and where they "
            "stop. After the message comes one token that names a topic. The persona takes the message to be about "
            "that before it says a word. All of it together may be {context} tokens long."
        ),
        code="guppylm.model.tokenizer:Tokenizer.prompt",
    ),
    Station(
        key="stream",
        title="Numbers become a stream",
        sentence="Each token becomes a row of {d_model} numbers, and {n_layers} layers add to it, one after another.",
        paragraph=(
            "A token's number picks a row out of a big table that was learned; another row says at which place it "
            "stands. Their sum is where the stream begins. Each layer adds two things to it: what attention fetched "
            "from earlier tokens (the next station), and what a small network made of this one row: it multiplies "
            "the row by a table, keeps what is above zero (a neuron that is above zero fires), and multiplies again. "
            "Nothing is ever overwritten, only added to. The bars show how long these rows of numbers are as "
            "vectors: how much was there, and how much came. The lengths do not add up like numbers, because the "
            "rows point in different directions."
        ),
        code="guppylm.model.transformer:Block.forward",
    ),
    Station(
        key="attention",
        title="Who looks at whom",
        sentence="In every layer, {n_heads} heads decide how much to fetch from each token so far.",
        paragraph=(
            "A head makes three short vectors of each token: a query (what am I looking for?), a key (what is here "
            "to be found?) and a value (what is handed over: the head's own summary of that token). The query times "
            "the key of each token so far, its own too, is a score. Softmax turns the scores into shares that sum to "
            "100 %, and the head fetches the values in those shares. That is all of attention. A token was decided "
            "at the place before it, so the lines begin there. They show where a head looked, not why. Most heads do "
            "nothing one could name; the buttons lead to those that do, found by counting over this conversation."
        ),
        code="guppylm.model.transformer:Attention.forward",
    ),
    Station(
        key="layers",
        title="What each layer would say",
        sentence="Stop after any layer and read off the next word: so one sees a word take shape.",
        paragraph=(
            "The last step of the model compares the stream with the row of every token in the vocabulary; the "
            "better they agree, the higher the score. Since layers only add, one may do that early too. Early layers "
            "guess badly, as nobody asked them to guess. Where the favourite stops changing, the word is decided. "
            "And as the stream is a sum, so is the score: one can tell exactly how much each part added for this "
            "word, beyond what it added for the average word."
        ),
        code="guppylm.model.transformer:Transformer.read_out",
    ),
    Station(
        key="draw",
        title="The draw",
        sentence="The model gives every token a score, and the dice choose among the best.",
        paragraph=(
            "A score (logit) becomes a probability by softmax: e to the power of it, divided by the sum over all "
            "tokens. Before that, all scores are divided by the temperature: below 1 the likely becomes likelier, "
            "above 1 the unlikely gets a chance. Scores of 2 and 1 alone would be 73 % and 27 %; at temperature 0.5, "
            "88 % and 12 %. Top-k keeps only the k best, and top-p only as many of the best as together reach the "
            "share p. What is left is laid end to end from 0 to 1, and one random number falls on it. The sliders do "
            "that sum again; the model need not run for it. Choose another token, and the reply goes on from there."
        ),
        code="guppylm.model.sampling:follow",
    ),
    Station(
        key="memory",
        title="Memorised or new?",
        sentence="Did it say that by heart, put known parts together, or make it up?",
        paragraph=(
            "The conversations it was trained on can be made again, from the same files and the same seed. Runs of "
            "at least four tokens that stand like that in one of them are marked, each with the row it stands in. A "
            "whole reply from one row is word for word; parts of several are a mix; tokens in no run are its own. A "
            "model this small, raised on lines like these, knows much by heart: large ones do it too, and less "
            "visibly. Only conversations of the topic that it took the message to be about are searched."
        ),
        code="guppylm.lens.memory:remember",
    ),
    Station(
        key="learned",
        title="How it learned",
        sentence="All of those numbers began as noise, and were nudged {n_steps} times.",
        paragraph=(
            "A step of training shows the model some hundred conversations, asks it at every token for the next one, "
            "and moves every number a little to where the right one would have been likelier. The loss is the "
            "average surprise at the right token. It tells among how many equally likely tokens the model is torn: e "
            "to the power of the loss. A loss of 0 is one token, of 0.7 two, and of {ln_vocab} all {vocab_size}: "
            "then it only guesses. The same few messages were put to it along the way."
        ),
        code="guppylm.training.loop:Run.learn_from",
    ),
)


def walk(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the stations as the page takes them, the figures of a model filled in."""
    return [
        {
            "key": station.key,
            "title": station.title,
            "sentence": station.sentence.format_map(figures),
            "paragraph": station.paragraph.format_map(figures),
            "code": _name(station.code),
            "place": _place(station.code),
        }
        for station in STATIONS
    ]


def _name(code: str) -> str:
    return code.partition(":")[2]


@cache
def _place(code: str) -> str:
    """Return the file and line of something, as `guppylm/model/sampling.py:153`, without importing it."""
    module, _, name = code.partition(":")
    file = Path(*module.split(".")).with_suffix(".py")
    node: Any = ast.parse((PACKAGE.parent / file).read_text(encoding="utf-8"))
    for part in name.split("."):
        node = next(inner for inner in node.body if getattr(inner, "name", None) == part)
    return f"{file.as_posix()}:{node.lineno}"
