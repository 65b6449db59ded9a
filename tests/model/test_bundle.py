"""The bundle: survives a round trip bit for bit, is never half there, and refuses what does not fit."""

from __future__ import annotations

import json
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from guppylm.chat import Chat
from guppylm.errors import BundleError
from guppylm.model import Bundle, ModelConfig, Tokenizer, Transformer, list_bundles
from guppylm.model import folder as files
from guppylm.model.gpt2 import tensor_shapes, weights_to_gpt2
from guppylm.packs.load import load_pack
from guppylm.packs.starter import write_starter


@pytest.fixture(scope="session")
def saved_once(tiny_bundle, tmp_path_factory) -> Path:
    return tiny_bundle.save(tmp_path_factory.mktemp("models") / "lamp")


@pytest.fixture
def saved(saved_once, tmp_path) -> Path:
    """A saved bundle of one's own, to spoil."""
    return Path(shutil.copytree(saved_once, tmp_path / "models" / "lamp"))


def change_json(path: Path, **changes: object) -> None:
    content = json.loads(path.read_text())
    content.update(changes)
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))


def change_weights(folder: Path, change) -> None:
    path = folder / "model.safetensors"
    tensors = safetensors.torch.load(path.read_bytes())
    change(tensors)
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})


def refusal(folder: Path) -> BundleError:
    with pytest.raises(BundleError) as caught:
        Bundle.load(folder)
    assert caught.value.help
    assert str(folder) in caught.value.message
    return caught.value


# ---- there and back ------------------------------------------------------------------------------------


def test_a_bundle_survives_the_round_trip_bit_for_bit(saved, tiny_bundle):
    loaded = Bundle.load(saved)
    assert loaded.config == tiny_bundle.config
    ours, theirs = tiny_bundle.model.state_dict(), loaded.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert loaded.tokenizer.to_json() == tiny_bundle.tokenizer.to_json()
    assert loaded.pack_files == tiny_bundle.pack_files
    assert loaded.replay == tiny_bundle.replay
    assert loaded.generation == tiny_bundle.generation
    assert {**loaded.metrics, "digests": None} == {**tiny_bundle.metrics, "digests": None}
    assert not loaded.model.training


def test_saving_what_was_loaded_writes_the_same_bytes(saved, tmp_path):
    again = Bundle.load(saved).save(tmp_path / "again")
    names = {path.relative_to(saved) for path in saved.rglob("*") if path.is_file()}
    assert names == {path.relative_to(again) for path in again.rglob("*") if path.is_file()}
    assert all((saved / name).read_bytes() == (again / name).read_bytes() for name in names)


def test_a_loaded_bundle_says_what_the_trained_one_said(saved, tiny_bundle):
    assert Chat(Bundle.load(saved)).reply("hi", seed=1).text == Chat(tiny_bundle).reply("hi", seed=1).text


def test_half_precision_halves_the_file_and_loads_as_single(tiny_bundle, saved, tmp_path):
    folder = tiny_bundle.save(tmp_path / "half", dtype="fp16")
    loaded = Bundle.load(folder)
    weight, original = loaded.model.tokens.weight, tiny_bundle.model.tokens.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, original.half().float())
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float16"
    assert (folder / "model.safetensors").stat().st_size < 0.7 * (saved / "model.safetensors").stat().st_size


def test_loading_leaves_everybodys_dice_alone(saved):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    Bundle.load(saved)
    assert torch.equal(torch.rand(3), expected)


def test_other_files_are_written_too_and_may_replace_the_card(tiny_bundle, tmp_path):
    folder = tiny_bundle.save(tmp_path / "x", other_files={"loss.png": b"picture", "README.md": b"my card"})
    assert (folder / "loss.png").read_bytes() == b"picture"
    assert (folder / "README.md").read_bytes() == b"my card"
    Bundle.load(folder)


def test_the_card_opens_with_what_the_hub_needs(saved):
    yaml = pytest.importorskip("yaml")
    _, front, body = (saved / "README.md").read_text().split("---\n", 2)
    facts = yaml.safe_load(front)
    assert (facts["library_name"], facts["pipeline_tag"], facts["license"]) == (
        "transformers",
        "text-generation",
        "mit",
    )
    assert body.startswith("# Lamp\n")


def test_digests_tell_the_weights_and_the_pack(saved, tiny_bundle):
    digests = json.loads((saved / "metrics.json").read_text())["digests"]
    assert digests["weights"] == files.digest((saved / "model.safetensors").read_bytes())
    assert digests["pack"] == files.digest_of_files(tiny_bundle.pack_files)


def test_digests_that_training_wrote_are_kept(tiny_bundle, tmp_path):
    bundle = replace(tiny_bundle, metrics={**tiny_bundle.metrics, "digests": {"data": "abc", "weights": "old"}})
    digests = Bundle.load(bundle.save(tmp_path / "x")).metrics["digests"]
    assert digests["data"] == "abc"
    assert digests["weights"] != "old"


def test_the_digest_of_files_sees_names_contents_and_borders():
    digests = [files.digest_of_files(f) for f in ({"a": b"bc"}, {"ab": b"c"}, {"a": b"b", "c": b""}, {"a": b"bd"})]
    assert len(set(digests)) == 4
    assert files.digest_of_files({"a": b"1", "b": b"2"}) == files.digest_of_files({"b": b"2", "a": b"1"})


def test_a_number_that_is_none_becomes_null_and_no_broken_json(tiny_bundle, tmp_path):
    metrics = {**tiny_bundle.metrics, "loss": float("nan"), "losses": [1.0, float("inf")]}
    metrics = Bundle.load(replace(tiny_bundle, metrics=metrics).save(tmp_path / "x")).metrics
    assert (metrics["loss"], metrics["losses"]) == (None, [1.0, None])


def test_strange_text_in_the_replay_survives(tiny_bundle, tmp_path):
    replay = [{"said": "🐟 \ud83d \u2028"}]
    assert Bundle.load(replace(tiny_bundle, replay=replay).save(tmp_path / "x")).replay == replay


# ---- as others read it ---------------------------------------------------------------------------------


def test_the_tensors_have_gpt2s_names_and_no_head(saved, tiny_config):
    path = saved / "model.safetensors"
    tensors = safetensors.torch.load(path.read_bytes())
    assert {name: list(tensor.shape) for name, tensor in tensors.items()} == tensor_shapes(tiny_config)
    assert tensors["transformer.h.1.mlp.c_fc.weight"].shape == (21, 17)
    assert not any("lm_head" in name for name in tensors)
    with safetensors.safe_open(path, framework="pt") as opened:
        assert opened.metadata() == {"format": "pt"}


def test_transformers_computes_the_same_logits(saved, tiny_bundle):
    transformers = pytest.importorskip("transformers", reason="needs the transformers library to compare with")
    model, report = transformers.GPT2LMHeadModel.from_pretrained(saved, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    ids = torch.randint(tiny_bundle.config.vocab_size, (2, 61), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(model.eval()(ids).logits, tiny_bundle.model(ids), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("message", ["hello there", "", "  two", "are you 37?\n\nyes", "🌙é"])
def test_transformers_builds_the_same_prompt(saved, tiny_bundle, message):
    transformers = pytest.importorskip("transformers", reason="needs the transformers library to compare with")
    tokenizer = transformers.AutoTokenizer.from_pretrained(saved)
    turns = [("good night", "hi")]
    messages = [{"role": "user", "content": "good night"}, {"role": "assistant", "content": "hi"}]
    messages.append({"role": "user", "content": message})
    found = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
    assert found["input_ids"] == tiny_bundle.tokenizer.prompt(turns, message)
    assert tokenizer.decode(found["input_ids"], skip_special_tokens=True).endswith(f"{message}\nassistant\n")
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 1, 2)


def test_transformers_says_what_we_say_when_nothing_is_left_to_chance(saved, tiny_bundle):
    transformers = pytest.importorskip("transformers", reason="needs the transformers library to compare with")
    model = transformers.AutoModelForCausalLM.from_pretrained(saved)
    reply = Chat(tiny_bundle).reply("hello", temperature=0, max_tokens=12)
    prompt = torch.tensor([list(reply.window.ids)])
    found = model.generate(prompt, do_sample=False, max_new_tokens=12, suppress_tokens=[0, 1])
    assert found[0, prompt.shape[1] :].tolist() == [step.id for step in reply.steps]


def test_transformers_reads_a_bundle_with_gists_and_shows_none(gist_bundle, tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs the transformers library to compare with")
    folder = gist_bundle.save(tmp_path / "lamp")
    assert Bundle.load(folder).tokenizer.gists == gist_bundle.tokenizer.gists
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    messages = [{"role": "user", "content": "hello"}]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)[
        "input_ids"
    ]
    reply = Chat(gist_bundle).reply("hello", temperature=0, max_tokens=12)
    gists = list(gist_bundle.tokenizer.gists.values())
    words = [id for id in range(gist_bundle.config.vocab_size) if id not in (0, 1, *gists)]

    def learned(_, ids):
        """Stand in for training, in which every reply begins with a gist and no other place has one."""
        return gists if len(ids) == prompt.shape[1] else words

    found = model.generate(prompt, do_sample=False, max_new_tokens=13, prefix_allowed_tokens_fn=learned)
    said = found[0, prompt.shape[1] :].tolist()
    assert said == [reply.gist.id, *(step.id for step in reply.steps)]
    assert tokenizer.decode(said).startswith(f"<|{reply.gist.topic}|>")
    shown = tokenizer.decode(said, skip_special_tokens=True)
    assert shown == gist_bundle.tokenizer.decode(said)
    assert "<|" not in shown


# ---- written whole or not at all -----------------------------------------------------------------------


def test_a_bundle_takes_the_place_of_another_and_leaves_nothing_behind(saved, tiny_bundle):
    (saved / "loss.png").write_bytes(b"old")
    replace(tiny_bundle, replay=["new"]).save(saved)
    assert Bundle.load(saved).replay == ["new"]
    assert not (saved / "loss.png").exists()
    assert os.listdir(saved.parent) == ["lamp"]


@pytest.mark.parametrize("content", ["notes.txt", "config.json"])
def test_a_folder_that_is_no_bundle_is_left_alone(tiny_bundle, tmp_path, content):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / content).write_text("precious")
    with pytest.raises(BundleError, match="there is something here, and it is no bundle"):
        tiny_bundle.save(tmp_path / "mine")
    assert (tmp_path / "mine" / content).read_text() == "precious"
    assert os.listdir(tmp_path) == ["mine"]


def test_a_file_in_the_way_is_left_alone(tiny_bundle, tmp_path):
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(BundleError, match="no bundle"):
        tiny_bundle.save(tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "precious"


def test_an_empty_folder_and_missing_parents_are_no_obstacle(tiny_bundle, tmp_path):
    (tmp_path / "empty").mkdir()
    Bundle.load(tiny_bundle.save(tmp_path / "empty"))
    Bundle.load(tiny_bundle.save(tmp_path / "a" / "b" / "c"))


@pytest.mark.parametrize("n_before_the_fault", [0, 3, 9])
def test_a_full_disk_leaves_the_old_bundle_and_no_rubbish(saved, tiny_bundle, monkeypatch, n_before_the_fault):
    write, n_written = Path.write_bytes, []

    def failing(path, content):
        n_written.append(path)
        if len(n_written) > n_before_the_fault:
            raise OSError("disk full")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", failing)
    with pytest.raises(OSError, match="disk full"):
        replace(tiny_bundle, replay=["new"]).save(saved)
    monkeypatch.undo()
    assert Bundle.load(saved).replay == tiny_bundle.replay
    assert os.listdir(saved.parent) == ["lamp"]


def test_a_failed_rename_puts_the_old_bundle_back(saved, tiny_bundle, monkeypatch):
    rename = os.rename

    def failing(source, target):
        if Path(target) == saved and not (Path(source) / "marker").exists():
            raise OSError("no rename today")
        rename(source, target)

    (saved / "marker").touch()  # tells the old folder from the new one
    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="no rename today"):
        replace(tiny_bundle, replay=["new"]).save(saved)
    assert Bundle.load(saved).replay == tiny_bundle.replay
    assert os.listdir(saved.parent) == ["lamp"]


def test_others_may_read_what_was_saved(saved_once):
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(saved_once.stat().st_mode) == 0o777 & ~umask


def test_weights_that_are_no_numbers_are_not_saved(tiny_bundle, tiny_config, tmp_path):
    model = Transformer(tiny_config)
    with torch.no_grad():
        model.blocks[1].attention.out.bias[3] = torch.nan
    with pytest.raises(BundleError, match=r"h\.1\.attn\.c_proj\.bias holds something that is no number"):
        replace(tiny_bundle, model=model).save(tmp_path / "x")
    with torch.no_grad():
        model.blocks[1].attention.out.bias[3] = 1e6  # fine in single precision, too large for half
    replace(tiny_bundle, model=model).save(tmp_path / "x")
    with pytest.raises(BundleError, match="no number"):
        replace(tiny_bundle, model=model).save(tmp_path / "x", dtype="fp16")


@pytest.mark.parametrize("path", ["../x", "/x", "lamp/../../x", "lamp\\x", "lamp/.git/x", "lamp//x", ""])
def test_a_pack_file_cannot_leave_the_bundle(tiny_bundle, path):
    with pytest.raises(BundleError, match="cannot be a file of a pack"):
        replace(tiny_bundle, pack_files={**tiny_bundle.pack_files, path: b""})


def test_parts_that_do_not_fit_make_no_bundle(tiny_bundle, tiny_config):
    with pytest.raises(BundleError, match="another config"):
        replace(tiny_bundle, model=Transformer(replace(tiny_config, dropout=0.0)))
    with pytest.raises(BundleError, match="the tokenizer has 259 entries"):
        replace(tiny_bundle, tokenizer=Tokenizer.train([], vocab_size=259))
    with pytest.raises(BundleError, match="metrics name the persona 'desk'"):
        replace(tiny_bundle, metrics={"persona": "desk"})


# ---- read strictly -------------------------------------------------------------------------------------


def test_a_missing_folder_is_refused(tmp_path):
    assert "no such folder" in refusal(tmp_path / "nobody").message


@pytest.mark.parametrize("name", files.FILES)
def test_every_file_is_needed(saved, name):
    (saved / name).unlink()
    assert f"not a whole bundle, {name} missing" in refusal(saved).message
    assert name in list_bundles(saved.parent)[0].problem


def test_the_pack_is_needed(saved):
    shutil.rmtree(saved / "pack")
    assert "pack/ missing" in refusal(saved).message


CONFIG_CHANGES = {
    "activation_function": ("gelu_new", "activation_function is 'gelu_new', and only 'relu' is implemented"),
    "n_head": (4, "d_model 21 cannot be shared out evenly among 4 heads"),
    "n_layer": (3, r"transformer.h.2"),
    "n_embd": (24, "shape"),
    "n_inner": (None, "d_ff is None"),
    "n_positions": (64, "model_max_length is 61 where 64"),
    "vocab_size": (1000, "shape"),
    "scale_attn_weights": (False, "scale_attn_weights"),
    "scale_attn_by_inverse_layer_idx": (True, "scale_attn_by_inverse_layer_idx"),
    "reorder_and_upcast_attn": (1, "reorder_and_upcast_attn"),
    "tie_word_embeddings": (1, "tie_word_embeddings"),
    "layer_norm_epsilon": (1e-6, "layer_norm_epsilon"),
    "attn_pdrop": (0.5, "three dropouts"),
    "eos_token_id": (3, "eos_token_id"),
    "model_type": ("llama", "model_type"),
    "architectures": (["GPT2Model"], "architectures"),
    "dtype": ("bfloat16", "dtype is 'bfloat16'"),
    "rope_theta": (10000, "rope_theta is a setting that this model does not have"),
    "bos_token_id": (..., "bos_token_id is missing"),
}


@pytest.mark.parametrize("key", CONFIG_CHANGES)
def test_a_config_that_does_not_fit_is_refused_by_key(saved, key):
    value, words = CONFIG_CHANGES[key]
    change_json(saved / "config.json", **{key: value})
    assert words in refusal(saved).message


def test_a_number_of_heads_that_the_weights_would_allow_is_refused_too(saved):
    change_json(saved / "config.json", n_head=7)
    assert "config.json: not the config that metrics.json describes" in refusal(saved).message


JSON_FILES = ("config.json", "metrics.json", "replay.json", "tokenizer_config.json", "generation_config.json")


@pytest.mark.parametrize("name", JSON_FILES)
@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b""])
def test_a_damaged_json_file_is_refused_with_its_place(saved, name, content):
    (saved / name).write_bytes(content)
    assert str(saved / name) in refusal(saved).message


@pytest.mark.parametrize("name", [name for name in JSON_FILES if name != "replay.json"])
@pytest.mark.parametrize("content", [b"[1]", b"null", b"{}", b'"text"'])
def test_json_of_another_kind_is_refused_with_its_place(saved, name, content):
    (saved / name).write_bytes(content)
    assert str(saved / name) in refusal(saved).message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("transformer.ln_f.bias"), "transformer.ln_f.bias is missing"),
        (lambda t: t.update({"lm_head.weight": torch.zeros(2, 2)}), "lm_head.weight is a tensor that"),
        (lambda t: t.update({"transformer.wpe.weight": torch.zeros(60, 21)}), "has the shape [60, 21]"),
        (lambda t: t.update({"transformer.wpe.weight": torch.zeros(21, 61)}), "has the shape [21, 61]"),
        (lambda t: t.update({"transformer.ln_f.bias": torch.zeros(21).half()}), "is torch.float16"),
        (lambda t: t["transformer.ln_f.bias"].fill_(torch.nan), "transformer.ln_f.bias holds something"),
        (lambda t: t["transformer.ln_f.bias"].fill_(torch.inf), "transformer.ln_f.bias holds something"),
        (lambda t: t["transformer.ln_f.bias"].add_(0.001), "not the weights that metrics.json describes"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(saved, change, words):
    change_weights(saved, change)
    assert words in refusal(saved).message


@pytest.mark.parametrize("n_bytes", [0, 7, 5000, -1])
def test_a_file_of_weights_that_was_cut_short_is_refused(saved, n_bytes):
    path = saved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:n_bytes])
    assert "damaged or cut short" in refusal(saved).message
    assert "damaged or cut short" in list_bundles(saved.parent)[0].problem


def test_a_pickle_in_disguise_is_refused_and_never_run(saved, tmp_path):
    import pickle

    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    (saved / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    refusal(saved)
    assert not (tmp_path / "exploded").exists()


def test_another_bundles_tokenizer_is_refused(saved, tiny_bundle):
    other = Tokenizer.train(["other words " * 3] * 9, vocab_size=tiny_bundle.config.vocab_size)
    other.save(saved / "tokenizer.json")
    assert "not the tokenizer that metrics.json describes" in refusal(saved).message


def test_another_chat_format_is_refused(saved):
    (saved / "chat_template.jinja").write_text("{{ messages }}")
    assert "chat_template.jinja: not the chat format" in refusal(saved).message


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("temperature", -1, "temperature is -1"),
        ("top_k", ..., "'top_k'"),
        ("num_beams", 4, "num_beams is a setting"),
        ("do_sample", False, "do_sample is False where True"),
    ],
)
def test_generation_settings_that_make_no_sense_are_refused(saved, key, value, words):
    change_json(saved / "generation_config.json", **{key: value})
    assert words in refusal(saved).message


@pytest.mark.parametrize("change", ["edit", "add", "remove"])
def test_a_pack_that_is_not_the_one_it_was_raised_on_is_refused(saved, change):
    if change == "edit":
        (saved / "pack/lamp/persona.yaml").write_text("name: Desk\n")
    elif change == "add":
        (saved / "pack/lamp/more.yaml").write_text("")
    else:
        (saved / "pack/_base/words.yaml").unlink()
    assert "not the pack that metrics.json describes" in refusal(saved).message


def test_what_a_file_manager_leaves_in_a_pack_does_no_harm(saved):
    (saved / "pack/lamp/.DS_Store").write_bytes(b"\0")
    Bundle.load(saved)


def test_metrics_without_digests_are_refused(saved):
    change_json(saved / "metrics.json", digests=...)
    assert "metrics.json: no digests in it" in refusal(saved).message


# ---- listing and packs ---------------------------------------------------------------------------------


def test_a_list_names_every_folder_and_says_what_is_wrong_with_it(saved):
    models = saved.parent
    shutil.copytree(saved, models / "broken")
    change_json(models / "broken" / "config.json", activation_function="silu")
    (models / "empty").mkdir()
    (models / ".half-written").mkdir()
    (models / "README.md").write_text("about these")
    broken, empty, lamp = list_bundles(models)
    assert (lamp.name, lamp.ok, lamp.problem) == ("lamp", True, "")
    assert (broken.name, broken.ok) == ("broken", False)
    assert "only 'relu' is implemented" in broken.problem
    assert "not a whole bundle" in empty.problem


def test_a_list_sees_weights_of_another_size_without_reading_them(saved, monkeypatch):
    change_weights(saved, lambda t: t.update({"transformer.wpe.weight": torch.zeros(60, 21)}))
    monkeypatch.setattr(safetensors.torch, "load", None)
    assert "has the shape [60, 21]" in list_bundles(saved.parent)[0].problem


def test_no_folder_of_models_is_an_empty_list(tmp_path):
    assert list_bundles(tmp_path / "nowhere") == []


def test_a_bundle_brings_the_exact_pack_it_was_raised_on(tiny_bundle, tmp_path):
    name = "lantern"
    pack = load_pack(write_starter(name, tmp_path))
    bundle = replace(tiny_bundle, pack_files=pack.files, metrics={"persona": name})
    found = Bundle.load(bundle.save(tmp_path / "other name")).pack
    assert (found.name, found.title, found.digest) == (name, pack.title, pack.digest)
    assert found.folder == (tmp_path / "other name" / "pack" / name).resolve()
    assert found.files == pack.files


def test_a_bundle_that_was_never_saved_has_no_pack_to_read(tiny_bundle):
    with pytest.raises(BundleError, match="never saved"):
        _ = tiny_bundle.pack


def test_our_weights_and_gpt2s_shapes_agree_for_other_sizes():
    config = ModelConfig(vocab_size=300, context=5, n_layers=3, n_heads=2, d_model=8, d_ff=32)
    tensors = weights_to_gpt2(Transformer(config).state_dict(), config)
    assert {name: list(tensor.shape) for name, tensor in tensors.items()} == tensor_shapes(config)
