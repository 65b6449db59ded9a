"""Turns a message into a reply: `context.py` decides what the model sees, `engine.py` makes it speak."""

from guppylm.chat.context import Window, visible
from guppylm.chat.engine import Chat, Reply, Stream, Token

__all__ = ["Chat", "Reply", "Stream", "Token", "Window", "visible"]
