"""Turns a half-trained model and a message into what it would say now.

The same sum as in chat, at the same seed, so the last replies that training shows are the ones a visitor
gets who asks with that seed. Chat's engine is not used: it is built on finished bundles, and training
knows nothing of chat.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from guppylm.model.gist import make_up_mind
from guppylm.model.sampling import Sampling, sample
from guppylm.model.tokenizer import Tokenizer
from guppylm.model.transformer import KVCache, Transformer

MAX_TOKENS = 48  # an untrained model never ends; nobody wants to read more of that


@dataclass(frozen=True, kw_only=True)
class Said:
    """A message, and what the model said to it."""

    prompt: str
    reply: str


def replies(model: Transformer, tokenizer: Tokenizer, prompts: Iterable[str], *, seed: int) -> tuple[Said, ...]:
    """Return one reply to each prompt. Leaves the model in the mode it was in, and torch's dice alone."""
    was_training = model.training
    model.eval()
    said = tuple(
        Said(prompt=prompt, reply=_reply(model, tokenizer, tokenizer.prompt((), prompt), seed)) for prompt in prompts
    )
    model.train(was_training)
    return said


def _reply(model: Transformer, tokenizer: Tokenizer, ids: list[int], seed: int) -> str:
    device = model.tokens.weight.device
    dice = torch.Generator().manual_seed(seed)
    cache = KVCache(model.config, device=device)
    said: tuple[int, ...] = ()
    new_ids = ids
    while len(said) < min(MAX_TOKENS, model.config.context - len(ids) - 1):
        with torch.inference_mode():
            logits = model(torch.tensor([new_ids], device=device), cache=cache)[0, -1]  # (V,)
        if new_ids is ids and (gist := make_up_mind(logits, tokenizer)):
            new_ids = [gist.id]
            continue
        id = sample(logits, said, Sampling(), dice, tokenizer.never_said).id
        if id == tokenizer.end_id:
            break
        said += (id,)
        new_ids = [id]
    return tokenizer.decode(said)
