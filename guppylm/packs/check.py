"""Turns a pack into everything its author should know before training: findings, and how much it can say.

The findings of loading (load.py) come first; a pack without errors is then looked at as a whole: does every
reply keep to the voice, is every held-out prompt really kept out, can every starter be asked, does every
topic have enough to say. The catalogue of codes is in findings.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from guppylm.errors import Finding
from guppylm.packs.count import Counter
from guppylm.packs.document import finding_at
from guppylm.packs.generate import SceneTrees
from guppylm.packs.lang import Choice, Option
from guppylm.packs.load import read_pack, sort_findings
from guppylm.packs.pack import Pack
from guppylm.packs.pause import no_collection
from guppylm.packs.prompts import message_findings, overlap_findings
from guppylm.packs.tidy import (
    brace_findings,
    bracket_findings,
    double_findings,
    empty_findings,
    fallback_findings,
    unsaid_findings,
    unused_findings,
)
from guppylm.packs.voice import VoiceRules

N_ROWS = 60_000
MAX_STYLE_FINDINGS = 300  # a voice that every line breaks is said often enough


@dataclass(frozen=True, kw_only=True)
class Amount:
    """How many different things a topic, or a whole pack, can say: exact numbers of derivations."""

    prompts: int
    replies: int
    pairs: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a check found.

    Attributes:
        root: the folder that holds the packs, to which the findings' files are relative.
        findings: sorted by place.
        topics: what each topic can say; empty when the pack could not be loaded.
    """

    root: Path
    findings: tuple[Finding, ...]
    topics: Mapping[str, Amount] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return all(finding.severity != "error" for finding in self.findings)

    @property
    def pairs(self) -> int:
        return sum(amount.pairs for amount in self.topics.values())


@no_collection()
def check_pack(name_or_path: str | Path, *, personas_dir: Path | None = None, n_rows: int = N_ROWS) -> Report:
    """Return every finding about a pack, and what it can say.

    Args:
        name_or_path, personas_dir: as for `load_pack`.
        n_rows: the rows of training that the topics should be able to share.

    Raises:
        NotFoundError: there is no such persona.
    """
    reading = read_pack(name_or_path, personas_dir=personas_dir)
    if reading.pack is None:
        return Report(root=reading.folder.parent, findings=tuple(reading.findings))
    pack = reading.pack
    trees = reading.trees
    amounts = {name: _amount(scenes, reading.counter) for name, scenes in trees.items()}
    findings = [
        *reading.findings,
        *islice(_style_findings(pack, trees), MAX_STYLE_FINDINGS),
        *overlap_findings(pack, trees),
        *message_findings(pack, trees),
        *fallback_findings(pack),
        *unused_findings(pack, reading.used),
        *bracket_findings(pack),
        *brace_findings(pack),
        *double_findings(pack, trees, reading.counter),
        *empty_findings(trees),
        *unsaid_findings(trees, reading.counter),
        *_capacity_findings(pack, amounts, n_rows),
    ]
    findings = sort_findings(findings)
    return Report(root=reading.folder.parent, findings=tuple(findings), topics=amounts)


def _amount(scenes: list[SceneTrees], counter: Counter) -> Amount:
    return Amount(
        prompts=sum(counter.total(scene.ask) for scene in scenes),
        replies=sum(counter.total(scene.reply) for scene in scenes),
        pairs=sum(counter.total(pair) for scene in scenes for pair in scene.exchanges(counter)),
    )


def _style_findings(pack: Pack, trees: Mapping[str, list[SceneTrees]]) -> Iterator[Finding]:
    rules = VoiceRules(pack.voice)
    scenes = [scene for topic in trees.values() for scene in topic]
    texts = [tree for scene in scenes for tree in (scene.ask, scene.reply, scene.held_out) if tree is not None]
    # All trees at once first: most packs break no rule, and what trees share is then looked at once.
    if rules.may_be_broken_by(_any_of([scene.reply for scene in scenes])):
        for scene in scenes:
            yield from rules.broken_by(scene.reply)
    if rules.may_hold_loose_marks(_any_of(texts)):
        for tree in texts:
            yield from rules.loose_marks_in(tree)


def _any_of(trees: list[Choice]) -> Choice:
    return Choice(tuple(Option(1, tree) for tree in trees))


def _capacity_findings(pack: Pack, amounts: Mapping[str, Amount], n_rows: int) -> list[Finding]:
    """Warn of topics that cannot make the rows their weight gives them."""
    total = sum(topic.weight for topic in pack.topics.values())
    findings = []
    for name, topic in pack.topics.items():
        share = n_rows * topic.weight // total
        if amounts[name].pairs < share:
            message = f"{amounts[name].pairs:,} pairs, and its share of {n_rows:,} rows is {share:,}"
            help = "add lines and choices, to ask and to reply"
            findings.append(finding_at(topic.place, "W210", message, help))
    return findings
