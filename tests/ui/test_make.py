"""A visitor's own bench: nothing on it is lost, nothing leaves it, and whatever becomes of a training is told."""

from __future__ import annotations

import json
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guppylm.errors import GuppyError
from guppylm.packs.load import load_pack
from guppylm.ui.make import bench as benches_module
from guppylm.ui.make import training as training_module
from guppylm.ui.make import views
from guppylm.ui.make.bench import Bench, Benches
from guppylm.ui.make.tab import MakeTab
from guppylm.ui.make.training import Training, Trainings, command_of
from tests.packs.test_load import HOSTILE, write_pack
from tests.ui.stage import Stage


@pytest.fixture
def benches(stage: Stage) -> Benches:
    return Benches(stage.personas_dir)


@pytest.fixture
def bench(benches: Benches) -> Bench:
    found = benches.open()
    found.begin_new("moth")
    return found


# ---- beginning


def test_a_bench_is_found_by_its_token_and_by_nothing_else(benches: Benches) -> None:
    mine, yours = benches.open(), benches.open()
    assert benches.open(mine.token) is mine
    assert mine.packs_dir != yours.packs_dir
    for token in ("", "x", "../" + mine.token, str(mine.packs_dir), None, 7, ["a"]):
        assert benches.find(token) is None
    assert mine.token not in str(mine.packs_dir)


def test_the_small_example_has_no_mistakes(bench: Bench) -> None:
    assert bench.files()[0] == "persona.yaml"
    assert bench.check(1000).ok
    assert len(bench.samples(50, seed=1)) == 50


def test_a_copy_is_the_same_pack_under_another_name(benches: Benches, stage: Stage) -> None:
    bench = benches.open()
    bench.begin_copy("torch", of="lamp")
    assert (bench.pack().title, bench.pack().name) == ("Lamp", "torch")
    with pytest.raises(GuppyError, match="no persona called 'lamb'"):
        bench.begin_copy("torch", of="lamb")
    with pytest.raises(GuppyError, match="no persona called"):
        bench.begin_copy("torch", of="../models/lamp")


def test_a_spreadsheet_becomes_a_pack_and_tells_what_is_thin(benches: Benches, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("topic,prompt,reply\nweather,will it rain,ask the leaf.\n")
    bench = benches.open()
    assert "weather has 1 prompt" in bench.begin_table("leaf", table)[0]
    assert "topics/weather.yaml" in bench.files()


def test_a_zip_comes_back_as_it_was_taken_away(bench: Bench, benches: Benches) -> None:
    bench.add_topic("weather", "will it rain\nis it windy", "ask the (leaf|moth).")
    other = benches.open()
    other.begin_zip("owl", bench.pack_zip())
    assert other.read("topics/weather.yaml") == bench.read("topics/weather.yaml")


@pytest.mark.parametrize("name", ["", "..", "a/b", "_chat", "schema ", "ü", "x" * 50, "A", ".hidden"])
def test_a_bad_name_is_refused_and_nothing_is_lost(bench: Bench, name: str) -> None:
    before = bench.read("persona.yaml")
    with pytest.raises(GuppyError, match=r"name|folder"):
        bench.begin_new(name)
    assert (bench.name, bench.read("persona.yaml")) == ("moth", before)


def test_a_zip_that_is_none_is_refused_and_nothing_is_lost(bench: Bench, tmp_path: Path) -> None:
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"PK not really")
    slip = tmp_path / "slip.zip"
    with zipfile.ZipFile(slip, "w") as archive:
        archive.writestr("../../out.txt", "x")
    for archive in (bad, slip):
        with pytest.raises(GuppyError):
            bench.begin_zip("owl", archive)
        assert bench.name == "moth"
        assert bench.check(1000).ok


def test_beginning_again_and_failing_keeps_what_was_there(bench: Bench, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("no,columns\n1,2\n")
    with pytest.raises(GuppyError):
        bench.begin_table("leaf", table)
    assert bench.name == "moth"
    assert bench.check(1000).ok


# ---- writing


def test_what_is_written_is_checked_at_its_line(bench: Bench) -> None:
    text = bench.read("persona.yaml") + "sillykey: 1\n"
    bench.write("persona.yaml", text)
    finding = next(finding for finding in bench.check(1000).findings if finding.severity == "error")
    assert finding.line == len(text.splitlines())
    assert "sillykey" in views.report_html(bench.check(1000))


@pytest.mark.parametrize(
    "file", ["../persona.yaml", "/etc/passwd", "topics/../../x.yaml", "nothing.yaml", "", ".persona.yaml.new"]
)
def test_only_files_of_the_pack_can_be_read_and_written(bench: Bench, file: str) -> None:
    for touch in (bench.read, lambda file: bench.write(file, "x")):
        with pytest.raises(GuppyError, match="no file"):
            touch(file)


def test_a_link_in_a_pack_is_not_followed_into_the_disk(bench: Bench, tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("secret")
    (bench.pack_dir / "words.yaml").unlink(missing_ok=True)
    (bench.pack_dir / "words.yaml").symlink_to(secret)
    assert "words.yaml" not in bench.files()
    with zipfile.ZipFile(bench.pack_zip()) as archive:
        assert all(b"secret" not in archive.read(name) for name in archive.namelist())


def test_too_much_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    before = bench.read("persona.yaml")
    with pytest.raises(GuppyError, match="is the most here"):
        bench.write("persona.yaml", "x" * 400_000)
    monkeypatch.setattr(benches_module, "MAX_PACK_BYTES", 5000)
    with pytest.raises(GuppyError, match="more than 5,000 bytes"):
        bench.write("persona.yaml", "# \n" * 3000)
    assert bench.read("persona.yaml") == before


def test_odd_characters_are_kept_or_told(bench: Bench) -> None:
    for text in ("\x00", "\ud800", "a\r\nb", "\u202e", "🌙" * 1000):
        bench.write("persona.yaml", text)
        assert not bench.check(1000).ok


def test_a_topic_without_yaml_means_just_what_was_typed(bench: Bench) -> None:
    bench.add_topic("weather", "will it rain\n\n  is it <b>windy</b>  ", "ask: the (leaf|moth).\n- 3* no")
    topic = bench.pack().topics["weather"]
    assert len(topic.scenes[0].ask) == 2
    said = {row.output for row in bench.dataset(400)[1].train if row.category == "weather"}
    assert said == {"ask: the (leaf|moth).", "- 3* no"}
    with pytest.raises(GuppyError, match="already"):
        bench.add_topic("weather", "a", "b")
    for name, asks, replies in (("", "a", "b"), ("a b", "a", "b"), ("../x", "a", "b"), ("w", "", "b"), ("w", "a", " ")):
        with pytest.raises(GuppyError):
            bench.add_topic(name, asks, replies)


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_pack_is_refused_with_its_sentence(bench: Bench, tmp_path: Path, name: str) -> None:
    files, code = HOSTILE[name]
    folder = write_pack(tmp_path / "evil", files)
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for path in folder.rglob("*"):
            if path.is_file():
                out.write(path, path.relative_to(tmp_path))
    bench.begin_zip("evil", archive)
    report = bench.check(1000)
    assert code in {finding.code for finding in report.findings}
    assert "to mend" in views.report_html(report)
    with pytest.raises(GuppyError):
        Trainings().start(bench)


def test_nothing_a_pack_says_is_markup(bench: Bench) -> None:
    bench.add_topic("weather", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>")
    shown = views.samples_html(bench.samples(200, seed=1)) + views.report_html(bench.check(100_000))
    assert "<script" not in shown
    assert "<img" not in shown
    assert "&lt;img" in shown


def test_every_kind_of_file_is_explained() -> None:
    for file in ("persona.yaml", "topics/food.yaml", "words.yaml", "phrases.yaml", "exam.yaml"):
        assert "What may stand in" in views.help_html(file)
    assert "starters" in views.help_html("persona.yaml")
    assert views.help_html("avatar.svg") == ""


# ---- keeping house


def test_old_benches_are_swept_away_and_there_are_not_too_many(
    benches: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benches_module, "MAX_BENCHES", 2)
    old, new = benches.open(), benches.open()
    old.begin_new("moth")
    with pytest.raises(GuppyError, match="Many people"):
        benches.open()
    old.touched -= 3600 * 4
    third = benches.open()
    assert benches.find(old.token) is None
    assert not old.packs_dir.exists()
    assert {benches.find(one.token) for one in (new, third)} == {new, third}


def test_saving_beside_the_page_never_overwrites(bench: Bench, tmp_path: Path) -> None:
    assert bench.save(tmp_path / "p", tmp_path / "m") == [tmp_path / "p" / "moth"]
    assert load_pack(tmp_path / "p" / "moth").title == "Moth"
    with pytest.raises(GuppyError, match="already there"):
        bench.save(tmp_path / "p", tmp_path / "m")


def test_on_a_space_nothing_is_saved_beside_the_page(stage: Stage, tmp_path: Path) -> None:
    tab = MakeTab(personas_dir=stage.personas_dir, models_dir=tmp_path / "m", is_home=False)
    bench = tab.benches.open()
    bench.begin_new("zebra")
    assert tab.on_save(bench.token) == ""
    assert not (stage.personas_dir / "zebra").exists()


# ---- training


LINE = {"stage": "learning", "step": 5, "fraction": 0.5, "loss": 2.0, "held_out_loss": 2.1, "seconds_left": 9.0,
        "replies": [{"prompt": "hi", "reply": "<b>yo</b>"}]}  # fmt: skip


def child(code: str) -> Callable[[Training], list[str]]:
    """Return a command that runs some Python instead of train.py; `out` is where the bundle goes."""
    return lambda training: [
        sys.executable, "-c",
        f"import sys, os, json, time, signal, pathlib\nout = pathlib.Path({str(training.bench.bundle_dir)!r})\n"
        f"tell = lambda: print(json.dumps({LINE!r}), file=sys.stderr, flush=True)\n"
        "def write():\n    out.mkdir(parents=True, exist_ok=True)\n    (out / 'config.json').write_text('{}')\n" + code,
    ]  # fmt: skip


def wait_for(training: Training, state: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while training.state != state and time.monotonic() < deadline:
        time.sleep(0.02)
    assert training.state == state, (training.state, training.says)


@pytest.fixture
def queue() -> Iterator[Callable[..., Trainings]]:
    made: list[Trainings] = []

    def build(code: str, **settings: float) -> Trainings:
        made.append(Trainings(command=child(code), **settings))
        return made[-1]

    yield build
    for one in made:
        one.close()


def test_a_training_is_watched_to_its_end(bench: Bench, queue: Callable[..., Trainings]) -> None:
    trainings = queue("tell(); write()")
    training = trainings.start(bench)
    wait_for(training, "done")
    assert training.curve == [(5, 2.0)]
    assert training.spoken == [(5, (("hi", "<b>yo</b>"),))]
    assert "<b>yo" not in views.training_html(training)


def test_one_at_a_time_and_places_in_the_queue(bench: Bench, benches: Benches, queue: Callable[..., Trainings]) -> None:
    others = [benches.open(), benches.open()]
    for other in others:
        other.begin_new("owl")
    trainings = queue("tell(); time.sleep(1.0); write()")
    first = trainings.start(bench)
    wait_for(first, "running")
    second, third = (trainings.start(other) for other in others)
    assert [trainings.of(one.token).place for one in others] == [1, 2]
    assert "2 trainings before yours" in views.training_html(trainings.of(others[1].token))
    with pytest.raises(GuppyError, match="under way"):
        trainings.start(bench)
    trainings.stop(others[0].token)
    assert (second.state, second.says) == ("stopped", "Taken out of the queue.")
    wait_for(third, "done")
    assert first.state == "done"


def test_too_many_in_the_queue_are_sent_away(
    bench: Bench, benches: Benches, queue: Callable[..., Trainings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_module, "MAX_WAITING", 1)
    trainings = queue("time.sleep(60)")
    wait_for(trainings.start(bench), "running")
    more = [benches.open(), benches.open()]
    for one in more:
        one.begin_new("owl")
    trainings.start(more[0])
    with pytest.raises(GuppyError, match="waiting already"):
        trainings.start(more[1])


def test_stopping_keeps_what_was_learned(bench: Bench, queue: Callable[..., Trainings]) -> None:
    trainings = queue(
        "def stop(*_):\n    write()\n    sys.exit(143)\nsignal.signal(signal.SIGTERM, stop)\ntell()\ntime.sleep(60)"
    )
    training = trainings.start(bench)
    while not training.curve:
        time.sleep(0.02)
    trainings.stop(bench.token)
    wait_for(training, "stopped")
    assert "is kept" in training.says


def test_stopping_at_once_is_told(bench: Bench, queue: Callable[..., Trainings]) -> None:
    trainings = queue("time.sleep(60)")
    training = trainings.start(bench)
    wait_for(training, "running")
    trainings.stop(bench.token)
    wait_for(training, "stopped")
    assert training.says == "Stopped before it had learned anything."


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "ended from outside"),
        ("print('No room on the disk.', file=sys.stderr); sys.exit(2)", "No room on the disk."),
        ("sys.exit(3)", "without a word"),
        ('print(\'{"step": "x"}\', file=sys.stderr); sys.exit(1)', ""),
    ],
)
def test_a_child_that_dies_is_told_and_the_next_one_runs(
    bench: Bench, benches: Benches, queue: Callable[..., Trainings], code: str, says: str
) -> None:
    trainings = queue(f"if 'owl' in str(out):\n    write(); sys.exit(0)\n{code}")
    training = trainings.start(bench)
    wait_for(training, "failed")
    assert says in training.says
    other = benches.open()
    other.begin_new("owl")
    wait_for(trainings.start(other), "done")


def test_a_child_that_hangs_is_ended(bench: Bench, queue: Callable[..., Trainings]) -> None:
    training = queue("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)", silence=0.5).start(bench)
    wait_for(training, "failed")
    assert "said nothing any more" in training.says


def test_a_pack_with_mistakes_is_not_trained(bench: Bench, queue: Callable[..., Trainings]) -> None:
    bench.write("persona.yaml", "format: persona/9\n")
    with pytest.raises(GuppyError):
        queue("write()").start(bench)


def test_the_command_is_train_py_with_the_bench_in_it(bench: Bench) -> None:
    command = command_of(Training(bench=bench, preset="3m", minutes=2.0))
    assert command[command.index("--persona") + 1] == str(bench.pack_dir)
    assert command[command.index("--out") + 1] == str(bench.bundle_dir)
    assert "--json" in command
    assert Path(next(part for part in command if part.endswith("train.py"))).is_file()


# ---- the tab


def test_the_page_gets_one_answer_for_each_of_its_parts(stage: Stage, tmp_path: Path) -> None:
    tab = MakeTab(personas_dir=stage.personas_dir, models_dir=tmp_path)
    begun = tab.on_begin("", "moth", "new", None)
    token = begun[0]
    assert (
        len(tab.on_visit(token)) == len(tab.on_visit("")) == len(begun) == len(tab.on_begin(token, "..", "new", None))
    )
    assert len(tab.on_begin(token, "moth", "zip", None)) == len(begun)
    assert len(tab.on_train("", "3m", 2)) == len(tab.on_tick(token)) == len(tab.on_stop(token)) == 6
    assert len(tab.on_add(token, "", "", "")) == len(tab.on_add(token, "weather", "a", "b"))
    assert len(tab.on_file(token, "persona.yaml")) == len(tab.on_file(token, "../x"))
    assert "sample" in tab.on_samples(token)
    assert "conversations" in tab.on_data(token)
    assert "no persona on your bench" in tab.on_samples("stranger")
    json.dumps(tab.on_file(token, "persona.yaml"))


def test_two_visitors_do_not_meet(stage: Stage, tmp_path: Path) -> None:
    tab = MakeTab(personas_dir=stage.personas_dir, models_dir=tmp_path)
    mine, yours = (tab.on_begin("", name, "new", None)[0] for name in ("moth", "owl"))
    tab.on_edit(mine, "persona.yaml", "mine")
    assert tab.benches.find(yours).read("persona.yaml") != "mine"
    assert tab.on_file(yours, "persona.yaml")[1] != "mine"
