"""Tiny language models with a personality: a pack of templates in, somebody to talk to out.

    from guppylm import Bundle, Chat, load_pack

    Chat(Bundle.load("models/guppy")).reply("hi", seed=1).text

These names are looked up when they are first used, so that `load_pack` costs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guppylm.chat import Chat
    from guppylm.model import Bundle
    from guppylm.packs.load import load_pack

__all__ = ["Bundle", "Chat", "load_pack"]

_HOMES = {"Bundle": "guppylm.model", "Chat": "guppylm.chat", "load_pack": "guppylm.packs.load"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
