"""Says which keys each file of a pack has, what they mean and what may stand in them.

The pydantic models below are the one description. From them come the JSON Schema files in personas/schema/,
which make an editor explain and complete every key, and the typed values the loader builds on. `check`
validates each file against that same published schema, so what an editor underlines is what `check`
reports.

Packs are read as text throughout (see read.py), so a number is due as digits and a text may look like
anything: the schema accepts `3`, `no` and `null` wherever the loader takes text. Whether names exist is not
decided here.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)

MAX_LINE = 400
MAX_MESSAGE = 2_000  # of an examination; people go on and on
MAX_FORBIDDEN = 200
MAX_STARTERS = 40
LINE_KEYS = ("ask", "reply", "held_out")
NAME = re.compile(r"[^\W\d]+")

_TEXT_TYPES = ["string", "number", "boolean", "null"]
_LANGUAGE = "[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*"
_TIMES = r"[0-9]{1,2}(\.\.[0-9]{1,2})?"
_YES = ("yes", "true", "on")
_NO = ("no", "false", "off")


def _form(pattern: str) -> BeforeValidator:
    """Return a validator that takes text of this form and no other."""

    def check(value: object) -> object:
        if re.fullmatch(pattern, str(value)) is None:
            raise ValueError("not of this form")
        return value

    return BeforeValidator(check)


def _number(low: int, high: int, digits: str) -> Any:
    """Return the type of a whole number, which reaches us as its digits; `digits` matches no others."""
    shape = {"type": ["integer", "string"], "minimum": low, "maximum": high, "pattern": f"^({digits})$"}
    return Annotated[int, _form(digits), WithJsonSchema(shape)]


def _listed(value: object) -> object:
    """Return a text alone as a list of one."""
    return [value] if isinstance(value, str) and value else value


def _yes_or_no(value: object) -> object:
    word = str(value)
    return True if word in _YES else False if word in _NO else value


Text = Annotated[str, Field(max_length=MAX_LINE), WithJsonSchema({"type": _TEXT_TYPES, "maxLength": MAX_LINE})]
Name = Annotated[
    str,
    Field(min_length=1, max_length=80),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 80}),
]
Language = Annotated[str, _form(_LANGUAGE), WithJsonSchema({"type": "string", "pattern": f"^{_LANGUAGE}$"})]
Switch = Annotated[bool, BeforeValidator(_yes_or_no), WithJsonSchema({"enum": [True, False, *_YES, *_NO]})]
Weight = _number(1, 1000, "1000|[1-9][0-9]{0,2}")
Share = _number(0, 100, "100|[1-9]?[0-9]")
Times = Annotated[str, _form(_TIMES), WithJsonSchema({"type": ["string", "integer"], "pattern": f"^{_TIMES}$"})]


def _several(item: Any, description: str) -> Any:
    """Return the type of a list of texts, in which one text alone is a list of one."""
    one = TypeAdapter(item).json_schema()
    shape = one | {"type": ["array", *_TEXT_TYPES[:3]], "items": one, "minItems": 1, "minLength": 1}
    listed = BeforeValidator(_listed)
    return Annotated[list[item], Field(min_length=1, description=description), listed, WithJsonSchema(shape)]


def _at_most(most: int, item: Any, description: str) -> Any:
    """Return the type of a list of texts of which there may be only so many."""
    several = _several(item, description)
    shape = TypeAdapter(several).json_schema() | {"maxItems": most}
    return Annotated[several, Field(max_length=most), WithJsonSchema(shape)]


class _Keys(BaseModel):
    """A mapping whose keys are all known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VoiceKeys(_Keys):
    """How every reply must sound. `check` proves it for every reply that can come out."""

    case: Literal["lower", "any"] = Field("any", description="lower: no reply holds a capital letter.")
    max_words: _number(1, 400, "400|[1-3][0-9]{2}|[1-9][0-9]?") = Field(
        60, description="The longest reply, in what stands between spaces."
    )
    max_chars: _number(1, 4000, "4000|[1-3][0-9]{3}|[1-9][0-9]{0,2}") | None = Field(
        None, description="The longest reply in characters, for scripts that put no spaces between words."
    )
    forbid: _at_most(
        MAX_FORBIDDEN,
        Name,
        "What no reply may contain: words as whole words in any case, marks as they stand.",
    ) = []


class NoiseKeys(_Keys):
    """How people type. Shares out of 100 of the prompts; kinds left out share what remains as usual."""

    keep: Share | None = Field(None, description="Prompts left as written. Usually 60.")
    case: Share | None = Field(None, description="CAPITALS, or Capital First Letters. Usually 12.")
    marks: Share | None = Field(None, description="Marks added, doubled or left out. Usually 12.")
    typo: Share | None = Field(None, description="A slip of the fingers. Usually 8.")
    short: Share | None = Field(None, description="Chat spellings, from short.yaml. Usually 8.")
    around: Share | None = Field(
        None, description="A clause before or behind, from the phrases `before` and `after`. Usually 0."
    )


class PersonaFile(_Keys):
    """Who the persona is, how it speaks, and what to offer a visitor."""

    format: Literal["persona/1"] = Field(description="The version of this format: persona/1.")
    name: Name = Field(description="The name the persona goes by.")
    language: Language = Field("en", description="The language it speaks, as a code: en, fr, pt-BR.")
    about: Annotated[
        str,
        Field(min_length=1, max_length=MAX_LINE, description="One sentence: who this is and where it lives."),
        WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_LINE}),
    ]
    avatar: Name | None = Field(None, description="A drawing in this folder, as in avatar.svg.")
    extends: _several(Name, "Packs whose lists, phrases, short forms and topics are taken over.") = []
    skip: _several(Name, "Topics of those packs that this persona leaves out.") = []
    voice: VoiceKeys = Field(VoiceKeys(), description="How every reply must sound.")
    noise: NoiseKeys = Field(NoiseKeys(), description="How people type: shares out of 100 of the prompts.")
    fallback: Name | None = Field(None, description="The topic that answers anything unknown.")
    identity: _several(
        Name, "The topics in which it says who and what it is; the examination looks at them closely."
    ) = []
    starters: _at_most(MAX_STARTERS, Text, "Messages to offer a visitor. Each must be one that `ask` can make.") = []
    mode: Literal["even", "balanced", "rich"] = Field(
        "balanced",
        description="How forks are weighed: even, rich (by how much is behind) or balanced (by its root).",
    )


_OR_ONE_WORD = {"type": ["array", *_TEXT_TYPES[:3]], "minLength": 1, "maxLength": MAX_LINE}


def _as_entry(value: object) -> object:
    return {"word": value} if isinstance(value, str) else value


def _or_text(schema: dict[str, Any]) -> None:
    """Let the schema of a word accept a plain text too."""
    schema["type"] = [*_TEXT_TYPES, "object"]
    schema["maxLength"] = MAX_LINE


class WordKeys(BaseModel):
    """A word: plain text, or its text and its forms by name, as in {word: shrimp, s: shrimp}."""

    model_config = ConfigDict(extra="allow", frozen=True, json_schema_extra=_or_text)
    __pydantic_extra__: dict[str, Text]

    word: Text = Field(description="The word itself.")
    held_out: Switch = Field(False, description="yes: never trained, only used to examine.")


Words = Annotated[
    list[Annotated[WordKeys, BeforeValidator(_as_entry)]],
    BeforeValidator(_listed),
    Field(min_length=1, json_schema_extra=_OR_ONE_WORD),
]
WordLists = Annotated[dict[Name, Words], Field(description="Word lists by name, for slots such as <food>.")]
Lines = _several(Text, "Lines, one of which is picked at each use.")
Phrases = Annotated[dict[Name, Lines], Field(description="Bits of sentences by name; each use picks one of the lines.")]
Ask = _several(Text, "What people say. Every line stands for all the messages its choices and slots can make.")
Reply = _several(Text, "What the persona answers.")
HeldOut = _several(Text, "Ways to ask that are never trained, only used to examine.")
Topics = _several(Name, "Topics any of which may come up here.")
Spellings = _several(Text, "How people write this when they chat.")
Message = Annotated[str, Field(max_length=MAX_MESSAGE), WithJsonSchema({"type": _TEXT_TYPES, "maxLength": MAX_MESSAGE})]
Messages = _several(Message, "Messages as people would really type them.")


class SceneKeys(_Keys):
    """Prompts and the replies that answer them, and only them."""

    ask: Ask
    reply: Reply
    held_out: HeldOut = []
    weight: Weight = Field(1, description="How often, beside the other scenes of this topic.")


class TopicFile(_Keys):
    """One thing people talk about. The file's name is the category of its rows."""

    about: Text = Field("", description="One line on what this topic is for.")
    label: Text = Field("", description="What the page calls this topic.")
    weight: Weight = Field(1, description="How many rows, beside the other topics.")
    words: WordLists = {}
    phrases: Phrases = {}
    ask: Ask = []
    reply: Reply = []
    held_out: HeldOut = []
    scenes: list[SceneKeys] = Field(
        [], min_length=1, description="Groups of prompts with their own replies, in place of ask and reply."
    )

    @model_validator(mode="after")
    def _has_prompts_and_replies(self) -> TopicFile:
        alone = bool(self.ask and self.reply)
        if alone == bool(self.scenes) or (self.scenes and (self.ask or self.reply or self.held_out)):
            raise ValueError("a topic has ask and reply, or scenes")
        return self


class TurnKeys(_Keys):
    """One exchange of a dialogue, or a few exchanges of other topics."""

    ask: Ask = []
    reply: Reply = []
    any: Topics = []
    times: Times = Field("1", description="How many exchanges of them: 2, or 0..2.")


class ThreadFile(_Keys):
    """A dialogue of several turns, with one choice of words throughout."""

    about: Text = Field("", description="One line on what this dialogue is for.")
    weight: Weight = Field(1, description="How often, beside the other dialogues.")
    words: WordLists = {}
    turns: list[TurnKeys] = Field(min_length=1, description="The exchanges, in order.")


class WordsFile(RootModel[WordLists]):
    """Word lists: the words a slot such as <food> can stand for."""


class PhrasesFile(RootModel[Phrases]):
    """Bits of sentences that many lines use, such as <hey>."""


class ShortFile(RootModel[dict[Name, Spellings]]):
    """Chat short forms: a word, and the spellings people type for it."""


class ExamFile(RootModel[dict[Name, Messages]]):
    """Messages by the topic they belong to, never trained on; `_unknown` for what the persona cannot know."""


MODELS: dict[str, type[BaseModel]] = {
    "persona": PersonaFile,
    "words": WordsFile,
    "phrases": PhrasesFile,
    "short": ShortFile,
    "topic": TopicFile,
    "thread": ThreadFile,
    "exam": ExamFile,
}
"""The kinds of file, by the name of their schema."""
