"""Turns what a page asks about a reply into the inside of that reply.

A reply is not kept for its inside: the persona, the message, the seed and the settings say it again, token by token
the same. So nothing of a visitor lies on the server but the last few insides, and these are found again only by who
asks the same question. What the page sends is a stranger's and is checked first. Nothing here knows gradio.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from guppylm.errors import GuppyError
from guppylm.ui.conversation import N_CHARACTERS_SENT
from guppylm.ui.shelf import Shelf

T = TypeVar("T")

MAX_SEED = 2**31 - 1
N_INSIDES_KEPT = 8  # a few megabytes each
N_ROWS_KEPT = 12  # the training rows of a topic, likewise

Text = Annotated[str, Field(max_length=N_CHARACTERS_SENT)]


class Ask(BaseModel):
    """Which reply to look into. Two that are equal have the same inside.

    Attributes:
        history: earlier (message, reply) pairs that the persona was shown.
        n_tokens: after how many tokens somebody stopped it; 0 where nobody did.
        begin: tokens the reply begins with, whatever the dice say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    persona: Annotated[str, Field(min_length=1, max_length=100)]
    message: Text
    history: Annotated[tuple[tuple[Text, Text], ...], Field(max_length=32)] = ()
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 1
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    top_k: Annotated[int, Field(ge=0, le=100)] = 40
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    n_tokens: Annotated[int, Field(ge=0, le=10_000)] = 0
    begin: Annotated[tuple[int, ...], Field(max_length=1000)] = ()


class Redraw(BaseModel):
    """Under which other settings to draw one token again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: Annotated[float, Field(ge=0, le=2)]
    top_k: Annotated[int, Field(ge=0, le=100)]
    top_p: Annotated[float, Field(gt=0, le=1)]


Sent = TypeVar("Sent", bound=BaseModel)


def checked(kind: type[Sent], sent: Any) -> Sent:
    """Return what the page sent, as what it should be. Raises GuppyError with the first thing that is wrong."""
    try:
        return kind.model_validate(sent)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the question"
        raise GuppyError(f"{where}: {first['msg']}.", "Load the page again.") from None


class Looker:
    """Looks into replies, and remembers the last few. Safe to use from many threads."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._lock = threading.Lock()
        self._insides: OrderedDict[Hashable, Any] = OrderedDict()
        self._rows: OrderedDict[Hashable, Any] = OrderedDict()

    def inside(self, ask: Ask) -> Any:
        """Return the Inside of a reply. Raises GuppyError where there is no such persona, or it has no weights."""
        from guppylm.lens import look_inside

        chat = self._shelf.chat(ask.persona)
        key = (ask, id(chat.bundle))  # the entry holds the bundle, so no other can get its id meanwhile
        return self._kept(self._insides, key, N_INSIDES_KEPT, lambda: look_inside(chat, _say_again(chat, ask)))

    def memory(self, ask: Ask) -> Any:
        """Return where the words of a reply stood in training. Takes seconds the first time a topic is asked for.

        Raises:
            GuppyError: what the persona was raised on cannot be made again.
        """
        from guppylm.lens.memory import remember, rows_of

        inside = self.inside(ask)
        bundle = inside.bundle
        if inside.reply.gist is None:
            raise GuppyError("This persona names no topic before it speaks, so there is no telling where to search.")
        n_rows, seed = _made_of(bundle.metrics)
        pack, topic = self._shelf.pack(self._shelf.persona(ask.persona)), inside.reply.gist.topic
        if pack is None or topic not in pack.topics:
            raise GuppyError(f"The topic {topic!r} is not in the pack that came with these weights.")
        rows = self._kept(
            self._rows,
            (id(bundle), topic),
            N_ROWS_KEPT,
            lambda: (bundle, rows_of(pack, topic, bundle.tokenizer, n_rows=n_rows, seed=seed)),
        )[1]
        return remember(inside, rows)

    def _kept(self, kept: OrderedDict[Hashable, T], key: Hashable, n: int, make: Callable[[], T]) -> T:
        """Return what is kept under a key, made first if need be. Two who ask at once may both make it."""
        with self._lock:
            if key in kept:
                kept.move_to_end(key)
                return kept[key]
        made = make()
        with self._lock:
            kept[key] = made
            while len(kept) > n:
                kept.popitem(last=False)
        return made


def _say_again(chat: Any, ask: Ask) -> Any:
    """Return the Reply, as far as it went."""
    stream = chat.stream(
        ask.message,
        history=ask.history,
        seed=ask.seed,
        temperature=ask.temperature,
        top_k=ask.top_k,
        top_p=ask.top_p,
        begin=ask.begin,
    )
    for n_said, _ in enumerate(stream, start=1):
        if n_said == ask.n_tokens:
            stream.close()
    return stream.reply


def _made_of(metrics: Any) -> tuple[int, int]:
    """Return how many rows a bundle was raised on, and with which seed they were made."""
    settings = metrics.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    n_rows, seed = settings.get("n_rows"), settings.get("seed")
    if not isinstance(n_rows, int) or not isinstance(seed, int) or not 0 < n_rows <= 2_000_000:
        raise GuppyError("These weights do not say from which rows they were trained.")
    return n_rows, seed
