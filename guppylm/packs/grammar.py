"""Turns parsed lines and the names a topic can see into one tree, in which every name has a meaning.

A line says `<food>`; the topic it is used in says what food is. So binding happens once for each topic, and a phrase
that many topics share sees the words of the topic that it serves: `tell me about <it>` asks about the snail in one
topic and about rain in another. Afterwards a `Slot` has become a `Word` (a variable over a list, one value for the
whole exchange) or the `Choice` between a phrase's lines (picked afresh at each use).

Binding never stops at the first mistake: it notes every one, for the author to mend them all at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from guppylm.errors import nearest
from guppylm.packs import lang
from guppylm.packs.forms import rule_for
from guppylm.packs.lang import Choice, Number, Option, Sequence, Slot, Text
from guppylm.packs.place import Place

MAX_PHRASE_DEPTH = 40


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One word of a list, with the forms its author wrote. A held-out word is kept for the examination."""

    word: str
    forms: Mapping[str, str] = field(default_factory=dict)
    held_out: bool = False
    place: Place | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class WordList:
    """The words a slot can take. Compared by identity: it is what the variables of an exchange range over."""

    name: str
    entries: tuple[Entry, ...]
    place: Place | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Line:
    """One parsed line and where it stands."""

    text: str
    option: Option
    place: Place


@dataclass(frozen=True, kw_only=True, eq=False)
class Phrase:
    """Lines that can stand for one another."""

    name: str
    lines: tuple[Line, ...]
    place: Place | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Scope:
    """What the names in a topic stand for."""

    words: Mapping[str, WordList]
    phrases: Mapping[str, Phrase]
    language: str = "en"


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """A word of a list. Uses with the same list and index in one exchange are the same word; uses with another
    index are another word. `texts[i]` is how entry i reads here, in the form that was asked for.
    """

    list: WordList
    index: int
    form: str
    texts: tuple[str, ...]

    @property
    def variable(self) -> Variable:
        return (self.list, self.index)


Variable = tuple[WordList, int]
Bound = Text | Number | Choice | Sequence | Word


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something wrong with a name in a line; check.py makes a Finding of it."""

    code: str
    message: str
    help: str
    place: Place | None
    offset: int


class Binder:
    """Gives the names in lines the meaning they have in one topic.

    Args:
        scope: what the names stand for.
        new_words: use only the held-out entries of every list that has some. Otherwise use none of them.
        nodes: equal trees made with the same dictionary are the same object, across topics too: what is once
            counted, compared or searched need not be again.

    Attributes:
        problems: everything found wrong so far, in the order of binding.
        used: the names of the lists and phrases that some line has used.
    """

    def __init__(self, scope: Scope, *, new_words: bool = False, nodes: dict | None = None) -> None:
        self.scope = scope
        self.nodes = {} if nodes is None else nodes
        self.new_words = new_words
        self.problems: list[Problem] = []
        self.used: set[str] = set()
        self._phrases: dict[str, Bound] = {}
        self._words: dict[tuple[str, int, str], Word] = {}
        self._lists: dict[str, WordList] = {}
        self._path: list[str] = []  # the phrases that we are inside of
        self._place: Place | None = None

    def bind(self, lines: Iterable[Line]) -> Choice:
        """Return the choice between these lines, each option carrying its place."""
        options = []
        for line in lines:
            before, self._place = self._place, line.place
            options.append(Option(line.option.weight, self._bind(line.option.node), line.place))
            self._place = before
        return self._choice(options)

    def _bind(self, node: lang.Node) -> Bound:
        match node:
            case Text() | Number():
                return self.nodes.setdefault(node, node)
            case Sequence(parts):
                bound = tuple(map(self._bind, parts))
                return self.nodes.setdefault((Sequence, *map(id, bound)), Sequence(bound))
            case Choice(options):
                return self._choice([Option(option.weight, self._bind(option.node)) for option in options])
            case Slot():
                return self._bind_slot(node)

    def _choice(self, options: list[Option]) -> Choice:
        key = (Choice, *((option.weight, id(option.node), option.place) for option in options))
        return self.nodes.setdefault(key, Choice(tuple(options)))

    def _bind_slot(self, slot: Slot) -> Bound:
        if slot.name in self.scope.phrases:
            return self._bind_phrase(slot)
        if slot.name in self.scope.words:
            return self._bind_word(slot)
        known = [*self.scope.words, *self.scope.phrases]
        self._note("E140", f"no list or phrase called <{slot.name}>", _suggest(slot.name, known), slot)
        return Text("")

    def _bind_phrase(self, slot: Slot) -> Bound:
        name = slot.name
        self.used.add(name)
        if slot.index > 1 or slot.form:
            written = f"<{name}{slot.index if slot.index > 1 else ''}{'.' + slot.form if slot.form else ''}>"
            remedy = "a phrase is picked afresh at each use; numbers and forms are for word lists"
            self._note("E141", f"{written} is a phrase with a number or a form", remedy, slot)
            return Text("")
        if name in self._path:
            circle = " > ".join([*self._path[self._path.index(name) :], name])
            self._note("E144", f"a circle: {circle}", "a phrase cannot contain itself", slot)
            return Text("")
        if len(self._path) >= MAX_PHRASE_DEPTH:
            remedy = f"at most {MAX_PHRASE_DEPTH} phrases can stand inside one another"
            self._note("E145", f"phrases too deep at <{name}>", remedy, slot)
            return Text("")
        if name not in self._phrases:
            self._path.append(name)
            self._phrases[name] = self.bind(self.scope.phrases[name].lines)
            self._path.pop()
        return self._phrases[name]

    def _bind_word(self, slot: Slot) -> Bound:
        self.used.add(slot.name)
        words = self._list(slot.name)
        key = (slot.name, slot.index, slot.form)
        if key not in self._words:
            if slot.index > len(words.entries):
                count = len(words.entries)
                message = f"<{slot.name}{slot.index}> when the list has {count} word{'' if count == 1 else 's'}"
                self._note("E143", message, "add words to the list or use fewer at once", slot)
                return Text("")
            texts = tuple(self._form(entry, slot) for entry in words.entries)
            word = Word(words, slot.index, slot.form, texts)
            self._words[key] = self.nodes.setdefault((Word, words, slot.index, slot.form), word)
        return self._words[key]

    def _list(self, name: str) -> WordList:
        """Return the list without its held-out words, or with nothing but them where new words are wanted."""
        if name not in self._lists:
            words = self.scope.words[name]
            new = tuple(entry for entry in words.entries if entry.held_out)
            old = tuple(entry for entry in words.entries if not entry.held_out)
            kept = new if self.new_words and new else old
            self._lists[name] = words if len(kept) == len(words.entries) else WordList(name=name, entries=kept)
        return self._lists[name]

    def _form(self, entry: Entry, slot: Slot) -> str:
        if not slot.form:
            return entry.word
        if slot.form in entry.forms:
            return entry.forms[slot.form]
        rule = rule_for(slot.form, self.scope.language)
        if rule is not None:
            return rule(entry.word)
        remedy = f"write {{word: {entry.word}, {slot.form}: …}} in the list, for this and every other word"
        self._note("E142", f"no form .{slot.form} of '{entry.word}' in <{slot.name}>", remedy, slot)
        return entry.word

    def _note(self, code: str, message: str, help: str, slot: Slot) -> None:
        problem = Problem(code=code, message=message, help=help, place=self._place, offset=slot.offset)
        if problem not in self.problems:
            self.problems.append(problem)


def _suggest(name: str, known: list[str]) -> str:
    suggestion = nearest(name, known)
    if suggestion.startswith("did you mean"):
        return f"did you mean <{suggestion.removeprefix('did you mean ').removesuffix('?')}>?"
    return suggestion or "define it in words.yaml or phrases.yaml"
