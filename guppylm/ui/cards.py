"""Turns personas into cards, one group of radio buttons, and into what the chat shows before a word is said.

Markup is built here from escaped text and handed to gr.HTML as a finished value. Not through its templates:
gradio evaluates a filled template once more as JavaScript, so a `${…}` in a stranger's pack would run.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from guppylm.ui.persona import Persona

BADGES = {"ready": "", "untrained": "not trained yet", "broken": "needs attention"}


LOOKING = '<p class="empty">Looking who is here …</p>'


def cards_html(personas: Sequence[Persona], chosen: str) -> str:
    if not personas:
        return (
            '<p class="empty">No personas here yet. Make one with <code>python -m guppylm new NAME</code>, '
            "then train it with <code>python train.py --persona NAME</code>.</p>"
        )
    cards = "".join(_card(persona, chosen=persona.name == chosen) for persona in personas)
    return f'<div class="cards" role="radiogroup" aria-label="Who to talk to">{cards}</div>'


def hello_html(persona: Persona | None) -> str:
    """Return what the chat shows while nothing has been said: who is there, or what is missing."""
    if persona is None:
        return ""
    return (
        f'<div class="hello {persona.state}"><img src="{persona.avatar}" alt="" width="104" height="104">'
        f"<h2>{escape(persona.title)}</h2><p>{escape(persona.about)}</p>{_remedy(persona)}</div>"
    )


def _card(persona: Persona, *, chosen: bool) -> str:
    checked = "true" if chosen else "false"
    badge = BADGES[persona.state]
    return (
        f'<div class="card {persona.state}" role="radio" aria-checked="{checked}" '
        f'tabindex="{0 if chosen else -1}" data-name="{escape(persona.name, quote=True)}">'
        f'<img src="{persona.avatar}" alt="" width="64" height="64">'
        f'<div class="text"><span class="title">{escape(persona.title)}</span>'
        + (f'<span class="badge">{badge}</span>' if badge else "")
        + (f'<span class="about">{escape(persona.about)}</span>' if persona.about else "")
        + _remedy(persona)
        + "</div></div>"
    )


def _remedy(persona: Persona) -> str:
    if persona.ready:
        return ""
    how = "Look closer with" if "guppylm check" in persona.command else "Train it with"
    return (
        f'<span class="problem">{escape(persona.problem)}</span>'
        f'<span class="how">{how}</span><code>{escape(persona.command)}</code>'
    )
