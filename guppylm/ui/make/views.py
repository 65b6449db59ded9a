"""Turns findings, samples, a training and a talk into what the Make tab shows. Every text of a pack is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from guppylm.errors import Finding, GuppyError, PackError
from guppylm.packs.check import Report
from guppylm.packs.describe import Description
from guppylm.packs.generate import Conversation
from guppylm.packs.place import Place
from guppylm.packs.publish import published_schema
from guppylm.ui.make.training import Training

N_FINDINGS = 40
FEW_PAIRS = 300  # of a topic


def problem(error: GuppyError) -> str:
    """Return an error as the page shows it; of a pack, all its findings."""
    if isinstance(error, PackError) and error.findings:
        return findings_html(error.findings)
    return f'<p class="problem" role="alert">{escape(" ".join(str(error).split()))}</p>'


def note(text: str) -> str:
    return f'<p role="status">{escape(text)}</p>' if text else ""


def findings_html(findings: Sequence[Finding]) -> str:
    """Return findings as a list: what, where, and the remedy."""
    items = "".join(map(_finding, findings[:N_FINDINGS]))
    more = len(findings) - N_FINDINGS
    rest = f"<p>… and {more} more.</p>" if more > 0 else ""
    return f'<ul class="findings">{items}</ul>{rest}'


def _finding(finding: Finding) -> str:
    remedy = f"<small>{escape(finding.help)}</small>" if finding.help else ""
    return (
        f'<li class="{finding.severity}"><code>{escape(finding.where)}</code> '
        f"<span>{escape(finding.message)}</span>{remedy}</li>"
    )


def report_html(report: Report) -> str:
    """Return what a check found, and how much each topic can say."""
    n_errors = sum(finding.severity == "error" for finding in report.findings)
    n_warnings = len(report.findings) - n_errors
    if n_errors:
        head = f'<p class="problem" role="status">{_count(n_errors, "mistake")} to mend before it can be trained.</p>'
    elif n_warnings:
        head = f'<p role="status">No mistakes. {_count(n_warnings, "warning")} to think about.</p>'
    else:
        head = '<p role="status">No mistakes.</p>'
    return head + findings_html(report.findings) + _topics(report)


def _topics(report: Report) -> str:
    if not report.topics:
        return ""
    rows = "".join(
        f'<tr class="{"thin" if amount.pairs < FEW_PAIRS else ""}"><th scope="row">{escape(name)}</th>'
        f"<td>{amount.prompts:,}</td><td>{amount.replies:,}</td><td>{amount.pairs:,}</td></tr>"
        for name, amount in report.topics.items()
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("topic", "messages", "replies", "pairs"))
    return (
        f"<details><summary>{_count(len(report.topics), 'topic')}, {report.pairs:,} pairs of message and reply"
        "</summary>"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        f"<p>Red ones can say little: fewer than {FEW_PAIRS} pairs.</p></details>"
    )


def help_html(file: str) -> str:
    """Return what may stand in a file, from its schema."""
    kind = kind_of(file)
    if kind is None:
        return ""
    schema = published_schema(kind)
    keys = schema.get("properties", {})
    about = f"<p>{escape(schema.get('description', ''))}</p>" if schema.get("description") else ""
    rows = "".join(
        f"<dt><code>{escape(key)}</code></dt><dd>{escape(_described(found, schema))}</dd>"
        for key, found in keys.items()
    )
    return f"<details><summary>What may stand in {escape(file)}</summary>{about}<dl>{rows}</dl></details>"


def _described(found: Any, schema: Any) -> str:
    if "description" in found:
        return str(found["description"])
    for part in found.get("allOf", [found]):
        if "$ref" in part:
            return str(schema["definitions"][part["$ref"].rsplit("/", 1)[1]].get("description", ""))
    return ""


def kind_of(file: str) -> str | None:
    """Return which schema a file of a pack follows; None for a drawing."""
    stem, _, suffix = file.rpartition(".")
    if suffix == "svg":
        return None
    if stem.startswith("topics/"):
        return "topic"
    return stem if stem in ("persona", "words", "phrases", "short", "exam") else None


def samples_html(rows: Iterable[Conversation]) -> str:
    """Return conversations, each with the lines it was made from."""
    found = "".join(
        f'<details class="sample"><summary><span class="asked">{escape(row.input) or "(silence)"}</span>'
        f'<span class="replied">{escape(row.output)}</span></summary>'
        f"<p>{escape(row.category)}: {_places(row.ask_lines)} → {_places(row.reply_lines)}"
        + "".join(f" · &lt;{escape(slot)}&gt; = {escape(word)}" for slot, word in row.words)
        + "</p></details>"
        for row in rows
    )
    return f'<div class="scroll" tabindex="0" role="region" aria-label="Conversations">{found}</div>'


def _places(places: Iterable[Place]) -> str:
    return " ‹ ".join(f"<code>{escape(f'{place.file}:{place.line or place.path}')}</code>" for place in places)


def data_html(found: Description) -> str:
    """Return what training would get."""
    counts, (reply, n_times) = found.counts, found.commonest
    lines = [
        f"{counts['rows']:,} conversations: {counts['pairs']:,} different pairs, {counts['prompts']:,} messages, "
        f"{counts['replies']:,} replies.",
        f"The reply it would hear most, {n_times:,} times: “{reply}”",
        "Fewest different replies: "
        + ", ".join(f"{thin.topic} ({thin.replies:,} in {thin.rows:,})" for thin in found.thinnest)
        + ".",
        f"{len(found.unused):,} of {found.n_lines:,} lines were never used."
        if found.unused
        else f"All {found.n_lines:,} lines were used.",
    ]
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def training_html(training: Training | None) -> str:
    """Return how a training stands: the bar, the loss, and what it says by now."""
    if training is None:
        return ""
    kind = "problem" if training.state == "failed" else ""
    says = training.says
    if training.state == "waiting":
        says = (
            f"Waiting: {_count(training.place, 'training')} before yours." if training.place else "Your turn is next."
        )
    left = training.seconds_left
    if training.state == "running" and left:
        says += f" {round(left // 60)}:{round(left % 60):02} of learning left."
    bar = f'<progress value="{training.fraction:.3f}" max="1" aria-label="How far the training is"></progress>'
    return f'<p class="{kind}" role="status">{escape(says)}</p>{bar}{_curve(training)}' + "".join(
        _spoken(step, said) for step, said in reversed(training.spoken)
    )


def _spoken(step: int, said: Sequence[tuple[str, str]]) -> str:
    rows = "".join(
        f'<p><span class="asked">{escape(prompt) or "(silence)"}</span> <span>{escape(reply)}</span></p>'
        for prompt, reply in said[:4]
    )
    return f'<div class="spoken"><b>Step {step:,}</b>{rows}</div>'


def _curve(training: Training) -> str:
    """Return the loss over the steps as a small drawing."""
    points = training.curve
    if len(points) < 2:
        return ""
    last, top = max(points[-1][0], 1), max(loss for _, loss in points)
    step = max(1, len(points) // 300)

    def path(found: Sequence[tuple[int, float]]) -> str:
        return " ".join(f"{600 * at / last:.1f},{130 - 120 * loss / top:.1f}" for at, loss in found)

    return (
        '<svg class="curve" viewBox="0 0 640 140" role="img" aria-label="The loss over the steps">'
        f'<polyline points="{path([*points[::step], points[-1]])}"/>'
        f'<polyline class="held" points="{path(training.held_out)}"/>'
        f'<text x="604" y="{134 - 120 * points[-1][1] / top:.0f}">{points[-1][1]:.2f}</text></svg>'
        "<p>The loss; between e^loss tokens it hesitates. Solid: of what it just read. Dashed: of phrasings it never "
        "reads.</p>"
    )


def talk_html(talk: Sequence[tuple[str, str]]) -> str:
    return "".join(
        f'<div class="said"><p class="asked">{escape(message) or "(silence)"}</p><p>{escape(reply)}</p></div>'
        for message, reply in talk
    )


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" + ("" if n == 1 else "s")
