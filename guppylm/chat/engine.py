"""Turns a message into a reply, token by token, with the sum behind every token.

    chat = Chat(Bundle.load("models/guppy"))
    chat.reply("hi", seed=1).text

    stream = chat.stream("hi", seed=1)
    for token in stream:
        print(token.text_so_far)
    stream.reply.stopped

A `Chat` holds nothing that changes. What belongs to one reply (the cache, the dice, the tokens so far)
lives in its `Stream`. So one Chat may answer any number of threads at once, each as if it were alone.

Deliberately not: retries, filters on what is said, or a system prompt. The personality is in the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from guppylm.chat.context import Window, visible
from guppylm.errors import ChatError
from guppylm.model.bundle import Bundle
from guppylm.model.ear import ear_of
from guppylm.model.gist import Gist, make_up_mind
from guppylm.model.sampling import Sampling, Step, sample
from guppylm.model.transformer import KVCache

Stopped = Literal["end", "length", "cancelled"]

# Kept free for the reply when a long message or earlier turns want the room. No persona's reply is longer.
N_RESERVED = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Token:
    """One more token of a reply.

    Attributes:
        text_so_far: the reply up to here. Only ever grows; a character of which bytes are missing waits.
        step: how this token was chosen.
    """

    text_so_far: str
    step: Step


@dataclass(frozen=True, kw_only=True, eq=False)
class Reply:
    """A reply, whole or as far as it went.

    Attributes:
        n_tokens: tokens of the text; the end marker is not counted.
        stopped: "end" when the persona had said it all, "length" at max_tokens, "cancelled" if closed early.
        note: what the model could not see of the conversation; mostly empty.
        seed: asks for the same reply again.
        window: what was handed to the model.
        gist: what the persona took the message to be about; None before it has, or where it never learned to.
        steps: how every token was chosen; the last one is the end marker if `stopped` is "end".
    """

    text: str
    n_tokens: int
    stopped: Stopped
    note: str
    seed: int
    window: Window
    gist: Gist | None
    steps: tuple[Step, ...]


class Chat:
    """A trained persona that answers. Puts the model into evaluation mode, and after that changes nothing."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.max_turns = int(bundle.metrics.get("max_turns", 1))
        # A message far longer than any that was trained muddles the model. Where training says how far to go, stop.
        trained = bundle.metrics.get("n_positions_trained") or bundle.config.context
        self.context = min(bundle.config.context, int(trained))
        self._hear = ear_of(bundle.metrics.get("hears"))
        bundle.model.eval()

    def reply(
        self,
        message: str,
        *,
        history: Sequence[tuple[str, str]] = (),
        seed: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
    ) -> Reply:
        """Return the whole reply to `message`. The arguments are those of `stream`."""
        stream = self.stream(
            message,
            history=history,
            seed=seed,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            max_tokens=max_tokens,
        )
        for _ in stream:
            pass
        return stream.reply

    def stream(
        self,
        message: str,
        *,
        history: Sequence[tuple[str, str]] = (),
        seed: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        begin: Sequence[int] = (),
    ) -> Stream:
        """Start a reply and return it as an iterator of Tokens. Closing it stops the work.

        Args:
            message: any text at all, also an empty one.
            history: earlier (message, reply) pairs, oldest first. A persona trained on single exchanges is
                not shown them, and the reply's note says so.
            seed: the same seed, message and settings give the same reply; None for a new one each time.
            temperature, top_k, top_p: None for what the bundle suggests; see `Sampling`.
            max_tokens: longest reply; None for as long as the context allows.
            begin: tokens the reply begins with, whatever the dice say; from there it goes on by itself.

        Raises:
            ChatError: a setting makes no sense.
        """
        if not isinstance(message, str):
            raise ChatError(f"the message is {type(message).__name__}, not text.", "Give it as a string.")
        sampling = self.bundle.generation.changed(temperature=temperature, top_k=top_k, top_p=top_p)
        window = self.window(message, history=history, max_tokens=max_tokens)
        room = max(0, self.context - len(window.ids) - bool(self.bundle.tokenizer.gists))
        n_most = room if max_tokens is None else min(max_tokens, room)
        return Stream(self.bundle, window, sampling, _seed(seed), n_most, begin=self._checked(begin))

    def _checked(self, begin: Sequence[int]) -> tuple[int, ...]:
        tokenizer = self.bundle.tokenizer
        for id in begin:
            if not isinstance(id, int) or not 0 <= id < tokenizer.vocab_size or id in tokenizer.never_said:
                raise ChatError(f"a reply cannot begin with the token {id!r}.", "Take one of the candidates.")
        return tuple(begin)

    def window(self, message: str, *, history: Sequence[tuple[str, str]] = (), max_tokens: int | None = None) -> Window:
        """Return what the model would be shown of a conversation, and what not."""
        if max_tokens is not None and (not isinstance(max_tokens, int) or max_tokens < 1):
            raise ChatError(f"max_tokens is {max_tokens!r}.", "Give a whole number of at least 1.")
        reserve = min((max_tokens or N_RESERVED) + bool(self.bundle.tokenizer.gists), self.context // 2)
        history = [(self._hear(asked), said) for asked, said in history]
        return visible(
            history, self._hear(message), self.bundle.tokenizer, self.context, reserve, max_turns=self.max_turns
        )


class Stream:
    """One reply while it is being made: an iterator of Tokens, and afterwards `reply`."""

    def __init__(
        self,
        bundle: Bundle,
        window: Window,
        sampling: Sampling,
        seed: int,
        max_tokens: int,
        *,
        begin: tuple[int, ...] = (),
    ) -> None:
        self.window = window
        self._bundle = bundle
        self._sampling = sampling
        self._seed = seed
        self._max_tokens = max_tokens
        self._begin = begin
        self._steps: list[Step] = []
        self._stopped: Stopped | None = None
        self._gist: Gist | None = None
        self._tokens = self._run()

    def __iter__(self) -> Iterator[Token]:
        return self

    def __next__(self) -> Token:
        return next(self._tokens)

    def close(self) -> None:
        """Stop here. What was said so far is the reply."""
        self._tokens.close()
        self._stopped = self._stopped or "cancelled"

    @property
    def reply(self) -> Reply:
        """The reply; while tokens are still to come, as far as it has got, and "cancelled"."""
        said = self._said()
        return Reply(
            text=self._text(said),
            n_tokens=len(said),
            stopped=self._stopped or "cancelled",
            note=self.window.note,
            seed=self._seed,
            window=self.window,
            gist=self._gist,
            steps=tuple(self._steps),
        )

    def _run(self) -> Iterator[Token]:
        tokenizer = self._bundle.tokenizer
        dice = torch.Generator().manual_seed(self._seed)
        cache = KVCache(self._bundle.config, device=self._bundle.model.tokens.weight.device)
        logits = self._read(self.window.ids, cache) if self._max_tokens else None
        if logits is not None and (gist := make_up_mind(logits, tokenizer)):
            self._gist = gist
            logits = self._read([gist.id], cache)
        while logits is not None and len(self._steps) < self._max_tokens:
            step = sample(logits, self._said(), self._sampling, dice, tokenizer.never_said)
            if len(self._steps) < len(self._begin):
                step = step.instead(self._begin[len(self._steps)])
            self._steps.append(step)
            if step.id == tokenizer.end_id:
                self._stopped = "end"
                return
            yield Token(text_so_far=self._text(self._said()), step=step)
            logits = self._read([step.id], cache) if len(self._steps) < self._max_tokens else None
        self._stopped = "length"

    def _read(self, new_ids: Sequence[int], cache: KVCache) -> Tensor:
        """Let the model read more tokens, and return the logits (V,) behind the last."""
        model = self._bundle.model
        # Entered for each call anew: it belongs to the thread, and a stream may be read by several.
        with torch.inference_mode():
            ids = torch.tensor([new_ids], device=model.tokens.weight.device)  # (1, T)
            last = torch.arange(len(new_ids), device=ids.device).eq(len(new_ids) - 1)[None]  # (1, T)
            return model(ids, cache=cache, keep=last)[0]  # (V,)

    def _said(self) -> tuple[int, ...]:
        return tuple(step.id for step in self._steps if step.id != self._bundle.tokenizer.end_id)

    def _text(self, said: Sequence[int]) -> str:
        return self._bundle.tokenizer.decode(said, unfinished=True)


def _seed(seed: int | None) -> int:
    """Check a seed, or take a new one from the system."""
    if seed is None:
        return torch.Generator().seed() % 2**63
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ChatError(f"seed is {seed!r}.", "Give a whole number from 0 up, or none for a new one each time.")
    return seed
