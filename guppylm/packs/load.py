"""Turns the folder of a persona into one frozen Pack, or into everything that is wrong with it.

Loading goes on after a mistake for as long as what follows still means something, so that an author sees
all findings of a run at once. It stops short of consequences: a topic is not blamed for a word list that
could not be read. A Pack that comes out can be counted, drawn from and trained on without another look;
whether it is a *good* pack is for check.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from guppylm.errors import Finding, PackError, nearest
from guppylm.packs.archive import opened
from guppylm.packs.avatar import read_avatar
from guppylm.packs.bounds import bind_alone, bind_topic, bind_unused
from guppylm.packs.count import Counter
from guppylm.packs.document import Document, finding_at, show_path
from guppylm.packs.document import Path as TreePath
from guppylm.packs.files import digest
from guppylm.packs.generate import MAX_HELD_OUT, SceneTrees
from guppylm.packs.grammar import Line, Scope
from guppylm.packs.lists import Names, read_line, texts_at
from guppylm.packs.pack import Noise, Pack, Scene, Topic, Voice
from guppylm.packs.pause import no_collection
from guppylm.packs.place import Place
from guppylm.packs.schema import NoiseKeys, PersonaFile, TopicFile
from guppylm.packs.shares import share_out
from guppylm.packs.sources import Source, read_sources


@dataclass(kw_only=True)
class Reading:
    """What came of reading a pack.

    Attributes:
        pack: the pack, or None when a finding is an error.
        findings: everything found, sorted by place.
        folder: where the pack is.
        used: names of lists and phrases that some line uses, by topic; used names of shared ones under "".
        trees: the bound trees of every topic's scenes.
        counter: what has been counted of them.
    """

    folder: Path
    pack: Pack | None = None
    findings: list[Finding] = field(default_factory=list)
    used: dict[str, set[str]] = field(default_factory=dict)
    trees: dict[str, list[SceneTrees]] = field(default_factory=dict)
    counter: Counter = field(default_factory=Counter)


def load_pack(name_or_path: str | Path, *, personas_dir: Path | None = None) -> Pack:
    """Return the persona of that name, or in that folder.

    Args:
        name_or_path: a name in `personas_dir`, or a path to the folder of a pack or of a trained bundle, or to a zip
            file with a pack in it.
        personas_dir: the folder that holds the packs; by default the one beside the package.

    Raises:
        NotFoundError: there is no such persona; names the nearest.
        PackError: the pack does not hold together; carries every finding.
    """
    reading = read_pack(name_or_path, personas_dir=personas_dir)
    if reading.pack is None:
        raise PackError(reading.findings)
    return reading.pack


@no_collection()
def read_pack(name_or_path: str | Path, *, personas_dir: Path | None = None) -> Reading:
    """Return a pack with its findings, warnings too. Raises like `load_pack`; PackError only for a bad zip file."""
    with opened(name_or_path, personas_dir) as (folder, shown):
        sources, findings = read_sources(folder)
    reading = Reading(folder=shown)
    loader = _Loader(sources, findings, reading)
    pack = loader.build()
    reading.findings = sort_findings(findings)
    if not any(finding.severity == "error" for finding in findings):
        reading.pack = pack
    return reading


def sort_findings(findings: list[Finding]) -> list[Finding]:
    """Return the findings by place, each once."""
    return sorted(
        dict.fromkeys(findings), key=lambda f: (f.file, f.line or 0, f.column or 0, f.path, f.code, f.message)
    )


class _Loader:
    """Builds one Pack from its sources."""

    def __init__(self, sources: list[Source], findings: list[Finding], reading: Reading) -> None:
        self.sources, self.findings, self.reading = sources, findings, reading
        self.own = sources[-1]
        self.unsound: set[str] = set()  # topics whose own names have errors, so that their lines prove nothing

    def build(self) -> Pack | None:
        if "persona" not in self.own.contents:
            if "persona" not in self.own.broken:
                message = "the pack has no persona.yaml that could be read"
                self.findings.append(Finding(code="E121", message=message, file=self.own.name))
            self.persona: PersonaFile | None = None
        else:
            self.persona = self.own.contents["persona"]
        names = self._shared_names()
        scope = Scope(words=names.words, phrases=names.phrases, language=self._language())
        topics = {topic.name: topic for topic in self._topics(names, scope)}
        if not self._is_whole_so_far():
            return None
        local, nodes = self._local_names(), {}
        for topic in topics.values():
            if topic.name in self.unsound:
                continue
            bound = bind_topic(topic, pack=self.own.name, local=local, counter=self.reading.counter, nodes=nodes)
            self.findings += bound.findings
            self.reading.trees[topic.name] = bound.trees
            self._note_used(topic, bound.used, scope)
        self._check_held_out()
        noise = self._noise(self.persona.noise, scope) if self.persona else Noise()
        self.findings += bind_unused(scope, self.reading.used.get("", set()), self.own.name)
        if self.persona is None:
            return None
        return self._assemble(self.persona, topics, scope, noise)

    def _language(self) -> str:
        return self.persona.language if self.persona else "en"

    def _is_whole_so_far(self) -> bool:
        """Say whether every shared name is known, so that an unknown one is the author's own slip."""
        shared = {"words", "phrases", "persona"}
        return not any(shared & source.broken for source in self.sources) and not any(
            finding.code in ("E113", "E112", "E106", "E123", "E140", "E144") and "/topics/" not in finding.file
            for finding in self.findings
        )

    def _shared_names(self) -> Names:
        names = Names()
        for source in self.sources:
            words = source.contents.get("words")
            layer = (source.documents["words"], (), words.root) if words else None
            phrases = (source.documents["phrases"], ()) if "phrases" in source.contents else None
            names = names.layered(layer, phrases)
            self.findings += names.findings
        return names

    def _topics(self, names: Names, scope: Scope) -> Iterator[Topic]:
        """Yield every topic that could be read; a later source replaces a topic of the same name."""
        skipped = set(self.persona.skip) if self.persona else set()
        last: dict[str, Source] = {}
        for source in self.sources:
            for name in source.topic_names():
                if source is self.own or name not in skipped:
                    last[name] = source
        self.topic_names = sorted(last)
        self._check_skip(skipped)
        for name in self.topic_names:
            source, key = last[name], f"topics/{name}"
            if key in source.contents:
                yield self._topic(name, source.documents[key], source.contents[key], names, scope)
        if not last:
            message, help = "the pack has no topics", "write topics/greeting.yaml with ask and reply"
            self.findings.append(Finding(code="E121", message=message, help=help, file=self.own.name))

    def _topic(self, name: str, document: Document, keys: TopicFile, names: Names, scope: Scope) -> Topic:
        own = names.layered(
            (document, ("words",), keys.words) if keys.words else None,
            (document, ("phrases",)) if keys.phrases else None,
        )
        self.findings += own.findings
        if any(finding.severity == "error" for finding in own.findings):
            self.unsound.add(name)
        if keys.words or keys.phrases:
            scope = Scope(words=own.words, phrases=own.phrases, language=scope.language)
        if keys.scenes:
            places = [(("scenes", index), scene.weight) for index, scene in enumerate(keys.scenes)]
        else:
            places = [((), 1)]
        return Topic(
            name=name,
            about=keys.about,
            label=keys.label,
            weight=keys.weight,
            scenes=tuple(self._scene(document, path, weight, index) for index, (path, weight) in enumerate(places)),
            scope=scope,
            place=document.place(()),
        )

    def _check_held_out(self) -> None:
        """Refuse more held-out prompts than can be listed, since none of them may be trained on."""
        sizes = {
            scene.scene.held_out[0].place: self.reading.counter.total(scene.held_out)
            for scenes in self.reading.trees.values()
            for scene in scenes
            if scene.held_out is not None and not self._has_errors()
        }
        if (total := sum(sizes.values())) > MAX_HELD_OUT:
            message = f"{total:,} held-out prompts; {MAX_HELD_OUT:,} is the most, and most of them are here"
            help = "hold out phrasings, not all that can be said with them"
            self.findings.append(finding_at(max(sizes, key=lambda place: sizes[place]), "E157", message, help))

    def _has_errors(self) -> bool:
        return any(finding.severity == "error" for finding in self.findings)

    def _local_names(self) -> set[str]:
        """Return the names that any topic has of its own."""
        keys = [source.contents[name] for source in self.sources for name in source.contents if "/" in name]
        return {name for topic in keys for name in (*topic.words, *topic.phrases)}

    def _scene(self, document: Document, path: TreePath, weight: int, index: int) -> Scene:
        ask, reply, held_out = (self._lines(document, (*path, key)) for key in ("ask", "reply", "held_out"))
        return Scene(ask=ask, reply=reply, held_out=held_out, weight=weight, index=index, place=document.place(path))

    def _lines(self, document: Document, path: TreePath) -> tuple[Line, ...]:
        if path not in document.paths:
            return ()
        lines = []
        for text, place in texts_at(document, path):
            if not text and place.path in document.blank:
                help = 'delete it; to mean silence in ask, write ""'
                self.findings.append(finding_at(place, "E122", "an entry with nothing in it", help))
            elif line := read_line(text, place, self.findings):
                lines.append(line)
        return tuple(lines)

    def _note_used(self, topic: Topic, used: set[str], scope: Scope) -> None:
        """Remember which names a topic used: its own under its name, shared ones under the empty name."""
        for name in used:
            is_own = topic.scope.words.get(name) is not scope.words.get(name) or topic.scope.phrases.get(
                name
            ) is not scope.phrases.get(name)
            self.reading.used.setdefault(topic.name if is_own else "", set()).add(name)

    def _check_skip(self, skipped: set[str]) -> None:
        inherited = {name for source in self.sources[:-1] for name in source.topic_names()}
        document = self.own.documents.get("persona")
        if self.persona is None or document is None:
            return
        for name, place in texts_at(document, ("skip",)) if skipped else ():
            if name not in inherited:
                message = f"skip names {name}, which is no topic of a pack that this one extends"
                self.findings.append(finding_at(place, "E154", message, nearest(name, inherited)))

    def _assemble(self, keys: PersonaFile, topics: dict[str, Topic], scope: Scope, noise: Noise) -> Pack:
        document = self.own.documents["persona"]
        places = {show_path(path): document.place(path) for path in document.paths}
        if exam := self.own.documents.get("exam"):
            places |= {f"exam/{show_path(path)}": exam.place(path) for path in exam.paths if path}
        if keys.fallback and keys.fallback not in self.topic_names:
            message = f"fallback names {keys.fallback}, which is no topic"
            help = nearest(keys.fallback, self.topic_names)
            self.findings.append(finding_at(places["fallback"], "E155", message, help))
        for name, place in texts_at(document, ("identity",)) if keys.identity else ():
            if name not in self.topic_names:
                message = f"identity names {name}, which is no topic"
                self.findings.append(finding_at(place, "E154", message, nearest(name, self.topic_names)))
        files = {name: data for source in self.sources for name, data in source.files.items()}
        return Pack(
            name=self.own.name,
            title=keys.name,
            about=keys.about,
            language=keys.language,
            avatar_svg=read_avatar(keys.avatar, self.own.name, files, places.get("avatar"), self.findings),
            voice=_voice(keys, places),
            noise=noise,
            mode=keys.mode,
            fallback=keys.fallback or "",
            identity=tuple(keys.identity),
            starters=tuple(keys.starters),
            topics=topics,
            exam=self._exam(),
            short=self._short(),
            scope=scope,
            folder=self.own.folder,
            digest=digest(files),
            files=files,
            places=places,
        )

    def _noise(self, keys: NoiseKeys, scope: Scope) -> Noise:
        document = self.own.documents["persona"]
        try:
            noise = noise_shares(keys)
        except ValueError as error:
            self.findings.append(finding_at(document.place(("noise",)), "E123", str(error), "the kinds share 100"))
            return Noise()
        if noise.around:
            phrases = [scope.phrases[name] for name in ("before", "after") if name in scope.phrases]
            if not phrases:
                place, message = document.place(("noise", "around")), "there is nothing to put around"
                help = "write what people put around a message as a phrase called before, or after, in phrases.yaml"
                self.findings.append(finding_at(place, "E140", message, help))
            used, findings = bind_alone([line for phrase in phrases for line in phrase.lines], scope)
            self.findings += findings
            self.reading.used.setdefault("", set()).update(used, (phrase.name for phrase in phrases))
        return noise

    def _exam(self) -> dict[str, tuple[str, ...]]:
        exam: dict[str, tuple[str, ...]] = {}
        for source in self.sources:
            content = source.contents.get("exam")
            for topic, messages in content.root.items() if content else ():
                if topic in (*self.topic_names, "_unknown"):
                    exam[topic] = tuple(messages)
                elif source is self.own:  # another pack's may be one that this one skips
                    place = source.documents["exam"].key_place((topic,))
                    help = nearest(topic, [*self.topic_names, "_unknown"])
                    self.findings.append(finding_at(place, "E154", f"there is no topic called {topic}", help))
        return exam

    def _short(self) -> dict[str, tuple[str, ...]]:
        short: dict[str, tuple[str, ...]] = {}
        for source in self.sources:
            if "short" in source.contents:
                short |= {word: tuple(forms) for word, forms in source.contents["short"].root.items()}
        return short


def _voice(keys: PersonaFile, places: dict[str, Place]) -> Voice:
    return Voice(
        case=keys.voice.case,
        max_words=keys.voice.max_words,
        max_chars=keys.voice.max_chars,
        forbid=tuple(keys.voice.forbid),
        places={name.removeprefix("voice."): place for name, place in places.items() if name.startswith("voice.")},
    )


def noise_shares(keys: NoiseKeys) -> Noise:
    """Return the shares of the kinds of noise, which are 100 together.

    What is written stands; the other kinds share what is left in their usual proportion.

    Raises:
        ValueError: what is written is more than 100, or less with no other kind to take the rest.
    """
    usual = asdict(Noise())
    written = {kind: share for kind in usual if (share := getattr(keys, kind)) is not None}
    left = 100 - sum(written.values())
    others = {kind: share for kind, share in usual.items() if kind not in written}
    # A kind that is usually not there at all takes none of the rest.
    if left < 0 or (left > 0 and not any(others.values())):
        raise ValueError(f"the shares of noise are {100 - left} together")
    return Noise(**written, **share_out(left, others, dict.fromkeys(others, 100)))
