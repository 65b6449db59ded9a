"""The commands as people and scripts use them: what goes where, and with which exit code."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from guppylm.cli import COMMANDS, main
from guppylm.packs.check import check_pack
from guppylm.packs.load import load_pack
from guppylm.packs.starter import FILES
from tests.packs.packs import write_pack

ROOT = Path(__file__).parents[1]
TOPIC = "ask: (are you|do you feel) (hungry|thirsty|fine)\nheld_out: got an appetite\nreply: (no|yes), <2..9>\n"


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """A folder with one good persona, `moth`, and one with a mistake, `mouth`."""
    write_pack(tmp_path / "moth", {"topics/food.yaml": TOPIC})
    write_pack(tmp_path / "mouth", {"topics/food.yaml": "ask: do you eat <snack>\nreply: no\n"})
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as end:  # argparse
        code = int(end.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def python_m(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **options.pop("env", {})}
    command = [sys.executable, "-m", "guppylm", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, **options)


# ---- all of them


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_with_examples(capsys, command):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert "examples:" in out
    assert f"python -m guppylm {command} " in out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frobnicate"],
        ["check"],
        ["check", "nobody"],
        ["sample", "nobody"],
        ["chat", "nobody"],
        ["new", "a/b"],
        ["check", "moth", "--frob"],
        ["sample", "moth", "-n", "0"],
        ["sample", "moth", "--set", "best"],
        ["sample", "moth", "--topic", "foods"],
        ["sample", "mouth"],
        ["sample", "moth", "--out", "/nowhere/at/all.jsonl"],
    ],
)
def test_a_mistake_of_the_user_is_exit_code_2_and_words_on_standard_error(capsys, packs, arguments):
    where = ["--personas", packs] if arguments and arguments[0] in ("check", "sample", "new") else []
    code, out, err = run(capsys, *arguments, *where)
    assert (code, out) == (2, "")
    assert err.strip()
    assert "Traceback" not in err


def test_a_real_process_answers_too(packs):
    done = python_m("check", str(packs / "moth"), "--rows", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 errors, 0 warnings" in done.stdout
    wrong = python_m("check", "nobody")
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_a_reader_that_has_seen_enough_is_no_error(packs):
    command = f"{sys.executable} -m guppylm sample {packs / 'moth'} -n 40 --json | head -1"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["category"] == "food"


def test_interrupting_is_exit_code_130(monkeypatch, packs):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("guppylm.commands.check.check_pack", interrupted)
    assert main(["check", "moth", "--personas", str(packs)]) == 130


def test_any_text_is_written_whatever_the_terminals_settings(tmp_path):
    write_pack(tmp_path / "moth", {"topics/food.yaml": "ask: ça va 🐟\nreply: oui 你好\n"})
    done = python_m(
        "sample",
        str(tmp_path / "moth"),
        "-n",
        "1",
        "--json",
        env={"PYTHONIOENCODING": "ascii"},
        encoding="utf-8",
    )
    assert json.loads(done.stdout)["output"] == "oui 你好"


# ---- new


def test_a_new_pack_passes_check_without_a_word(capsys, tmp_path):
    code, out, _ = run(capsys, "new", "sea-lion", "--personas", tmp_path)
    assert code == 0
    assert "check sea-lion" in out
    report = check_pack("sea-lion", personas_dir=tmp_path)
    assert (report.ok, report.findings) == (True, ())
    pack = load_pack("sea-lion", personas_dir=tmp_path)
    assert pack.title == "Sea Lion"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sea-lion"]  # nothing half written stays
    text = "".join(path.read_text() for path in (tmp_path / "sea-lion").rglob("*.yaml"))
    assert not {"TITLE", "NAME"} & set(text.split())


def test_the_starter_shows_every_part_of_the_format():
    text = "".join(path.read_text() for path in FILES.rglob("*.yaml"))
    for part in (
        "held_out:",
        "scenes:",
        "words:",
        "phrases:",
        "(please |)",
        "<tea2>",
        "<2..9>",
        "3* ",
        "<thing.s>",
    ):
        assert part in text, part
    for part in ("fallback:", "starters:", "voice:", "forbid:", "extends:", "{word: ", "held_out: yes", "# "):
        assert part in text, part


def test_new_never_writes_over_a_folder(capsys, packs):
    code, _, err = run(capsys, "new", "moth", "--personas", packs)
    assert code == 2
    assert "already there" in err
    assert (packs / "moth" / "topics" / "food.yaml").read_text() == TOPIC


@pytest.mark.parametrize("name", ["", "..", "../x", "_chat", ".x", "a b", "-x", "x" * 65])
def test_new_refuses_names_that_are_none(capsys, tmp_path, name):
    code, _, _ = run(capsys, "new", "--personas", tmp_path, "--", name)
    assert code == 2
    assert list(tmp_path.iterdir()) == []


def test_new_of_a_table_says_what_is_missing(capsys, tmp_path):
    (tmp_path / "t.csv").write_text("topic,prompt,reply\nfood,hungry,yes\n")
    code, out, err = run(capsys, "new", "moth", "--from-csv", tmp_path / "t.csv", "--personas", tmp_path)
    assert code == 0
    assert "check moth" in out
    assert err == "food has 1 prompt and 1 reply\na topic learns well from 20 prompts and 15 replies up\n"


# ---- check


def test_check_prints_findings_then_a_table_then_the_count(capsys, packs):
    code, out, err = run(capsys, "check", "moth", "--personas", packs, "--rows", 1000)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"{packs}/moth/topics/food.yaml:1:1: W210 ")
    assert [line.split() for line in lines if line.startswith(("food", "1 topic"))] == [
        ["food", "6", "16", "96"],
        ["1", "topic", "6", "16", "96"],
    ]
    assert lines[-1] == "0 errors, 1 warning"


def test_places_are_named_as_seen_from_here(capsys, packs, monkeypatch):
    monkeypatch.chdir(packs.parent)
    _, out, _ = run(capsys, "check", "mouth", "--personas", packs)
    assert out.startswith(f"{packs.name}/mouth/topics/food.yaml:1:17: E140 ")


def test_check_with_errors_is_exit_code_2(capsys, packs):
    code, out, err = run(capsys, "check", "mouth", "--personas", packs)
    assert (code, err) == (2, "")
    assert out.splitlines()[0] == f"{packs}/mouth/topics/food.yaml:1:17: E140 no list or phrase called <snack>"
    assert out.splitlines()[-1] == "1 error, 0 warnings"


def test_check_json_is_json_and_nothing_else(capsys, packs):
    code, out, err = run(capsys, "check", "moth", "--personas", packs, "--json", "--rows", 1)
    assert (code, err) == (0, "")
    counts = {"prompts": 6, "replies": 16, "pairs": 96}
    assert json.loads(out) == {"ok": True, "findings": [], "topics": {"food": counts}, "pairs": 96}
    code, out, _ = run(capsys, "check", "mouth", "--personas", packs, "--json")
    assert code == 2
    report = json.loads(out)
    assert (report["ok"], report["topics"], report["pairs"]) == (False, {}, 0)
    (finding,) = report["findings"]
    assert set(finding) == {"code", "severity", "file", "line", "column", "path", "message", "help"}
    assert (finding["severity"], finding["line"], finding["column"]) == ("error", 1, 17)


# ---- sample


def test_watching_checks_again_when_a_file_changes(packs):
    command = [sys.executable, "-m", "guppylm", "check", "moth", "--personas", str(packs), "--watch", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        try:
            assert watching.stdout is not None
            assert watching.stderr is not None
            assert "watching" in watching.stderr.readline()
            write_pack(packs / "moth", {"topics/food.yaml": "ask: <snack>\nreply: no\n"})
            assert any("E140" in line for line in watching.stdout)
        finally:
            watching.kill()


def test_watching_ends_with_ctrl_c(monkeypatch, packs):
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("guppylm.commands.check.time.sleep", interrupt)
    assert main(["check", "moth", "--personas", str(packs), "--watch"]) == 130


def test_explain_names_lines_topics_and_unknown_words(capsys, packs):
    code, out, _ = run(capsys, "explain", "moth", "Are you thirsty?", "--personas", packs)
    assert code == 0
    assert out == "people can say it:\n  food, scene 1  moth/topics/food.yaml:1\n"
    code, out, _ = run(capsys, "explain", "moth", "thirsty kettle", "--personas", packs)
    assert "no line of moth can make this" in out
    assert "words that no message in moth has: kettle" in out
    code, out, _ = run(capsys, "explain", "moth", "got an appetite", "--personas", packs, "--json")
    assert json.loads(out)["ways"][0]["role"] == "held out"


def test_data_tells_what_training_would_get(capsys, packs):
    code, out, _ = run(capsys, "data", "moth", "--personas", packs, "--rows", 40)
    assert code == 0
    assert out.startswith("40 rows: 40 different pairs, ")
    assert "the model sees 256" in out
    assert "all 2 lines were used" in out
    _, out, _ = run(capsys, "data", "moth", "--personas", packs, "--rows", 40, "--json")
    assert json.loads(out)["counts"]["rows"] == 40


def test_sample_by_number(capsys, packs):
    arguments = ("sample", "moth", "--personas", packs, "--topic", "food", "--json")
    _, out, _ = run(capsys, *arguments, "--rank", 1, "-n", 1000)
    rows = [json.loads(line) for line in out.splitlines()]
    assert len({(row["input"], row["output"]) for row in rows}) == len(rows) == 2 * 3 * 2 * 8
    _, out, _ = run(capsys, *arguments, "--rank", 96, "-n", 3)
    assert [json.loads(line) for line in out.splitlines()] == rows[-1:]
    code, _, err = run(capsys, *arguments, "--rank", 97)
    assert (code, err) == (2, "there is no pair number 97\nchoose from 1 to 96\n")


def test_sample_shows_conversations_and_why(capsys, packs):
    code, out, err = run(capsys, "sample", "moth", "--personas", packs, "-n", 2, "--why")
    assert (code, err) == (0, "")
    assert out.count("  you  ") == 2
    assert "moth/topics/food.yaml:1" in out
    assert "moth/topics/food.yaml:3" in out


def test_sample_writes_rows_and_says_where(capsys, packs, tmp_path):
    code, out, err = run(
        capsys, "sample", "moth", "--personas", packs, "-n", 5, "--seed", 3, "--out", tmp_path / "a.jsonl"
    )
    assert (code, out) == (0, "")
    assert "5 rows" in err
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [sorted(row) for row in rows] == [["category", "input", "output"]] * 5
    run(capsys, "sample", "moth", "--personas", packs, "-n", 5, "--seed", 3, "--out", tmp_path / "b.jsonl")
    assert (tmp_path / "b.jsonl").read_bytes() == (tmp_path / "a.jsonl").read_bytes()
    run(capsys, "sample", "moth", "--personas", packs, "-n", 5, "--seed", 4, "--out", tmp_path / "c.jsonl")
    assert (tmp_path / "c.jsonl").read_bytes() != (tmp_path / "a.jsonl").read_bytes()


def test_sample_of_another_set(capsys, packs):
    code, out, _ = run(capsys, "sample", "moth", "--personas", packs, "--set", "held_out", "-n", 3, "--json")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["input"] for row in rows] == ["got an appetite"] * 3


def test_a_small_sample_is_of_all_topics(capsys, packs):
    jokes = {f"topics/t{n:02}.yaml": f"ask: (please |)joke {n}\nreply: <2..90>\n" for n in range(30)}
    write_pack(packs / "moth", jokes)
    seen = set()
    for seed in range(8):
        _, out, _ = run(capsys, "sample", "moth", "--personas", packs, "-n", 5, "--seed", seed, "--json")
        seen |= {json.loads(line)["category"] for line in out.splitlines()}
    assert len(seen) > 12


def test_sample_of_a_set_that_is_empty(capsys, packs):
    code, out, err = run(capsys, "sample", "moth", "--personas", packs, "--set", "new_words")
    assert (code, out, err) == (0, "", "there are no such rows in moth\n")


def test_sample_of_one_topic(capsys, packs):
    write_pack(
        packs / "moth",
        {"topics/joke.yaml": "ask: (please |)joke\nreply: <2..90>\n", "topics/food.yaml": TOPIC},
    )
    code, out, _ = run(capsys, "sample", "moth", "--personas", packs, "--topic", "joke", "-n", 4, "--json")
    assert code == 0
    assert {json.loads(line)["category"] for line in out.splitlines()} == {"joke"}
    assert len(out.splitlines()) == 4


def test_sample_says_when_there_is_no_more(capsys, packs):
    code, out, err = run(capsys, "sample", "moth", "--personas", packs, "-n", 5000, "--json")
    assert code == 0
    assert 0 < len(out.splitlines()) <= 96
    assert "only" in err


def test_sample_of_a_pack_with_errors_names_them(capsys, packs):
    code, _, err = run(capsys, "sample", "mouth", "--personas", packs)
    assert code == 2
    assert "E140" in err


# ---- chat


@pytest.fixture
def models(tmp_path: Path, tiny_bundle) -> Path:
    tiny_bundle.save(tmp_path / "models" / "lamp")
    return tmp_path / "models"


def test_chat_answers_once(capsys, models):
    ask = ["chat", "lamp", "--models", models, "--seed", 5, "--max-tokens", 9, "--prompt"]
    code, out, err = run(capsys, *ask, "hi")
    assert (code, err) == (0, "")
    assert run(capsys, *ask, "hi")[1] == out
    code, told, _ = run(capsys, *ask, "hi", "--json")
    row = json.loads(told)
    assert set(row) == {"prompt", "reply", "tokens", "stopped"}
    assert (row["prompt"], row["reply"] + "\n") == ("hi", out)
    assert 0 < row["tokens"] <= 9


def test_chat_writes_every_number_behind_a_reply(capsys, models, tmp_path):
    trace = tmp_path / "trace.json"
    ask = ["chat", "lamp", "--models", models, "--seed", 5, "--max-tokens", 9, "--prompt", "hello", "--trace"]
    code, out, _ = run(capsys, *ask, trace)
    assert code == 0
    found = json.loads(trace.read_text(encoding="utf-8"))
    assert found["reply"] == out.strip()
    assert len(found["steps"]) == 9
    code, _, err = run(capsys, *ask, tmp_path / "nowhere" / "trace.json")
    assert code == 2
    assert "cannot be written" in err


def test_a_trace_needs_a_message(capsys, models, tmp_path):
    code, _, err = run(capsys, "chat", "lamp", "--models", models, "--trace", tmp_path / "trace.json")
    assert code == 2
    assert "--prompt" in err


def test_chat_in_bulk_answers_every_line_alone(capsys, models, monkeypatch):
    lines = 'hi\n"two\\nlines"\n"just a quote\n\n'
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    settings = ["--models", models, "--seed", 5, "--max-tokens", 9]
    code, out, err = run(capsys, "chat", "lamp", *settings, "--batch")
    assert (code, err) == (0, "")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["prompt"] for row in rows] == ["hi", "two\nlines", '"just a quote', ""]
    for row in rows:
        alone = json.loads(run(capsys, "chat", "lamp", *settings, "--json", "--prompt", row["prompt"])[1])
        assert alone == row


def test_chat_line_by_line_ends_with_the_input(capsys, models, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("hi\nbye\n"))
    code, out, _ = run(capsys, "chat", "lamp", "--models", models, "--seed", 5, "--max-tokens", 9)
    assert code == 0
    assert out.count("lamp> ") == 2


@pytest.mark.parametrize(
    "setting",
    [["--temperature", "-1"], ["--top-p", "7"], ["--top-k", "-2"], ["--max-tokens", "0"], ["--seed", "-1"]],
)
def test_chat_settings_that_make_no_sense(capsys, models, setting):
    code, out, err = run(capsys, "chat", "lamp", "--models", models, "--prompt", "hi", *setting)
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_chat_with_a_persona_that_was_never_trained(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("guppylm.commands.chat.list_personas", lambda: ["moth"])
    code, _, err = run(capsys, "chat", "moth", "--models", tmp_path)
    assert code == 2
    assert "python train.py --persona moth" in err
    assert "did you mean moth?" in run(capsys, "chat", "mot", "--models", tmp_path)[2]
