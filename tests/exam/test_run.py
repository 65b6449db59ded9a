"""A whole examination of a model that knows nothing."""

import json

import pytest

from guppylm import cli
from guppylm.exam.run import examine


@pytest.fixture
def report(lamp_bundle):
    return examine(lamp_bundle, seeds=(1, 2), n_rows=6)


def test_every_rate_is_there_and_is_a_rate(report):
    rates = report["rates"]
    assert {"final", "practice", "held_out", "seen", "noisy", "unknown", "identity", "capitals"} <= rates.keys()
    assert {"voice broken", "residue", "loops", "ends by itself", "distinct of ten"} <= rates.keys()
    for name, rate in rates.items():
        top = 10 if name == "distinct of ten" else 1
        assert -1 <= rate["low"] <= rate["mean"] <= rate["high"] <= top, name
    assert rates["final"]["n"] == 3
    assert len(rates["final"]["of_each"]) == 2


def test_capitals_make_no_difference_to_who_hears_in_lower_case(lamp_bundle):
    lamp_bundle.metrics["hears"] = "lower"
    rates = examine(lamp_bundle, seeds=(1, 2), n_rows=6)["rates"]
    assert rates["gap: capitals"]["mean"] == 0


def test_a_model_that_knows_nothing_fails(report):
    from guppylm.exam.report import failures

    assert failures(report)


def test_it_is_plain_json_and_the_same_each_time(report, lamp_bundle):
    again = examine(lamp_bundle, seeds=(1, 2), n_rows=6)
    assert json.dumps(report | {"seconds": 0}) == json.dumps(again | {"seconds": 0})


def test_losses_stand_beside_simpler_models(report):
    loss = report["loss"]
    assert loss["trigram"] < loss["unigram"] < loss["knows_nothing"]


def test_the_command_writes_the_card_and_exits_1(lamp_bundle, capsys):
    folder = lamp_bundle.folder
    assert cli.main(["exam", str(folder), "--seeds", "1"]) == 1
    out = capsys.readouterr()
    assert "## Report card" in out.out
    assert "misses its bar" in out.err
    assert {"exam.json", "exam.png"} <= {path.name for path in folder.iterdir()}
    assert "## Report card" in (folder / "README.md").read_text(encoding="utf-8")


def test_the_table_goes_between_two_comments_of_any_file(lamp_bundle, tmp_path):
    file = tmp_path / "README.md"
    file.write_text("before\n<!-- exam -->\nold\n<!-- /exam -->\nafter\n", encoding="utf-8")
    cli.main(["exam", str(lamp_bundle.folder), "--seeds", "1", "--readme", str(file)])
    text = file.read_text(encoding="utf-8")
    assert "free messages answered on topic" in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")


def test_json_is_all_there_is_on_standard_output(lamp_bundle, capsys):
    assert cli.main(["exam", str(lamp_bundle.folder), "--seeds", "1", "--rows", "4", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["persona"] == "lamp"
    assert not (lamp_bundle.folder / "exam.json").exists()


def test_other_questions(lamp_bundle, tmp_path, capsys):
    file = tmp_path / "mine.yaml"
    file.write_text("oil:\n  - no\n  - thirsty\n", encoding="utf-8")
    assert cli.main(["exam", str(lamp_bundle.folder), "--file", str(file), "--seeds", "1", "--json"]) in (0, 1)
    assert json.loads(capsys.readouterr().out)["questions"]["final"] == 2
    assert not (lamp_bundle.folder / "exam.json").exists()


def test_a_question_mark_in_brackets_is_read_as_in_a_pack_and_what_went_wrong_is_shown(lamp_bundle, tmp_path, capsys):
    file = tmp_path / "mine.yaml"
    file.write_text("oil: [who lives there?, what is the weather?]\n", encoding="utf-8")
    flags = ("--file", str(file), "--seeds", "1", "--rows", "2", "--practice", "--json")
    assert cli.main(["exam", str(lamp_bundle.folder), *flags]) in (0, 1)
    out, err = capsys.readouterr()
    report = json.loads(out)
    n_wrong = round(2 * (1 - report["rates"]["final"]["mean"]))
    assert len(report["practice"]) == n_wrong
    assert {wrong["message"] for wrong in report["practice"]} <= {"who lives there?", "what is the weather?"}
    assert err.count("[oil -> ") == n_wrong


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("oil: [a]\nfish: [b]\n", "no topic called fish"),
        ("oil: {a: b}\n", "mine.yaml:1:6: E120"),
        ("- a\n", "mine.yaml:1:1: E123"),
        ("", "E108"),
        ("oil: [a\n", "E100"),
        (None, "cannot be read"),
    ],
)
def test_a_file_of_questions_that_is_wrong_says_so(lamp_bundle, tmp_path, capsys, content, said):
    file = tmp_path / "mine.yaml"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    assert cli.main(["exam", str(lamp_bundle.folder), "--file", str(file)]) == 2
    assert said in capsys.readouterr().err


def test_flags_that_make_no_sense(lamp_bundle, capsys):
    assert cli.main(["exam", str(lamp_bundle.folder), "--seeds", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err
