"""What a persona pack is once it has been read: one frozen tree, valid by construction.

`load_pack` builds it from a folder; the generator, the examination, the card and the page only read it. A
Pack that exists has no errors: every name in every line has been found, every number is in its range. It
holds no behaviour of its own; counting, drawing and checking are functions elsewhere that take one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from guppylm.packs.place import Place

if TYPE_CHECKING:
    from guppylm.packs.grammar import Line, Scope

Mode = Literal["even", "balanced", "rich"]


@dataclass(frozen=True, kw_only=True)
class Voice:
    """How every reply must sound.

    Attributes:
        case: `lower` when no reply may hold a capital letter, `any` otherwise.
        max_words: the longest reply, in what stands between spaces.
        max_chars: the longest reply in characters, for scripts without spaces; None for no such rule.
        forbid: what no reply may contain; with letters as whole words in any case, without as it stands.
        places: where each rule was written, by `case`, `max_words`, `max_chars`, `forbid[0]`, …
    """

    case: Literal["lower", "any"] = "any"
    max_words: int = 60
    max_chars: int | None = None
    forbid: tuple[str, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How people type: shares, out of their sum, of each kind of change made to a prompt.

    `short` swaps words for the chat short forms of `Pack.short`; `around` puts one of the phrases `before` and
    `after` where its name says.
    """

    keep: int = 60
    case: int = 12
    marks: int = 12
    typo: int = 8
    short: int = 8
    around: int = 0


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Prompts and the replies that answer them.

    `index` counts within the topic from 0. The lines are parsed, and every name in them stands in the scope
    of their topic.
    """

    ask: tuple[Line, ...]
    reply: tuple[Line, ...]
    held_out: tuple[Line, ...] = ()
    weight: int = 1
    index: int = 0
    place: Place | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One thing people talk about: a file of `topics/`, its name the category of its rows.

    `scope` holds the shared lists and phrases, with the topic's own hiding those of the same name.
    """

    name: str
    about: str = ""
    label: str = ""
    weight: int = 1
    scenes: tuple[Scene, ...] = ()
    scope: Scope
    place: Place


@dataclass(frozen=True, kw_only=True)
class Pack:
    """A persona, whole and valid.

    Attributes:
        name: the folder's name, which is also the bundle's.
        title: the name the persona goes by.
        avatar_svg: the drawing itself, as SVG text; empty when there is none.
        starters: messages to offer a visitor; each can really be asked.
        fallback: the topic for everything the persona does not know; empty when there is none.
        identity: the topics in which it says who and what it is.
        exam: free messages by the topic they belong to, and `_unknown` for those outside its world.
        short: chat short forms: a word, and the spellings people type for it.
        folder: where it was read from.
        digest: sha256 over every file of the pack and of the packs it extends.
        files: those files, keyed as `guppy/persona.yaml` and `_chat/phrases.yaml`.
        scope: the shared lists and phrases, as a topic without its own would see them.
        places: where the values of persona.yaml stand, by path, as in `starters[2]`; those of exam.yaml as in
            `exam/food[2]`.
    """

    name: str
    title: str
    about: str
    language: str = "en"
    avatar_svg: str = field(default="", repr=False)
    voice: Voice = Voice()
    noise: Noise = Noise()
    mode: Mode = "balanced"
    fallback: str = ""
    identity: tuple[str, ...] = ()
    starters: tuple[str, ...] = ()
    topics: Mapping[str, Topic] = field(repr=False)
    exam: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    short: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    scope: Scope = field(repr=False)
    folder: Path
    digest: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    places: Mapping[str, Place] = field(default_factory=dict, repr=False, compare=False)
