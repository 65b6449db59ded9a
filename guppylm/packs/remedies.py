"""Turns what a YAML parser says into what an author can do about it.

A parser reports what it expected; an author needs to know which character of the line started the trouble.
The words of the C parser and of the pure one differ a little; both are recognised by a piece they share.
"""

from __future__ import annotations

import yaml

_QUOTES = "put the whole line in quotes"
_NEITHER = "begin it with '- ', or end the key with ':'"
_OPENERS = {'"': '"', "'": "'", "[": "]", "{": "}"}
_INDENT = "this line is not set in like the ones around it, or its '- ' is missing"

# A piece of what the parser says, what that means, the remedy, and whether the trouble is where it began.
_REMEDIES = (
    ("cannot start any token", "a line cannot start with {char}", _QUOTES, False),
    ("mapping values are not allowed", "a second ': ' in one line, or a line set in too far", _QUOTES, False),
    ("could not find expected ':'", "a line with neither '- ' before it nor ': ' in it", _NEITHER, True),
    (
        "unexpected end of stream",
        "a quote that is never closed",
        "close it, or put the whole line in quotes",
        True,
    ),
    ("escape", "a backslash inside double quotes", "use single quotes, or none", False),
    (
        "',' or ']'",
        "a [ that is never closed",
        "add the ]; if it belongs to a line, put the line in quotes",
        True,
    ),
    ("',' or '}'", "a { that is never closed", "a slot is written <name>, without braces", True),
    ("alphabetic or numeric character", "a line cannot start with & or *", _QUOTES, True),
    ("'-' indicator", _INDENT, "line it up with the others", False),
    ("expected key", _INDENT, "line it up with the others", False),
    ("<block end>", _INDENT, "line it up with the others", False),
    ("<document start>", _INDENT, "line it up with the others", False),
    (
        "sequence entries are not allowed",
        "a list cannot start in the line of its key",
        "start a new line",
        False,
    ),
    ("node content", "a line cannot start with {char}", _QUOTES, False),
    ("tag", "a line cannot start with !", _QUOTES, True),
    ("block scalar", "a line cannot start with | or >", _QUOTES, True),
)


def explain_syntax(error: yaml.YAMLError, lines: list[str]) -> tuple[str, str, int | None, int | None]:
    """Return a message, its remedy, and the 1-based line and column of the trouble."""
    said = [str(getattr(error, name, None) or "") for name in ("problem", "context")]
    mark = getattr(error, "problem_mark", None)
    message, help = f"this is not YAML: {' '.join(said).strip() or error}", _QUOTES
    for piece, meaning, remedy, at_start in _REMEDIES:
        if any(piece in part for part in said):
            message, help = meaning, remedy
            mark = (at_start and getattr(error, "context_mark", None)) or mark
            break
    if mark is None:
        return message, help, None, None
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "a tab sets this line in", "use spaces", mark.line + 1, line.index("\t") + 1
    first = line.lstrip(" ").removeprefix("- ").lstrip(" ")[:1]
    if message == _INDENT and first in _OPENERS and line.rfind(_OPENERS[first], 0, mark.column) > line.index(first):
        message, help = f"text after a closing {_OPENERS[first]}", _QUOTES
    message = message.replace("{char}", line[mark.column : mark.column + 1])
    return message, help, mark.line + 1, mark.column + 1
