"""Training: same seed, same weights; the loss is on replies alone; stopping loses nothing."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch

from guppylm.chat import Chat
from guppylm.errors import BundleError, TrainingError
from guppylm.model import Bundle
from guppylm.packs.load import load_pack
from guppylm.training import checkpoint, loop
from guppylm.training.batches import IGNORE
from guppylm.training.device import Device
from guppylm.training.loop import Run, train
from guppylm.training.settings import RECIPES, ROWS_A_MINUTE, TrainSettings

from .conftest import write_moth


def weights(out: Path) -> bytes:
    return (out / "model.safetensors").read_bytes()


def stop_after(n_steps: int, run) -> None:
    """Read Progress until so many steps are done, then stop reading."""
    for progress in run:
        if progress.stage == "learning" and progress.step == n_steps:
            run.close()
            return
    raise AssertionError("the run was over before that")


# ---- learning ------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_weights(moth, moth_run, settings, tmp_path):
    again = tmp_path / "again"
    list(train(moth, settings, again))
    assert weights(again) == weights(moth_run.out)


def test_a_device_that_is_seldom_asked_tells_the_same_curve(moth, moth_run, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(Device, "steps_between_looks", 5)
    reports = list(train(moth, settings, tmp_path / "moth"))
    assert reports[-1].metrics["curve"] == moth_run.metrics["curve"]


def test_another_seed_gives_other_weights(moth, moth_run, settings, tmp_path):
    other = tmp_path / "other"
    list(train(moth, dataclasses.replace(settings, seed=1), other))
    assert weights(other) != weights(moth_run.out)


def test_it_learns(moth_run):
    held_out = [point["held_out_loss"] for point in moth_run.metrics["curve"] if point["held_out_loss"]]
    guess = math.log(moth_run.metrics["model"]["vocab_size"])
    assert held_out[0] == pytest.approx(guess, abs=0.15)
    assert held_out[-1] < 0.8 * guess


def mean_loss(run, batch):
    return run.gradients.measure(batch) / batch.n_learned


def test_the_loss_is_the_mean_surprise_at_each_reply_token(run):
    batch = run.batches[0]
    p = run.model(batch.ids).softmax(-1).detach()  # (B, T, V)
    surprises = [
        -math.log(p[row, at, batch.targets[row, at]])
        for row in range(len(batch.ids))
        for at in range(batch.ids.shape[1])
        if batch.targets[row, at] != IGNORE
    ]
    assert mean_loss(run, batch) == pytest.approx(sum(surprises) / batch.n_learned, abs=1e-5)


def test_examinations_weigh_every_reply_token_alike(run):
    batches = list(run.exams["held_out"].epoch())
    assert len(batches) > 1
    surprise = sum(mean_loss(run, batch) * batch.n_learned for batch in batches)
    n_learned = sum(batch.n_learned for batch in batches)
    assert run.exam_loss("held_out") == pytest.approx(surprise / n_learned, abs=1e-5)


def test_a_model_that_comes_apart_stops_the_run(run):
    with torch.no_grad():
        run.model.norm.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="The loss is nan at step 1"):
        run.learn_from(run.batches[0])


def test_the_clock_can_decide_when_to_stop(moth, settings, tmp_path):
    seconds = iter(range(10**6))
    by_clock = dataclasses.replace(settings, minutes=2, n_steps=10**6)
    reports = list(train(moth, by_clock, tmp_path / "moth", clock=lambda: float(next(seconds))))
    assert reports[-1].stage == "done"
    assert reports[-1].n_steps is None
    assert 120 <= reports[-1].elapsed_seconds < 130
    assert 5 < reports[-1].step < 120


# ---- telling -------------------------------------------------------------------------------------------


def test_progress_tells_every_stage_and_step(moth_run):
    reports = moth_run.reports
    stages = [report.stage for report in reports]
    assert stages == ["preparing"] * 3 + ["learning"] * 17 + ["saving", "done"]
    learning = [report for report in reports if report.stage == "learning"]
    assert [report.step for report in learning] == list(range(17))
    assert learning[8].fraction == 0.5
    assert learning[8].n_tokens > learning[7].n_tokens > 0
    assert learning[8].tokens_per_second > 0
    assert learning[8].seconds_left == pytest.approx(learning[8].elapsed_seconds)
    assert learning[-1].seconds_left == 0
    assert learning[-1].loss < learning[1].loss


def test_it_speaks_at_steps_that_lie_ever_further_apart(moth_run, moth):
    spoken = [report.step for report in moth_run.reports if report.stage == "learning" and report.replies]
    assert spoken == [0, 1, 3, 10, 16]
    replay = json.loads((moth_run.out / "replay.json").read_text())
    assert [entry["step"] for entry in replay] == spoken
    assert [said["prompt"] for said in replay[0]["replies"]] == list(moth.starters)


def test_the_last_replies_are_those_that_chat_gives_at_the_same_seed(moth_run):
    chat = Chat(Bundle.load(moth_run.out))
    for said in moth_run.reports[-1].replies:
        assert chat.reply(said.prompt, seed=0, max_tokens=48).text == said.reply


def test_every_topic_of_the_pack_is_a_gist_of_the_bundle(moth_run, moth):
    bundle = Bundle.load(moth_run.out)
    assert list(bundle.tokenizer.gists) == list(moth.topics)
    assert Chat(bundle).reply("are you hungry", seed=1, max_tokens=1).gist.topic in moth.topics


def test_metrics_say_how_it_was_made(moth_run, moth):
    metrics = json.loads((moth_run.out / "metrics.json").read_text())
    assert metrics["persona"] == "moth"
    assert metrics["finished"] is True
    assert metrics["max_turns"] == 1
    assert metrics["command"] == "python train.py --persona moth"
    assert metrics["data"]["n_rows"] == 120 == metrics["data"]["n_pairs"]
    assert metrics["data"]["n_rows_by_topic"].keys() == {"food", "joke"}
    assert metrics["training"]["n_steps"] == 16
    assert metrics["training"]["n_epochs"] == pytest.approx(
        metrics["training"]["n_tokens"] / metrics["data"]["n_tokens"]
    )
    assert metrics["training"]["peak_memory_bytes"] > 50e6
    assert metrics["loss"]["knows_nothing"] == math.log(metrics["model"]["vocab_size"])
    assert metrics["loss"]["held_out_perplexity"] == math.exp(metrics["loss"]["held_out"])
    assert metrics["loss"].keys() > {"train", "seen", "noisy", "held_out", "new_words"}
    assert metrics["versions"].keys() >= {"python", "torch", "tokenizers"}
    assert metrics["digests"].keys() >= {"pack", "data", "weights"}
    assert metrics["device"]["kind"] == "cpu"
    assert len(metrics["curve"]) == 17
    assert TrainSettings.from_dict(metrics["settings"]).n_rows == 120


def test_the_bundle_has_a_picture_of_its_loss(moth_run):
    pytest.importorskip("matplotlib")
    assert (moth_run.out / "loss.png").read_bytes().startswith(b"\x89PNG")


# ---- stopping and going on -----------------------------------------------------------------------------


def test_a_stopped_run_leaves_a_bundle_that_can_chat(moth, settings, tmp_path):
    stop_after(5, train(moth, settings, tmp_path / "moth"))
    bundle = Bundle.load(tmp_path / "moth")
    assert bundle.metrics["finished"] is False
    assert bundle.metrics["training"]["n_steps"] == 5
    assert isinstance(Chat(bundle).reply("are you hungry", seed=1, max_tokens=5).text, str)


def test_stopping_just_before_the_end_loses_nothing_either(moth, moth_run, settings, tmp_path):
    run = train(moth, settings, tmp_path / "moth")
    assert any(progress.stage == "saving" for progress in run)  # any() stops reading there
    run.close()
    assert weights(tmp_path / "moth") == weights(moth_run.out)
    assert list(train(moth, settings, tmp_path / "moth", resume=True))[-1].stage == "done"


def test_ctrl_c_in_the_middle_of_a_step_leaves_a_bundle_and_is_passed_on(moth, settings, tmp_path, monkeypatch):
    real = loop.set_learning_rate
    n_calls = iter(range(100))

    def interrupted(*args):
        if next(n_calls) == 4:
            raise KeyboardInterrupt
        real(*args)

    monkeypatch.setattr(loop, "set_learning_rate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(train(moth, settings, tmp_path / "moth"))
    assert Bundle.load(tmp_path / "moth").metrics["training"]["n_steps"] == 4


def test_going_on_gives_the_weights_of_a_run_that_never_stopped(moth, with_dropout, tmp_path):
    list(train(moth, with_dropout, tmp_path / "whole"))
    stop_after(4, train(moth, with_dropout, tmp_path / "halves"))
    torch.rand(3)  # somebody else's dice in between
    reports = list(train(moth, with_dropout, tmp_path / "halves", resume=True))
    assert reports[3].step == 5
    assert weights(tmp_path / "halves") == weights(tmp_path / "whole")
    whole, halves = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("whole", "halves"))
    assert halves["curve"] == whole["curve"]
    assert halves["finished"] is True


def test_a_finished_run_leaves_nothing_to_resume(moth, moth_run, settings):
    assert not checkpoint.path_for(moth_run.out).exists()
    with pytest.raises(TrainingError, match="There is no unfinished run to resume"):
        next(train(moth, settings, moth_run.out, resume=True))


def test_checkpoints_are_written_while_it_learns(moth, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    steps = []
    for progress in train(moth, settings, tmp_path / "moth"):
        if progress.stage == "learning" and progress.step:
            steps.append(checkpoint.read(tmp_path / "moth", moth, settings).state["run"]["step"])
    assert steps == list(range(1, 17))


def test_a_run_cannot_go_on_with_another_pack_or_other_settings(moth, settings, tmp_path):
    out = tmp_path / "moth"
    stop_after(2, train(moth, settings, out))
    with pytest.raises(TrainingError, match="The stopped run has n_steps = 16, not 17"):
        next(train(moth, dataclasses.replace(settings, n_steps=17), out, resume=True))
    folder = write_moth(tmp_path / "changed" / "moth")
    (folder / "words.yaml").write_text("snack: [wool, felt, tweed]\nlight: [moon]\n", encoding="utf-8")
    with pytest.raises(TrainingError, match="moth has changed since the run was stopped"):
        next(train(load_pack(folder), settings, out, resume=True))


def test_a_damaged_checkpoint_is_refused(moth, settings, tmp_path):
    checkpoint.path_for(tmp_path / "moth").write_bytes(b"{}")
    with pytest.raises(TrainingError, match="damaged"):
        next(train(moth, settings, tmp_path / "moth", resume=True))


def test_a_run_of_another_version_is_refused(run, moth, settings, monkeypatch):
    older = {**settings.to_dict(), "first_words": 4.0}
    monkeypatch.setattr(TrainSettings, "to_dict", lambda self: older)
    checkpoint.write(run)
    monkeypatch.undo()
    with pytest.raises(TrainingError, match="another version of this program"):
        next(train(moth, settings, run.out, resume=True))


def test_a_run_on_other_rows_is_refused(run, moth, settings, monkeypatch):
    run.digest = "0" * 64
    checkpoint.write(run)
    with pytest.raises(TrainingError, match="another version of this program"):
        list(train(moth, dataclasses.replace(settings, batch_tokens=64), run.out, resume=True))


def test_a_place_that_is_taken_is_refused_before_any_work(moth, settings, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match="there is something here"):
        next(train(moth, settings, tmp_path))


# ---- settings ------------------------------------------------------------------------------------------


def test_a_preset_brings_its_settings_and_gives_way_to_what_is_asked_for():
    assert TrainSettings.of("9m").n_rows == 60_000
    assert TrainSettings.of("smoke").n_rows < 10_000
    assert TrainSettings.of("smoke", n_rows=77).n_rows == 77


def test_settings_survive_json():
    settings = TrainSettings.of("3m", seed=4, minutes=1.5)
    assert TrainSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"n_rows": 0}, "--rows is 0"),
        ({"n_steps": -1}, "--steps is -1"),
        ({"seed": -1}, "--seed is -1"),
        ({"minutes": 0}, "--minutes is 0"),
        ({"minutes": math.nan}, "--minutes is nan"),
        ({"dropout": 1.0}, "dropout is 1"),
    ],
)
def test_settings_that_make_no_sense_name_the_flag(asked, message):
    with pytest.raises(TrainingError, match=message):
        TrainSettings.of("smoke", **asked)


def test_the_bundle_that_a_new_one_replaces_is_kept(moth, settings, tmp_path):
    out = tmp_path / "kept"
    list(train(moth, settings, out))
    before = weights(out)
    list(train(moth, dataclasses.replace(settings, seed=5), out))
    assert weights(out) != before
    assert weights(tmp_path / ".kept.previous") == before


def test_a_run_stopped_before_its_first_step_leaves_what_is_there(moth, settings, tmp_path):
    out = tmp_path / "left"
    list(train(moth, settings, out))
    before = weights(out)
    run = train(moth, settings, out)
    while next(run).stage == "preparing":
        pass
    run.close()
    assert weights(out) == before


@pytest.mark.parametrize(("case", "n_loud"), [("lower", 0), ("any", 1)])
def test_a_persona_that_speaks_lower_case_learns_from_what_it_will_be_shown(run, dataset, case, n_loud):
    pack = dataclasses.replace(run.pack, voice=dataclasses.replace(run.pack.voice, case=case))
    quiet = Run(pack, run.settings, run.device, dataset, run.tokenizer, out=run.out)
    texts = [run.tokenizer.decode(ids) for batch in quiet.batches.epoch() for ids in batch.ids.tolist()]
    assert any(row.input != row.input.lower() for row in dataset.train)
    assert min(1, sum(text != text.lower() for text in texts)) == n_loud


@pytest.mark.parametrize(
    ("asked", "preset"),
    [
        ({"device": "cpu"}, "3m"),
        ({"device": "cpu", "minutes": 5}, "3m"),
        ({"device": "cpu", "minutes": 60}, "9m"),
        ({"device": "cpu", "minutes": 5, "preset": "9m"}, "9m"),
        ({"device": "cpu", "minutes": 60, "preset": "smoke"}, "smoke"),
    ],
)
def test_a_cpu_with_less_than_an_hour_trains_a_small_model_unless_told_otherwise(asked, preset):
    assert TrainSettings.of(**asked).preset == preset


@pytest.mark.parametrize(
    ("asked", "n_rows"),
    [
        ({"minutes": 0.5}, ROWS_A_MINUTE),
        ({"minutes": 2}, 2 * ROWS_A_MINUTE),
        ({"minutes": 50}, RECIPES["3m"]["n_rows"]),
        ({"minutes": 2, "n_rows": 77}, 77),
        ({"minutes": 2, "preset": "smoke"}, RECIPES["smoke"]["n_rows"]),
    ],
)
def test_a_short_run_on_a_cpu_makes_no_more_rows_than_it_can_read(asked, n_rows):
    assert TrainSettings.of(**asked, device="cpu").n_rows == n_rows


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf")])
def test_minutes_that_are_none_are_refused(minutes):
    with pytest.raises(TrainingError, match="--minutes is"):
        TrainSettings.of(minutes=minutes, device="cpu")
