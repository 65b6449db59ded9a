"""Turns the shelf into two named endpoints, for programs: /chat and /personas.

    curl -X POST http://127.0.0.1:7860/gradio_api/call/v2/chat -H 'content-type: application/json' \
         -d '{"message": "hi", "persona": "NAME", "seed": 1}'                  -> {"event_id": "…"}
    curl http://127.0.0.1:7860/gradio_api/call/v2/chat/EVENT_ID                 -> the reply

Everything else on the page is private. An endpoint keeps no history: one message, one reply.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from guppylm.errors import GuppyError
from guppylm.ui.chat_tab import draw_seed
from guppylm.ui.conversation import N_CHARACTERS_SENT, Knobs
from guppylm.ui.shelf import Shelf

DEFAULT = Knobs()


def add_endpoints(shelf: Shelf, *, n_concurrent: int) -> None:
    """Add /chat and /personas to the Blocks that is being built."""

    def chat(
        message: str,
        persona: str = "",
        seed: int | None = None,
        temperature: float = DEFAULT.temperature,
        top_k: int = DEFAULT.top_k,
        top_p: float = DEFAULT.top_p,
    ) -> str:
        """Ask a persona one thing and get its reply.

        Args:
            message: what to say; an empty message is answered too.
            persona: a name from /personas; empty for the first that can talk.
            seed: the same seed gives the same reply; none for a new one each time.
            temperature: 0 for the likeliest words, higher for more surprise.
            top_k: how many of the likeliest tokens to pick from; 0 for all.
            top_p: pick from the likeliest tokens that add up to this share.
        """
        try:
            reply = shelf.chat(persona or _first_ready(shelf)).reply(
                (message or "")[-N_CHARACTERS_SENT:],
                seed=draw_seed() if seed is None else int(seed),
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
            )
        except GuppyError as error:
            raise gr.Error(" ".join(str(error).split()), print_exception=False) from error
        return reply.text

    def personas() -> list[dict[str, Any]]:
        """List the personas: name, title, about, whether it is ready, and if not, why and what to type."""
        return [persona.summary() for persona in shelf.personas()]

    gr.api(chat, api_name="chat", concurrency_id="chat", concurrency_limit=n_concurrent)
    gr.api(personas, api_name="personas", queue=False)


def _first_ready(shelf: Shelf) -> str:
    for persona in shelf.personas():
        if persona.ready:
            return persona.name
    raise GuppyError("No persona here can talk yet.", "Train one: python train.py --persona NAME")
