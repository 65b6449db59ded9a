"""Turns text into token ids and back, and conversations into (ids, loss mask).

A byte-level BPE: the alphabet is all 256 bytes, and merges are learned from the texts of one pack. So
no text is ever lost or unknown, and the vocabulary holds nothing that the persona does not say.

One conversation, and under it which tokens carry loss:

    <|im_start|>user\\n hello <|im_end|>\\n <|im_start|>assistant\\n <|greeting|> hi there <|im_end|>
    0            0      0     0           0             0           1            1  1     1

The token before the reply is its gist: what the persona takes the message to be about (see gist.py).

Every part is encoded by itself, and a line break is always a token of its own. So the same words give
the same ids in training and in chat, whatever stands next to them. `Tokenizer.conversation` and
`Tokenizer.prompt` are built from one function, and cannot drift apart.

Every message and every reply stands behind one space, which nobody sees. To a byte-level BPE `amir` and ` amir` are
two words that have nothing to do with each other, and the first word of a text would be a stranger to itself: a bare
`hungry?` would not be the `hungry` of `are you hungry?`, and who hears `i am amir` would have to know by heart that the
reply `amir. hello` says the same. (Where a script has no spaces, the first word keeps its own form.)

Deliberately not: control tokens in text. `<|im_end|>` typed by a person is ten ordinary characters, here
and after loading. Nor any normaliser: what goes in comes out, byte for byte.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from guppylm.errors import BundleError

Text = str | Sequence[int]  # as people write it, or as the ids that stand for it

CONTROL_TOKENS = ("<pad>", "<|im_start|>", "<|im_end|>")  # ids 0, 1, 2; the gists follow

# The same chat format in the language that `transformers` reads; a test holds the two together.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if not loop.first %}{{ '\\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + (' ' + message['content'] if message['content'] else '') }}"
    "{{ '<|im_end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '\\n<|im_start|>assistant\\n' }}{% endif %}"
)

USER, ASSISTANT = "user\n", "assistant\n"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One token, for showing.

    Attributes:
        id: its row in the vocabulary.
        bytes: the bytes it stands for; empty for a control token.
        text: those bytes as text. Part of a character shows as `\\xf0`, a control token as its name.
        is_control: whether it is one of CONTROL_TOKENS or a gist.
    """

    id: int
    bytes: bytes
    text: str
    is_control: bool


class Tokenizer:
    """Text <-> ids. Never changes after it is built, so any number of threads may share one.

    Attributes:
        gists: the topics a reply can be about, with the token of each; empty for a persona without.
        never_said: the control tokens that are never drawn. The end marker is: it ends the reply.
    """

    pad_id, start_id, end_id = 0, 1, 2

    def __init__(self, bpe: tokenizers.Tokenizer) -> None:
        # The name of a control token, typed by a person, is text. No file keeps this setting.
        bpe.encode_special_tokens = True
        self._bpe = bpe
        self._control = _control_tokens(bpe)
        self._bytes = _bytes_of_each_id(bpe)
        names = (token.strip("<|>") for token in self._control[len(CONTROL_TOKENS) :])
        self.gists: Mapping[str, int] = {name: id for id, name in enumerate(names, start=len(CONTROL_TOKENS))}
        self.never_said = (self.pad_id, self.start_id, *self.gists.values())
        self._user, self._assistant, self._newline = map(self._ids, (USER, ASSISTANT, "\n"))

    @classmethod
    def train(cls, texts: Iterable[str], *, vocab_size: int = 4096, gists: Sequence[str] = ()) -> Tokenizer:
        """Learn merges from messages and replies. The same texts in the same order give the same tokenizer.

        Args:
            texts: what the persona reads and says. One pass, nothing is kept.
            vocab_size: most entries to make. Few texts may give fewer; see `Tokenizer.vocab_size`.
            gists: the topics a reply can be about; each becomes a control token.
        """
        bpe = tokenizers.Tokenizer(models.BPE())
        bpe.pre_tokenizer = _splitter()
        bpe.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=2,
            special_tokens=[*CONTROL_TOKENS, *(f"<|{gist}|>" for gist in gists)],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        bpe.train_from_iterator(_with_headers(texts), trainer)
        return cls(bpe)

    @property
    def vocab_size(self) -> int:
        """How many entries there really are, control tokens included."""
        return len(self._bytes)

    @property
    def longest(self) -> int:
        """How many bytes the longest entry stands for: n tokens never cover more than n times as many."""
        return max(map(len, self._bytes))

    def encode(self, text: str) -> list[int]:
        """Return the ids of any message or reply, and of the space before it. Never a control token; never an error.

        Nothing is nothing, and has no space. A lone surrogate is no character and has no bytes; it becomes U+FFFD, the
        replacement character.
        """
        return self._ids(_spaced(text))

    def encode_all(self, texts: Iterable[str]) -> Iterator[list[int]]:
        """Return what `encode` does for each of many texts, on all cores."""
        texts = iter(texts)
        while some := [_without_surrogates(_spaced(text)) for text in islice(texts, 4096)]:
            for encoding in self._bpe.encode_batch_fast(some, add_special_tokens=False):
                yield encoding.ids

    def _ids(self, text: str) -> list[int]:
        return self._bpe.encode(_without_surrogates(text), add_special_tokens=False).ids

    def decode(self, ids: Iterable[int], *, unfinished: bool = False) -> str:
        """Return the text of `ids`, control tokens left out, and the space that `encode` puts before it.

        Bytes that are no character become U+FFFD. With `unfinished`, more ids are to come: a character whose last
        bytes are still missing is left out until they are there, so that what was shown never has to be taken back.
        """
        data = b"".join(self._bytes[id] for id in ids).removeprefix(b" ")
        return codecs.getincrementaldecoder("utf-8")("replace").decode(data, final=not unfinished)

    def conversation(self, turns: Sequence[tuple[Text, Text]], *, gist: str = "") -> tuple[list[int], list[int]]:
        """Return ids and mask of a whole conversation, (message, reply) a turn; used in training.

        Each text may be given as the ids that `encode` makes of it.

        The mask is 1 on what the persona has to learn to write: its replies, their gists and their end markers.

        Args:
            gist: what the replies are about, a key of `gists`; empty for replies without.
        """
        ids: list[int] = []
        mask: list[int] = []
        for message, reply in turns:
            opening = self._opening(message, is_first=not ids)
            answer = [*self._gist(gist), *self._words(reply), self.end_id]
            ids += opening + answer
            mask += [0] * len(opening) + [1] * len(answer)
        return ids, mask

    def prompt(self, turns: Sequence[tuple[Text, Text]], message: Text) -> list[int]:
        """Return the ids of the same text up to where the reply to `message` starts; used in chat.

        The message may be given as ids, where only the end of a long one is wanted.
        """
        ids, _ = self.conversation(turns)
        return ids + self._opening(message, is_first=not ids)

    def _gist(self, name: str) -> list[int]:
        return [self.gists[name]] if name else []

    def _words(self, text: Text) -> Sequence[int]:
        return self.encode(text) if isinstance(text, str) else text

    def _opening(self, message: Text, *, is_first: bool) -> list[int]:
        """A message and everything around it, up to where the reply starts."""
        before = [] if is_first else self._newline
        asked = [self.start_id, *self._user, *self._words(message), self.end_id]
        return [*before, *asked, *self._newline, self.start_id, *self._assistant]

    def pieces(self, ids: Iterable[int]) -> list[Piece]:
        """Return what each id stands for."""
        return [self._piece(id) for id in ids]

    def _piece(self, id: int) -> Piece:
        data = self._bytes[id]
        if id < len(self._control):
            return Piece(id=id, bytes=b"", text=self._control[id], is_control=True)
        return Piece(id=id, bytes=data, text=data.decode("utf-8", "backslashreplace"), is_control=False)

    def to_json(self) -> str:
        """Return the contents of tokenizer.json, as the `tokenizers` and `transformers` libraries read it."""
        return self._bpe.to_str(pretty=True)

    def save(self, path: Path | str) -> None:
        """Write tokenizer.json."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> Tokenizer:
        """Read tokenizer.json. Raises BundleError unless it is one that `train` could have made."""
        try:
            text = Path(path).read_text(encoding="utf-8")
            bpe = tokenizers.Tokenizer.from_str(text)
        except Exception as error:  # the library raises bare Exception for what it cannot parse
            raise BundleError(f"{path}: not a readable tokenizer ({error}).", RETRAIN) from error
        fault = _fault(bpe)
        if fault:
            raise BundleError(f"{path}: {fault}.", RETRAIN)
        return cls(bpe)


GIST = re.compile(r"<\|[^<|>]+\|>")
RETRAIN = "Fetch or train the bundle again."


def _splitter() -> pre_tokenizers.PreTokenizer:
    """Say where merges must not reach across: line breaks, digits, and GPT-2's borders between words.

    Single digits, because a vocabulary with a token for 37 and none for 38 cannot see that they are alike.
    """
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split("\n", "isolated"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )


def _with_headers(texts: Iterable[str]) -> Iterator[str]:
    """Add what the chat format puts around the texts, so that it costs two tokens and not fifteen."""
    for text in texts:
        yield _without_surrogates(_spaced(text))
        yield USER
        yield ASSISTANT


def _spaced(text: str) -> str:
    return f" {text}" if text else ""


def _without_surrogates(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # UTF-16 joins the surrogates that form a pair; what is left over is lone
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _control_tokens(bpe: tokenizers.Tokenizer) -> list[str]:
    """Return the control tokens in the order of their ids, which begin at 0."""
    added = bpe.get_added_tokens_decoder()
    return [added[id].content for id in sorted(added)]


def _bytes_of_each_id(bpe: tokenizers.Tokenizer) -> list[bytes]:
    """Undo the spelling of byte-level BPE files, in which each byte is written as a printable character."""
    byte_of = {character: byte for byte, character in enumerate(_spelling_of_bytes())}
    n_control = len(_control_tokens(bpe))
    table = [b""] * n_control
    for id in range(n_control, bpe.get_vocab_size()):
        table.append(bytes(byte_of[character] for character in bpe.id_to_token(id)))
    return table


def _spelling_of_bytes() -> list[str]:
    """GPT-2's spelling: a printable Latin-1 byte is itself, the others take the code points from 256 on."""
    printable = {
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    }
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def _fault(bpe: tokenizers.Tokenizer) -> str:
    """Say in which way a tokenizer is not one of ours, or return an empty string."""
    ours = tokenizers.Tokenizer(models.BPE())
    ours.pre_tokenizer = _splitter()
    ours.decoder = decoders.ByteLevel()
    found, expected = json.loads(bpe.to_str()), json.loads(ours.to_str())
    for part in ("normalizer", "pre_tokenizer", "decoder", "post_processor", "truncation", "padding"):
        if found[part] != expected[part]:
            return f"its {part} is not the one this project uses"
    for setting, value in expected["model"].items():
        if setting not in ("vocab", "merges") and found["model"].get(setting) != value:
            return f"its model has {setting} {found['model'].get(setting)!r} where {value!r} is expected"
    added = [(token["id"], token["content"], token["special"]) for token in found["added_tokens"]]
    names = [name for _, name, _ in added]
    if tuple(names[:3]) != CONTROL_TOKENS or added != [(id, name, True) for id, name in enumerate(names)]:
        return f"its control tokens are not {', '.join(CONTROL_TOKENS)} with the ids 0, 1, 2, and gists behind them"
    if strange := next((name for name in names[3:] if not GIST.fullmatch(name)), None):
        return f"its control token {strange} is no gist, as <|food|> would be"
    vocab = found["model"]["vocab"]
    if sorted(vocab.values()) != list(range(len(vocab))):
        return "its ids are not 0, 1, 2, … without a gap"
    if not vocab.keys() >= set(_spelling_of_bytes()):
        return "it lacks some of the 256 bytes, so some text would be lost"
    if any(set(name) - set(_spelling_of_bytes()) for name in vocab.keys() - set(names)):
        return "some entry is not spelt in bytes"
    return ""
