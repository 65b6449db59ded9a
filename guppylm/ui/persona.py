"""What the page knows about one persona: what its card shows, and whether it can talk."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

State = Literal["ready", "untrained", "broken"]


@dataclass(frozen=True, kw_only=True)
class Persona:
    """What a card shows.

    Attributes:
        name: the folder's name, by which the persona is asked for.
        state: ready to talk, untrained (a pack without weights), or broken (something does not load).
        problem: why it cannot talk, in one sentence; empty when it can.
        command: what to type so that it can; empty when it can.
        language: as a code: en, fr, pt-BR.
        max_turns: how many exchanges the weights were raised to see.
    """

    name: str
    title: str
    about: str = ""
    avatar_svg: str = ""
    starters: tuple[str, ...] = ()
    state: State = "ready"
    problem: str = ""
    command: str = ""
    max_turns: int = 1
    language: str = "en"

    @property
    def ready(self) -> bool:
        return self.state == "ready"

    @property
    def avatar(self) -> str:
        """A data: address for an <img>, where an SVG can run no script and fetch nothing."""
        svg = self.avatar_svg or resources.files("guppylm.ui").joinpath("assets/avatar.svg").read_text("utf-8")
        return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")

    def summary(self) -> dict[str, Any]:
        """Return what the /personas endpoint tells."""
        return {
            "name": self.name,
            "title": self.title,
            "about": self.about,
            "ready": self.ready,
            "state": self.state,
            "problem": self.problem,
            "command": self.command,
            "max_turns": self.max_turns,
            "starters": list(self.starters),
        }
