"""Turns many messages into replies at once, for examinations.

One message after another leaves a processor mostly waiting for memory: every token reads all the weights. Messages with
equally many tokens can be read side by side, without padding, and share that cost. Each has dice of its own, so a reply
is the one that `Chat.reply` gives to that message with that seed, but for the rounding of sums done in another order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from guppylm.chat.context import Window
from guppylm.chat.engine import Chat, Reply, Stopped
from guppylm.model.gist import Gist, make_up_mind
from guppylm.model.sampling import Step, sample
from guppylm.model.transformer import KVCache

N_AT_ONCE = 64


def reply_to_all(chat: Chat, messages: Sequence[str], *, seed: int, keep_steps: bool = True) -> list[Reply]:
    """Return the reply to each message at the bundle's own settings.

    Messages that look alike to the model are answered once.

    Args:
        keep_steps: whether the replies hold their steps. Those of a thousand replies take a gigabyte.
    """
    windows = [chat.window(message) for message in messages]
    by_length: dict[int, dict[tuple[int, ...], Window]] = {}
    for window in windows:
        by_length.setdefault(len(window.ids), {})[window.ids] = window
    replies: dict[tuple[int, ...], Reply] = {}
    for alike in map(list, map(dict.values, by_length.values())):
        for first in range(0, len(alike), N_AT_ONCE):
            some = alike[first : first + N_AT_ONCE]
            group = _Group(chat, some, seed, keep_steps=keep_steps)
            replies |= zip((window.ids for window in some), group.run(), strict=True)
    return [replies[window.ids] for window in windows]


class _Group:
    """Replies to messages of one length, all in one tensor. A row that has ended is carried along unread."""

    def __init__(self, chat: Chat, windows: Sequence[Window], seed: int, *, keep_steps: bool) -> None:
        self.keep_steps = keep_steps
        self.bundle, self.windows, self.seed = chat.bundle, windows, seed
        n_before = len(windows[0].ids) + bool(chat.bundle.tokenizer.gists)
        self.n_room = max(0, chat.context - n_before)
        device = chat.bundle.model.tokens.weight.device
        self.cache = KVCache(chat.bundle.config, n_rows=len(windows), device=device)
        self.dice = [torch.Generator().manual_seed(seed) for _ in windows]
        self.steps: list[list[Step]] = [[] for _ in windows]
        self.said: list[list[int]] = [[] for _ in windows]
        self.stopped: list[Stopped | None] = [None] * len(windows)
        self.gists: list[Gist | None] = [None] * len(windows)

    def run(self) -> list[Reply]:
        if self.n_room:
            logits = self._read([window.ids for window in self.windows])  # (B, V)
            self.gists = [make_up_mind(row, self.bundle.tokenizer) for row in logits]
            if self.bundle.tokenizer.gists:
                logits = self._read([(gist.id,) for gist in self.gists if gist])
            while True:
                self._draw(logits)
                if all(self.stopped):
                    break
                logits = self._read([said[-1:] for said in self.said])
        return [self._reply(row) for row in range(len(self.windows))]

    @torch.inference_mode()
    def _read(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Let the model read more tokens of every row, and return the logits (B, V) behind the last."""
        ids = torch.tensor(rows, device=self.cache.keys.device)  # (B, T)
        last = torch.zeros_like(ids, dtype=torch.bool)
        last[:, -1] = True
        return self.bundle.model(ids, cache=self.cache, keep=last)

    def _draw(self, logits: Tensor) -> None:
        for row in self._going():
            said, never = tuple(self.said[row]), self.bundle.tokenizer.never_said
            step = sample(logits[row], said, self.bundle.generation, self.dice[row], never)
            self.said[row].append(step.id)
            if self.keep_steps:
                self.steps[row].append(step)
            if step.id == self.bundle.tokenizer.end_id:
                self.stopped[row] = "end"
            elif len(self.said[row]) == self.n_room:
                self.stopped[row] = "length"

    def _going(self) -> Iterator[int]:
        return (row for row, stopped in enumerate(self.stopped) if stopped is None)

    def _reply(self, row: int) -> Reply:
        tokenizer = self.bundle.tokenizer
        said = [id for id in self.said[row] if id != tokenizer.end_id]
        return Reply(
            text=tokenizer.decode(said, unfinished=True),
            n_tokens=len(said),
            stopped=self.stopped[row] or "length",
            note=self.windows[row].note,
            seed=self.seed,
            window=self.windows[row],
            gist=self.gists[row],
            steps=tuple(self.steps[row]),
        )
