"""Turns the words and phrases of several files into what each name stands for.

Names come in layers: a pack that is extended, the pack itself, then one topic's own. A later layer hides an
earlier one; a list that names itself adds to what it hides, and an entry that is exactly `<other>` brings in
that whole list. A name is a list or a phrase, and in one layer never both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from guppylm.errors import Finding, nearest
from guppylm.packs.document import Document, Path, finding_at
from guppylm.packs.grammar import MAX_PHRASE_DEPTH, Entry, Line, Phrase, WordList
from guppylm.packs.lang import LineError, parse_line
from guppylm.packs.normalise import squeeze
from guppylm.packs.place import Place
from guppylm.packs.schema import NAME, WordKeys

MAX_RANGE = 1_000
MAX_LINE_RANGE = 100_000
MAX_ENTRIES = 200_000  # of all lists together, with what they bring in

_WHOLE_LIST = re.compile(rf"<({NAME.pattern})>")
_RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})")
_SLOT_RANGE = re.compile(r"<(\d{1,9})\.\.(\d{1,9})>")
_LANGUAGE = re.compile(rf"<{NAME.pattern}[2-9]?(\.{NAME.pattern})?>|<\d+\.\.\d+>|\([^()|]*\|[^()]*\)|<\|")


@dataclass(kw_only=True)
class Names:
    """What names stand for, and the mistakes met while finding out."""

    words: dict[str, WordList] = field(default_factory=dict)
    phrases: dict[str, Phrase] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def layered(
        self,
        words: tuple[Document, Path, Mapping[str, list[WordKeys]]] | None,
        phrases: tuple[Document, Path] | None,
    ) -> Names:
        """Return these names with another layer on top, whose findings are its own.

        Args:
            words: the document, the path of the mapping of lists in it, and that mapping as validated.
            phrases: the document and the path of the mapping of phrases in it.
        """
        above = Names(words=dict(self.words), phrases=dict(self.phrases))
        own_words = {} if words is None else words[2]
        own_phrases = {} if phrases is None else _at(phrases[0], phrases[1])
        for name in own_words:
            above.phrases.pop(name, None)
        if words is not None:
            _Lists(self.words, words, above).resolve_all()
        for name in own_phrases:
            above._add_phrase(name, phrases[0], (*phrases[1], name), self.phrases.get(name), name in own_words)
        return above

    def _add_phrase(self, name: str, document: Document, path: Path, hidden: Phrase | None, is_list_too: bool) -> None:
        place = document.key_place(path)
        if not _check_name(name, place, self.findings):
            return
        if is_list_too:
            message = f"{name} is a list and a phrase"
            self.findings.append(finding_at(place, "E110", message, "give one of them another name"))
        self.words.pop(name, None)
        lines: list[Line] = []
        for text, line_place in texts_at(document, path):
            if text.strip() == f"<{name}>" and hidden is not None:
                lines += hidden.lines
            elif line := read_line(text, line_place, self.findings):
                lines.append(line)
        self.phrases[name] = Phrase(name=name, lines=tuple(lines), place=place)


class _Lists:
    """The word lists of one layer, which may bring in one another in any order."""

    def __init__(
        self,
        hidden: Mapping[str, WordList],
        words: tuple[Document, Path, Mapping[str, list[WordKeys]]],
        above: Names,
    ) -> None:
        self.hidden, self.above, self.findings = hidden, above, above.findings
        self.document, self.path, self.own = words
        self.open: list[str] = []  # the lists being resolved, outermost first
        self.done: set[str] = set()
        self.n_entries = 0

    def resolve_all(self) -> None:
        for name in self.own:
            place = self.document.key_place((*self.path, name))
            if _check_name(name, place, self.findings):
                self._resolve(name)

    def _resolve(self, name: str) -> WordList:
        if name in self.done:
            return self.above.words[name]
        self.open.append(name)
        entries: dict[str, Entry] = {}
        written: set[str] = set()
        tree = _at(self.document, (*self.path, name))
        for index, keys in enumerate(self.own[name]):
            step = () if isinstance(tree, str) else (index,)
            place = self.document.place((*self.path, name, *step))
            text = squeeze(keys.word)
            if text in written:
                self.findings.append(finding_at(place, "E137", f"{text} stands twice in <{name}>", "delete one"))
                continue
            written.add(text)
            for entry in self._entries(name, text, keys, place):
                entries.setdefault(entry.word, entry)
        self.open.pop()
        self.done.add(name)
        place = self.document.key_place((*self.path, name))
        self._check_list(name, entries, place)
        self.above.words[name] = WordList(name=name, entries=self._usable(entries), place=place)
        return self.above.words[name]

    def _entries(self, name: str, text: str, keys: WordKeys, place: Place) -> Iterator[Entry]:
        """Yield the words that one entry stands for."""
        if found := _WHOLE_LIST.fullmatch(text):
            yield from self._other(name, found[1], place)
        elif found := _RANGE.fullmatch(text):
            yield from self._range(int(found[1]), int(found[2]), place)
        elif not text or "\n" in text:
            code, what = ("E136", "a word over several lines") if text else ("E122", "an empty word")
            self.findings.append(finding_at(place, code, what, "for a word or nothing, write (<list>|) in the line"))
        elif found := _LANGUAGE.search(text):
            help = "a word is plain text; write a phrase for what has slots and choices"
            self.findings.append(finding_at(place.at(found.start()), "E136", f"{found[0]} inside a word", help))
        else:
            forms = {form: squeeze(word) for form, word in (keys.__pydantic_extra__ or {}).items()}
            self._check_forms(forms, place)
            yield Entry(word=text, forms=forms, held_out=keys.held_out, place=place)

    def _other(self, name: str, other: str, place: Place) -> tuple[Entry, ...]:
        if other == name:
            if name in self.hidden:
                return self.hidden[name].entries
            message = f"<{name}> adds to an inherited list, and there is none"
        elif other in self.open:
            circle = " > ".join([*self.open[self.open.index(other) :], other])
            self.findings.append(finding_at(place, "E144", f"a circle: {circle}", "a list cannot contain itself"))
            return ()
        elif len(self.open) > MAX_PHRASE_DEPTH:
            message, help = (
                f"lists too deep at <{other}>",
                f"at most {MAX_PHRASE_DEPTH} can bring in one another",
            )
            self.findings.append(finding_at(place, "E145", message, help))
            return ()
        elif self.n_entries > MAX_ENTRIES:
            return ()  # which has been reported
        elif other in self.own:
            return self._resolve(other).entries
        elif other in self.above.words:
            return self.above.words[other].entries
        else:
            message = f"no list called <{other}>"
        self.findings.append(finding_at(place, "E140", message, nearest(other, [*self.own, *self.above.words])))
        return ()

    def _range(self, low: int, high: int, place: Place) -> Iterator[Entry]:
        if low > high:
            self.findings.append(finding_at(place, "E134", f"an empty range {low}..{high}", f"write {high}..{low}"))
        elif high - low >= MAX_RANGE:
            message = f"a list of {high - low + 1:,} numbers; {MAX_RANGE:,} is the most"
            help = "make it narrower; a line can also say <1..5000>, without a list"
            self.findings.append(finding_at(place, "E138", message, help))
        else:
            for number in range(low, high + 1):
                yield Entry(word=str(number), place=place)

    def _check_forms(self, forms: Mapping[str, str], place: Place) -> None:
        for form, text in forms.items():
            if NAME.fullmatch(form) is None:
                help = "letters and _, so that <list.form> can name it"
                self.findings.append(finding_at(place, "E123", f"{form} is no name for a form", help))
            elif found := _LANGUAGE.search(text):
                help = "a form is plain text"
                self.findings.append(finding_at(place, "E136", f"{found[0]} inside the form {form}", help))

    def _usable(self, entries: Mapping[str, Entry]) -> tuple[Entry, ...]:
        """Return the words; for a list that has none to train on, which was reported, some that stand in.

        Otherwise every line that uses the list would be blamed too.
        """
        if all(entry.held_out for entry in entries.values()):
            return tuple(Entry(word=f"word {number}") for number in range(1, 10))
        return tuple(entries.values())

    def _check_list(self, name: str, entries: Mapping[str, Entry], place: Place) -> None:
        before, self.n_entries = self.n_entries, self.n_entries + len(entries)
        if before <= MAX_ENTRIES < self.n_entries:
            message = f"lists of more than {MAX_ENTRIES:,} words together"
            self.findings.append(finding_at(place, "E106", message, "bring in fewer lists"))
        if entries and all(entry.held_out for entry in entries.values()):
            message = f"every word of <{name}> is held out"
            self.findings.append(finding_at(place, "E139", message, "leave some to train on"))


def _check_name(name: str, place: Place, findings: list[Finding]) -> bool:
    if NAME.fullmatch(name):
        return True
    findings.append(finding_at(place, "E123", f"{name} is no name for a slot", "letters of any script and _ only"))
    return False


def read_line(text: str, place: Place, findings: list[Finding]) -> Line | None:
    """Return a parsed line, or None and a finding."""
    if "\n" in text.strip():
        message, help = "several lines in one entry", "begin each with '- '; | and > are not needed"
        findings.append(finding_at(place, "E123", message, help))
        return None
    text = text.strip()
    if found := _too_wide(text):
        message = f"a range of {int(found[2]) - int(found[1]) + 1:,} numbers; {MAX_LINE_RANGE:,} is the most"
        findings.append(finding_at(place.at(found.start()), "E138", message, "write a narrower one"))
        return None
    try:
        return Line(text=text, option=parse_line(text), place=place)
    except LineError as error:
        findings.append(finding_at(place.at(error.offset), error.code, error.message, error.help))
        return None


def _too_wide(text: str) -> re.Match[str] | None:
    """Return the first number range that is too wide to be counted through."""
    if ".." not in text:
        return None
    ranges = _SLOT_RANGE.finditer(text)
    return next((found for found in ranges if int(found[2]) - int(found[1]) >= MAX_LINE_RANGE), None)


def texts_at(document: Document, path: Path) -> Iterator[tuple[str, Place]]:
    """Yield the texts of a list, or the one text that stands in its stead, with their places."""
    tree = _at(document, path)
    if isinstance(tree, str):
        yield tree, document.place(path)
        return
    for index, text in enumerate(tree):
        yield text, document.place((*path, index))


def _at(document: Document, path: Path):
    """Return the part of the tree at `path`, or an empty mapping where there is none."""
    tree = document.tree
    for step in path:
        if isinstance(tree, dict) and step not in tree:
            return {}
        tree = tree[step]
    return tree
