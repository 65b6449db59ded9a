"""Turns the prompts and replies of a scene into exchanges: which of its replies may answer which of its prompts.

    ask    i am <person>      it is me again        reply    <person>. i like that name.      hello, you.
           \\__________________________________ may be answered with ___/                     /
                              \\_____________________________________________________________/

Any reply of a scene fits any of its prompts, with one exception. Where prompts and replies share a slot, a reply that
says its word answers only prompts that say it: a word that nobody has said cannot be repeated. Otherwise half of the
rows would teach a persona to greet people by a name that they do not have. A scene whose every reply says the word is
left alone: there the word is the persona's own.
"""

from __future__ import annotations

from guppylm.packs.count import Counter, Variables
from guppylm.packs.grammar import Bound
from guppylm.packs.lang import Choice, Option, Sequence


def exchanges(ask: Choice, reply: Choice, counter: Counter) -> tuple[Sequence, ...]:
    """Return pairs of trees, prompts and replies, in which every reply fits every prompt.

    Together they hold each prompt of `ask` once. Prompts that may be answered alike stay together, so that most scenes
    are one exchange.
    """
    tied = _variables(ask, counter) & _variables(reply, counter)
    prompts: dict[tuple[Option, ...], list[Option]] = {}  # by the replies that they may have
    for option in ask.options:
        said = _variables(option.node, counter)
        fit = tuple(line for line in reply.options if _variables(line.node, counter) & tied <= said)
        prompts.setdefault(fit or reply.options, []).append(option)
    if len(prompts) == 1:
        return (Sequence((ask, reply)),)
    return tuple(Sequence((Choice(tuple(asked)), Choice(replies))) for replies, asked in prompts.items())


def _variables(node: Bound, counter: Counter) -> Variables:
    """Return the variables that some text of this tree uses."""
    return frozenset().union(*counter.poly(node))
