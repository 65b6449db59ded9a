"""Where a piece of a pack stands: file, line, column, and the path inside the file.

Everything read from a pack carries a Place from the first moment, so that a finding made much later (a list
that does not exist, a reply that is too long) still points at the words its author typed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A place in a file of a pack.

    Attributes:
        file: the file, relative to the folder that holds the packs, as in `guppy/topics/food.yaml`.
        line: 1-based line, or None where there is none to name (JSON, or a whole file).
        column: 1-based column of the first character of the text itself, after an opening quote.
        path: where in the file's structure, as in `scenes[0].reply[3]`.
        exact: whether the text stands in the file character for character, so that an offset in the text
            is an offset in the line. False for texts with escapes and for those folded over several lines.
    """

    file: str
    line: int | None = None
    column: int | None = None
    path: str = ""
    exact: bool = True

    def at(self, offset: int) -> Place:
        """Return the place of the character `offset` (0-based) of the text that starts here."""
        if not self.exact or self.column is None or offset <= 0:
            return self
        return replace(self, column=self.column + offset)
