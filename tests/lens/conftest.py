"""A tiny model of which every number is random, and one conversation with it."""

from __future__ import annotations

import pytest

from guppylm.chat import Chat
from guppylm.lens import Inside, look_inside
from guppylm.model import Bundle


@pytest.fixture(scope="session")
def tiny_chat(tiny_bundle: Bundle) -> Chat:
    return Chat(tiny_bundle)


@pytest.fixture(scope="session")
def inside(tiny_chat: Chat) -> Inside:
    return look_inside(tiny_chat, tiny_chat.reply("what do you like 🌙", seed=5, max_tokens=12))
