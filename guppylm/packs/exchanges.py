"""Turns the prompts and replies of a scene into exchanges: which of its replies may answer which of its prompts.

    ask    i am <person>      it is me again        reply    <person>. i like that name.      hello, you.
           \\__________________________________ may be answered with ___/                     /
                              \\_____________________________________________________________/

Any reply of a scene fits any of its prompts, with one exception. Where prompts and replies share a slot, a reply that
says its word answers only lines that say it: a word that nobody has said cannot be repeated. Otherwise half of the rows
would teach a persona to greet people by a name that they do not have. A prompt for which there is no other reply gets
them all, and the word is the persona's own.
"""

from __future__ import annotations

from collections.abc import Iterator

from guppylm.packs.count import Counter, Variables
from guppylm.packs.grammar import Bound
from guppylm.packs.lang import Choice, Option, Sequence


def exchanges(ask: Choice, reply: Choice, counter: Counter, *, trained: Choice | None = None) -> tuple[Sequence, ...]:
    """Return pairs of trees, prompts and replies, in which every reply fits every prompt.

    Together they hold each prompt of `ask` once. Prompts that may be answered alike stay together, so that most scenes
    are one exchange.

    Args:
        trained: where `ask` are held-out prompts, the others of the scene; a slot of theirs is shared as well.
    """
    prompts: dict[tuple[Option, ...], list[Option]] = {}  # by the replies that they may have
    for option, fitting in _fitting(ask, reply, trained or ask, counter):
        prompts.setdefault(fitting or reply.options, []).append(option)
    if list(prompts) == [reply.options]:
        return (Sequence((ask, reply)),)
    return tuple(Sequence((Choice(tuple(asked)), Choice(replies))) for replies, asked in prompts.items())


def unanswered(ask: Choice, reply: Choice, counter: Counter) -> list[Option]:
    """Return the prompts for which every reply repeats a word that they do not say."""
    return [option for option, fitting in _fitting(ask, reply, ask, counter) if not fitting]


def _fitting(
    ask: Choice, reply: Choice, trained: Choice, counter: Counter
) -> Iterator[tuple[Option, tuple[Option, ...]]]:
    """Yield each prompt with the replies that repeat nothing but what it says."""
    asked = _variables(ask, counter) | _variables(trained, counter)
    tied = [_variables(line.node, counter) & asked for line in reply.options]
    for option in ask.options:
        said = _variables(option.node, counter)
        yield option, tuple(line for line, words in zip(reply.options, tied, strict=True) if words <= said)


def _variables(node: Bound, counter: Counter) -> Variables:
    """Return the variables that some text of this tree uses."""
    return frozenset().union(*counter.poly(node))
