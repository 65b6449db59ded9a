"""Turns a reply into everything that was computed for it.

    inside = look_inside(chat, chat.reply("are you hungry", seed=1))
    inside.pieces()[inside.first].text      the first token that was said
    inside.surprise()                       how unexpected each token was
    inside.trace.attention[2][0, 1]         who looked at whom, in layer 3, head 2

The conversation is read once more by the same model in the same forward pass, all of it at once and with a `Trace` to
fill; chat reads it a token at a time and with a cache. A test holds the two together.

Positions count from 0 over everything the model saw: the message with its markers, the gist, the reply. What is said at
position t was decided at position t - 1, by the logits there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from guppylm.chat.engine import Chat, Reply
from guppylm.model.bundle import Bundle
from guppylm.model.sampling import Step
from guppylm.model.tokenizer import Piece
from guppylm.model.transformer import Trace

Role = Literal["marker", "message", "gist", "reply", "end"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Inside:
    """One conversation and all that was computed over it.

    Attributes:
        ids: (T,) every token, the one that ended the reply too.
        first: the position of the first token of the reply.
        trace: every intermediate value; B is 1.
        logits: (T, V) the scores for what comes behind each token.
    """

    bundle: Bundle
    reply: Reply
    ids: tuple[int, ...]
    first: int
    trace: Trace
    logits: Tensor

    def pieces(self) -> list[Piece]:
        """Return what each token stands for, (T,)."""
        return self.bundle.tokenizer.pieces(self.ids)

    @cached_property
    def roles(self) -> tuple[Role, ...]:
        """What each token is there for, (T,)."""
        return tuple(self._roles())

    def _roles(self) -> list[Role]:
        tokenizer = self.bundle.tokenizer
        n_prompt = len(self.reply.window.ids)
        roles: list[Role] = []
        in_header = False
        for piece in tokenizer.pieces(self.ids[:n_prompt]):
            if piece.is_control:
                in_header = piece.id == tokenizer.start_id
                roles.append("marker")
            elif in_header:  # "user" or "assistant", up to the end of that line
                in_header = not piece.bytes.endswith(b"\n")
                roles.append("marker")
            else:
                is_break = piece.bytes == b"\n" and self.ids[len(roles) - 1] == tokenizer.end_id
                roles.append("marker" if is_break else "message")
        roles += ["gist"] * (self.first - n_prompt)
        return roles + ["end" if id == tokenizer.end_id else "reply" for id in self.ids[self.first :]]

    def surprise(self) -> list[float]:
        """Return -ln of the probability that each token had, in nats, (T,); 0 for the first, which nothing precedes.

        It is the model's own probability, before temperature and the rest. The mean of it over replies is the loss.
        """
        log_p = self.logits[:-1].double().log_softmax(dim=1)  # (T - 1, V)
        chosen = log_p.gather(1, torch.tensor(self.ids[1:])[:, None])[:, 0]  # (T - 1,)
        return [0.0, *(-chosen).tolist()]

    def step_at(self, position: int) -> Step | None:
        """Return how the token at a position was drawn; None where nothing was."""
        index = position - self.first
        return self.reply.steps[index] if 0 <= index < len(self.reply.steps) else None


@torch.inference_mode()
def look_inside(chat: Chat, reply: Reply) -> Inside:
    """Return everything that was computed for a reply of this chat's bundle."""
    gist = [reply.gist.id] if reply.gist else []
    ids = (*reply.window.ids, *gist, *(step.id for step in reply.steps))
    trace = Trace()
    model = chat.bundle.model
    logits = model(torch.tensor([ids], device=model.tokens.weight.device), trace=trace)[0]  # (T, V)
    first = len(reply.window.ids) + len(gist)
    return Inside(bundle=chat.bundle, reply=reply, ids=ids, first=first, trace=trace, logits=logits.float().cpu())
