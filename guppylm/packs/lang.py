r"""Turns one line of a pack into a tree.

    (3* hey |)are you <state.cap> after <2..9> <meal.s>
    └───┬────┘        └────┬────┘       └─┬──┘ └──┬───┘
      choice          slot `state`,     number  slot `meal`,
      weight 3 or 1   form `cap`                form `s`

The language has five marks and nothing else: `<word>`, `<2..9>`, `(this|that)`, a leading weight `3* `, and
`\` before a mark that is meant as itself. A bracket without a bar is a bracket. `<` can only open a slot, so a
chat model's control tokens are syntax errors by construction.

The tree says nothing of what a name stands for; grammar.py gives it a meaning. Lines are parsed by hand and not
with a parser library because the whole grammar is the one regular expression below plus matching brackets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_CHOICE_DEPTH = 12
MAX_WEIGHT = 1000
ESCAPABLE = r"<>(|)\*"

_TOKEN = re.compile(r"\\(?P<escaped>.?)|<(?P<slot>[^<>(|)\\]*)>?|(?P<bracket>[(|)])|[^\\<(|)]+", re.DOTALL)
_WEIGHT = re.compile(r"(\d{1,6})\* ")
_NAME = r"[^\W\d]+"
_SLOT = re.compile(rf"(?P<name>{_NAME})(?P<index>[2-9])?(?:\.(?P<form>{_NAME}))?")
_RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})")


class LineError(ValueError):
    """A line that is not in the language.

    Attributes: `code` (E13x, E157), `offset` (0-based character in the line), `message`, `help`.
    """

    def __init__(self, code: str, offset: int, message: str, help: str) -> None:
        super().__init__(message)
        self.code, self.offset, self.message, self.help = code, offset, message, help


@dataclass(frozen=True, slots=True)
class Text:
    """Characters that stand for themselves."""

    text: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A name that grammar.py binds to a word list or a phrase. `index` tells `<food2>` from `<food>`."""

    name: str
    index: int
    form: str
    offset: int


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number from `low` to `high`, both included, fresh at each use."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Option:
    """One alternative and how often it is taken beside the others. `place` says which line it is, if it is one."""

    weight: int
    node: Node
    place: object | None = None


# Choices and sequences are compared by identity: counting, drawing and recognising remember what they found out
# about a node, and must not spend their time on hashing the whole tree below it.
@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One of several alternatives."""

    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """One after another."""

    parts: tuple[Node, ...]


Node = Text | Slot | Number | Choice | Sequence


def parse_line(line: str) -> Option:
    """Return the tree of one line, with the weight written in front of it.

    Raises:
        LineError: with the offset of the first character that is wrong.
    """
    return _Parser(line).parse()


class _Parser:
    """Recursive descent over the tokens of one line."""

    def __init__(self, line: str) -> None:
        self.line = line
        self.tokens = list(_TOKEN.finditer(line))
        self._refuse_half_slots()
        self.choices = _find_choices(self.tokens)  # token number of `(` -> token number of its `)`
        self.at = 0

    def _refuse_half_slots(self) -> None:
        for token in self.tokens:
            if token["slot"] is not None and not token[0].endswith(">"):
                raise _not_a_slot(self.line, token.start())

    def parse(self) -> Option:
        return self._option(frozenset())

    def _option(self, stop_at: frozenset[int]) -> Option:
        """Parse up to a bar or closing bracket of the choice that we are in."""
        weight = self._weight()
        parts: list[Node] = []
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if self.at in stop_at:
                break
            if self.at in self.choices:
                parts.append(self._choice())
            else:
                parts.append(self._leaf(token))
                self.at += 1
        return Option(weight, _sequence(parts))

    def _weight(self) -> int:
        start = self.tokens[self.at].start() if self.at < len(self.tokens) else len(self.line)
        match = _WEIGHT.match(self.line, start)
        if not match:
            return 1
        weight = int(match[1])
        if not 1 <= weight <= MAX_WEIGHT:
            raise LineError("E134", start, f"a weight of {weight}", f"weights go from 1 to {MAX_WEIGHT}")
        # The weight is the beginning of a plain token; drop it and keep the rest of that token, if any.
        self._cut(match.end())
        return weight

    def _cut(self, position: int) -> None:
        """Make the current token begin at `position`, or drop it when nothing is left of it."""
        token = self.tokens[self.at]
        if position >= token.end():
            self.at += 1
        else:
            shorter = _TOKEN.match(self.line, position)
            assert shorter is not None
            self.tokens[self.at] = shorter

    def _choice(self) -> Choice:
        opening = self.at
        closing = self.choices[opening]
        bars = frozenset(_bars(self.tokens, self.choices, opening, closing))
        options = []
        while self.at != closing:
            self.at += 1  # the opening bracket or a bar
            options.append(self._option(bars | {closing}))
        self.at += 1
        return Choice(tuple(options))

    def _leaf(self, token: re.Match[str]) -> Node:
        if token["escaped"] is not None:
            if not token["escaped"] or token["escaped"] not in ESCAPABLE:
                raise LineError("E133", token.start(), "a lone backslash", r"write \\ for a backslash")
            return Text(token["escaped"])
        if token["slot"] is not None:
            return self._slot(token)
        return Text(token[0])

    def _slot(self, token: re.Match[str]) -> Node:
        inner, start = token["slot"], token.start()
        if number := _RANGE.fullmatch(inner):
            low, high = int(number[1]), int(number[2])
            if low > high:
                raise LineError("E134", start, f"an empty range {token[0]}", f"write <{high}..{low}>")
            return Number(low, high)
        slot = _SLOT.fullmatch(inner)
        if slot is None:
            raise _not_a_slot(self.line, start)
        return Slot(slot["name"], int(slot["index"] or 1), slot["form"] or "", start)


def _not_a_slot(line: str, offset: int) -> LineError:
    remedy = r"write <name>, <name2>, <name.form> or <3..40>; for the character itself write \<"
    return LineError("E130", offset, f"not a slot: {line[offset : offset + 20]}", remedy)


def _find_choices(tokens: list[re.Match[str]]) -> dict[int, int]:
    """Match brackets; return those that hold a bar, as token numbers {opening: closing}.

    Raises LineError for a bar outside brackets, and for an unpaired bracket in a line that has a choice.
    """
    open_brackets: list[list[int]] = []  # [token number, number of bars directly inside]
    choices: dict[int, int] = {}
    stray_closing: int | None = None
    for number, token in enumerate(tokens):
        mark = token["bracket"]
        if mark == "(":
            open_brackets.append([number, 0])
        elif mark == "|":
            if not open_brackets:
                raise LineError("E131", token.start(), "a bar outside a choice", r"write (this|that), or \| for a bar")
            open_brackets[-1][1] += 1
        elif mark == ")":
            if not open_brackets:
                stray_closing = number if stray_closing is None else stray_closing
            else:
                opening, n_bars = open_brackets.pop()
                if n_bars:
                    choices[opening] = number
    unpaired = [number for number, n_bars in open_brackets if n_bars or choices]
    if unpaired:
        raise LineError("E132", tokens[unpaired[0]].start(), "an open bracket", r"close it with ), or write \(")
    if stray_closing is not None and choices:
        raise LineError("E132", tokens[stray_closing].start(), "a closing bracket without its partner", r"write \)")
    _refuse_deep_nesting(tokens, choices)
    return choices


def _refuse_deep_nesting(tokens: list[re.Match[str]], choices: dict[int, int]) -> None:
    closings: list[int] = []  # token numbers at which the choices that we are in end
    for number in sorted(choices):
        while closings and closings[-1] < number:
            closings.pop()
        closings.append(choices[number])
        if len(closings) > MAX_CHOICE_DEPTH:
            message = f"choices nested more than {MAX_CHOICE_DEPTH} deep"
            raise LineError("E157", tokens[number].start(), message, "put the inner choices into a phrase")


def _bars(tokens: list[re.Match[str]], choices: dict[int, int], opening: int, closing: int) -> list[int]:
    """Return the token numbers of the bars that belong to this choice and not to one inside it."""
    bars, number = [], opening + 1
    while number < closing:
        if number in choices:
            number = choices[number]
        elif tokens[number]["bracket"] == "|":
            bars.append(number)
        number += 1
    return bars


def _sequence(parts: list[Node]) -> Node:
    """Join neighbouring texts and drop the wrapping around a single part."""
    joined: list[Node] = []
    for part in parts:
        if isinstance(part, Text) and joined and isinstance(joined[-1], Text):
            joined[-1] = Text(joined[-1].text + part.text)
        else:
            joined.append(part)
    if len(joined) == 1:
        return joined[0]
    return Sequence(tuple(joined)) if joined else Text("")
