"""`python -m guppylm exam NAME`: the report card of a trained persona."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from guppylm.commands.chat import MODELS_DIR, find_bundle
from guppylm.errors import ExamError, PackError

if TYPE_CHECKING:
    from guppylm.model.bundle import Bundle

_EXAMPLES = """examples:
  python -m guppylm exam guppy
  python -m guppylm exam guppy --file my-questions.yaml
  python -m guppylm exam ./runs/moth --seeds 10 --json | jq .rates.final

The report goes into the bundle (exam.json, exam.png, its README.md), unless other questions were asked with --file or
--rows, or --dry was said.
The messages are those of the exam.yaml that the bundle was trained with, in its pack/. Of one that was written since,
ask with --file personas/NAME/exam.yaml, or train again.

exit code: 0 when every rate reaches its bar, 1 when one does not"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EXAMPLES
    parser.add_argument("name", metavar="NAME", help="a folder of models/, or a path to a trained bundle")
    parser.add_argument(
        "--file", type=Path, metavar="EXAM.yaml", help="ask these messages, all of them, in place of the pack's own"
    )
    parser.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="ask everything N times (default: %(default)s)"
    )
    parser.add_argument("--rows", type=int, metavar="N", help="most questions of each set of the generator (600)")
    help = "also put the table into this Markdown file, between <!-- exam --> and <!-- /exam -->"
    parser.add_argument("--readme", type=Path, metavar="FILE", help=help)
    help = "also show which messages of the practice half, or of --file, were taken for another topic, and the replies"
    parser.add_argument("--practice", action="store_true", help=help)
    parser.add_argument("--dry", action="store_true", help="write nothing into the bundle")
    parser.add_argument("--json", action="store_true", help="write JSON and nothing else to standard output")
    parser.add_argument("--models", type=Path, metavar="DIR", help="where bundles are (default: models/)")


def run(options: argparse.Namespace) -> int:
    folder = find_bundle(options.name, options.models or MODELS_DIR)
    if options.seeds < 1 or (options.rows is not None and options.rows < 1):
        raise ExamError("--seeds and --rows count questions.", "Give whole numbers of at least 1.")
    _need_sklearn()

    from guppylm.exam import report as card
    from guppylm.exam.picture import report_png
    from guppylm.exam.run import N_ROWS, examine
    from guppylm.model.bundle import Bundle

    bundle = Bundle.load(folder)
    exam = _read_questions(options.file, bundle) if options.file else None
    if options.readme and not options.readme.is_file():
        raise ExamError(f"{options.readme} is not there.", "--readme wants a file that exists.")
    report = examine(bundle, seeds=range(1, options.seeds + 1), n_rows=options.rows or N_ROWS, exam=exam, tell=_tell)
    if not (options.dry or options.file or options.rows):
        for path in card.write(report, folder, picture=report_png(report)):
            _tell(f"wrote {path}")
    if options.readme:
        text = card.replace_section(options.readme.read_text(encoding="utf-8"), card.as_table(report))
        options.readme.write_text(text, encoding="utf-8")
    print(json.dumps(report, ensure_ascii=False, indent=1) if options.json else card.as_markdown(report))
    if options.practice:
        _tell(
            "\n".join(
                f"[{w['topic']} -> {w['taken_for']}] {w['message']}\n    {w['reply']}" for w in report["practice"]
            )
        )
    if report["free"] != "final":
        _tell(
            f"No free messages were asked: the pack in {folder} holds no exam.yaml. "
            "Train again with one, or ask one with --file."
        )
    missed = card.failures(report)
    for result in missed:
        measured = card.number(result.mean, result.line.unit)
        _tell(f"misses its bar: {result.line.label}, {measured}, {card.bar(result.line)}")
    return 1 if missed else 0


def _need_sklearn() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise ExamError("The examination needs scikit-learn.", "pip install scikit-learn") from None


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _read_questions(file: Path, bundle: Bundle) -> Mapping[str, Sequence[str]]:
    """Return the messages of a file by topic, read as a pack's exam.yaml is.

    Raises:
        ExamError: it cannot be read, or names a topic that there is not.
        PackError: all that is wrong with it.
    """
    from guppylm.packs.read import read_document
    from guppylm.packs.schema import ExamFile
    from guppylm.packs.validate import validate

    try:
        document = read_document(file.read_bytes(), str(file))
    except OSError as error:
        raise ExamError(f"{file} cannot be read.", f"Is it there? ({error.strerror})") from None
    content = validate(document, "exam") if document.tree is not None else None
    if not isinstance(content, ExamFile):
        raise PackError(document.findings)
    known = {*bundle.pack.topics, "_unknown"}
    for topic in content.root:
        if topic not in known:
            raise ExamError(f"{file}: there is no topic called {topic}.", f"Its topics: {', '.join(sorted(known))}.")
    return content.root
