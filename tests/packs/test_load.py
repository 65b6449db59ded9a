"""From folders to one Pack: how layers merge, what is found where, and what a stranger's pack cannot do."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from guppylm.errors import NotFoundError, PackError
from guppylm.packs.generate import generate
from guppylm.packs.load import load_pack, noise_shares, read_pack
from guppylm.packs.pack import Noise, Pack
from guppylm.packs.schema import NoiseKeys
from guppylm.packs.sources import list_personas
from tests.packs.packs import GOOD, write_pack


def load(folder: Path, files: dict[str, str | bytes] | None = None) -> Pack:
    return load_pack(write_pack(folder / "moth", files or {}))


def findings(folder: Path, files: dict[str, str | bytes]) -> list[str]:
    """Return code and place of every finding about a pack."""
    reading = read_pack(write_pack(folder / "moth", files))
    return [f"{finding.code} {finding.where}" for finding in reading.findings]


def words(pack: Pack, name: str, topic: str | None = None) -> list[str]:
    scope = pack.topics[topic].scope if topic else pack.scope
    return [entry.word for entry in scope.words[name].entries]


def lines(pack: Pack, name: str, topic: str | None = None) -> list[str]:
    scope = pack.topics[topic].scope if topic else pack.scope
    return [line.text for line in scope.phrases[name].lines]


PERSONA = GOOD["persona.yaml"]
USES = "ask: {}\nreply: i am\n"


# ---- one pack


def test_a_pack_with_everything(tmp_path):
    pack = load(
        tmp_path,
        {
            "persona.yaml": PERSONA
            + "language: en\nstarters:\n  - are you hungry\nmode: rich\nidentity: joke\n"
            + "voice:\n  case: lower\n  max_words: 9\n  forbid: as an ai\n",
            "exam.yaml": "food: got an appetite\n_unknown:\n  - what is a passport\n",
            "short.yaml": "you: [u, ya]\nare: r\n",
            "topics/joke.yaml": "about: fun\nlabel: Jokes\nweight: 3\nscenes:\n"
            "  - ask:\n      - tell me a joke\n      - 2* joke\n    reply: no\n    held_out: make me laugh\n"
            "  - ask: haha\n    reply: thank you\n    weight: 2\n",
        },
    )
    assert (pack.name, pack.title, pack.about, pack.mode) == ("moth", "Moth", "a small moth", "rich")
    assert (pack.fallback, pack.identity, pack.starters) == ("food", ("joke",), ("are you hungry",))
    assert (pack.voice.case, pack.voice.max_words, pack.voice.forbid) == ("lower", 9, ("as an ai",))
    assert pack.exam == {"food": ("got an appetite",), "_unknown": ("what is a passport",)}
    assert pack.short == {"you": ("u", "ya"), "are": ("r",)}
    assert list(pack.topics) == ["food", "joke"]
    joke = pack.topics["joke"]
    assert (joke.about, joke.label, joke.weight, joke.place.file) == (
        "fun",
        "Jokes",
        3,
        "moth/topics/joke.yaml",
    )
    first, second = joke.scenes
    assert [line.text for line in first.ask] == ["tell me a joke", "2* joke"]
    assert [line.option.weight for line in first.ask] == [1, 2]
    assert [line.text for line in first.held_out] == ["make me laugh"]
    assert (first.index, second.index, first.weight, second.weight) == (0, 1, 1, 2)
    assert (first.ask[1].place.line, first.ask[1].place.column) == (7, 9)


def test_defaults(tmp_path):
    pack = load(tmp_path)
    assert (pack.language, pack.mode, pack.avatar_svg, pack.starters) == ("en", "balanced", "", ())
    assert (pack.fallback, pack.identity) == ("food", ())
    assert pack.noise == Noise(keep=60, case=12, marks=12, typo=8, short=8, around=0)
    assert (pack.voice.case, pack.voice.max_words, pack.voice.max_chars) == ("any", 60, None)
    assert pack.topics["food"].weight == 1


def test_json_files_make_the_same_pack(tmp_path):
    in_json = load(
        tmp_path,
        {
            "persona.yaml": "",
            "persona.json": json.dumps(
                {"format": "persona/1", "name": "Moth", "about": "a small moth", "fallback": "food"}
            ),
            "topics/food.yaml": "",
            "topics/food.json": '{"ask": ["are you hungry"], "reply": ["i am"]}',
        },
    )
    in_yaml = load(tmp_path / "yaml")
    rows = [(row.input, row.output, row.category) for row in generate(in_json, n_rows=5, n_exam=0).train]
    assert rows == [(row.input, row.output, row.category) for row in generate(in_yaml, n_rows=5, n_exam=0).train]


def test_an_empty_message_can_be_asked_but_an_entry_left_out_cannot(tmp_path):
    pack = load(tmp_path, {"topics/food.yaml": 'ask:\n  - ""\n  - hi\nreply: you said nothing\n'})
    assert [line.text for line in pack.topics["food"].scenes[0].ask] == ["", "hi"]


def test_all_findings_come_at_once_and_in_order(tmp_path):
    assert findings(
        tmp_path,
        {
            "persona.yaml": PERSONA + "mood: good\n",
            "topics/a.yaml": "ask: do you eat <snak>\nreply: <yes>\n",
            "topics/b.yaml": "ask: hi\n",
            "topics/c.yaml": "ask:\n  - (a|b\n  - c|d\nreply: i am\n",
        },
    ) == [
        "E120 moth/persona.yaml:5:1",
        "E121 moth/topics/b.yaml:1:1",
        "E132 moth/topics/c.yaml:2:5",
        "E131 moth/topics/c.yaml:3:6",
    ]  # the names in a.yaml wait until persona.yaml says which packs they may come from


def test_a_broken_word_list_file_is_not_blamed_on_topics(tmp_path):
    assert findings(
        tmp_path, {"words.yaml": "snack: [wool\n", "topics/food.yaml": USES.format("do you eat <snack>")}
    ) == ["E100 moth/words.yaml:1:8"]


def test_pack_error_holds_every_finding(tmp_path):
    with pytest.raises(PackError) as caught:
        load(tmp_path, {"topics/food.yaml": "ask:\n  - <a>\n  - <b>\nreply: c\n"})
    assert [finding.code for finding in caught.value.findings] == ["E140", "E140"]
    assert "moth/topics/food.yaml:2:5: E140" in str(caught.value)


def test_a_pack_without_topics_is_an_error(tmp_path):
    assert findings(tmp_path, {"topics/food.yaml": "", "persona.yaml": PERSONA.replace("fallback: food\n", "")}) == [
        "E121 moth"
    ]


# ---- words and phrases


def test_lists_bring_in_one_another_in_any_order_without_doubles(tmp_path):
    pack = load(
        tmp_path,
        {
            "words.yaml": "all: [<soft>, moon, <light>]\nsoft: [wool, felt]\nlight:\n  - <soft>\n  - lamp\nn: 2..4\n",
            "topics/food.yaml": USES.format("<all> <n>"),
        },
    )
    assert words(pack, "all") == ["wool", "felt", "moon", "lamp"]
    assert words(pack, "n") == ["2", "3", "4"]


def test_a_word_keeps_its_forms_and_whether_it_is_held_out(tmp_path):
    pack = load(
        tmp_path,
        {"words.yaml": "snack:\n  - {word: a  sock, s: two  socks, held_out: yes}\n  - {word: wool, held_out: no}\n"},
    )
    sock, wool = pack.scope.words["snack"].entries
    assert (sock.word, dict(sock.forms), sock.held_out) == ("a sock", {"s": "two socks"}, True)
    assert (wool.word, dict(wool.forms), wool.held_out) == ("wool", {}, False)


def test_a_topics_own_names_hide_shared_ones_and_are_seen_only_there(tmp_path):
    pack = load(
        tmp_path,
        {
            "words.yaml": "it: [rain]\nsnack: [wool]\n",
            "phrases.yaml": "about_it:\n  - tell me about <it>\n",
            "topics/food.yaml": "words:\n  it: [bread]\n  snack: [<snack>, <it>]\nask: <about_it>\nreply: <snack>\n",
            "topics/rain.yaml": "ask: <about_it>\nreply: i am\n",
            "topics/snail.yaml": "phrases:\n  it:\n    - the snail\n    - my snail\n" + USES.format("<about_it>"),
        },
    )
    assert words(pack, "it") == ["rain"]
    assert words(pack, "it", "food") == ["bread"]
    assert words(pack, "snack", "food") == ["wool", "bread"]
    assert lines(pack, "it", "snail") == ["the snail", "my snail"]
    prompts = {(row.category, row.clean) for row in generate(pack, n_rows=10, n_exam=0).train}
    assert prompts == {
        ("food", "tell me about bread"),
        ("rain", "tell me about rain"),
        ("snail", "tell me about the snail"),
        ("snail", "tell me about my snail"),
    }


def test_held_out_words_that_are_too_few_for_a_line_are_found(tmp_path):
    files = {
        "words.yaml": "snack:\n  - wool\n  - felt\n  - {word: lint, held_out: yes}\n",
        "topics/food.yaml": USES.format("<snack> or <snack2>"),
    }
    assert findings(tmp_path, files) == ["E143 moth/topics/food.yaml:1:17"]


# ---- extending


CHAT = {
    "persona.yaml": "format: persona/1\nname: Chat\nabout: ways to talk\n",
    "words.yaml": "pal: [friend, mate]\nfood: [bread]\n",
    "phrases.yaml": "hey:\n  - hey\n  - hi\nbye_now:\n  - bye\n",
    "short.yaml": "you: [u]\nwhat: [wat]\n",
    "topics/bye.yaml": "ask: (bye|goodbye) <pal>\nreply: bye\n",
    "topics/off.yaml": "ask: what is tax\nreply: no\n",
    "exam.yaml": "bye: [see you]\n",
    "topics/food.yaml": "",
}


def extended(tmp_path: Path, files: dict[str, str | bytes], *, chat: dict | None = None) -> Path:
    write_pack(tmp_path / "_chat", {**CHAT, **(chat or {})})
    persona = files.pop("persona.yaml", PERSONA + "extends: [_chat]\n")
    return write_pack(tmp_path / "moth", {"persona.yaml": persona, **files})


def test_extending_takes_over_names_short_forms_and_topics(tmp_path):
    pack = load_pack(extended(tmp_path, {"topics/food.yaml": USES.format("<hey> <pal>")}))
    assert words(pack, "pal") == ["friend", "mate"]
    assert lines(pack, "hey") == ["hey", "hi"]
    assert pack.short == {"you": ("u",), "what": ("wat",)}
    assert list(pack.topics) == ["bye", "food", "off"]
    assert pack.exam == {"bye": ("see you",)}


def test_what_the_pack_itself_says_comes_last(tmp_path):
    pack = load_pack(
        extended(
            tmp_path,
            {
                "words.yaml": "pal: [<pal>, moth]\nfood: [wool]\n",
                "phrases.yaml": "hey:\n  - psst\n  - <hey>\nbye_now:\n  - farewell\n",
                "short.yaml": "you: [ya]\n",
                "topics/off.yaml": "ask: what is rent\nreply: hm\n",
            },
        )
    )
    assert words(pack, "pal") == ["friend", "mate", "moth"]
    assert words(pack, "food") == ["wool"]
    assert lines(pack, "hey") == ["psst", "hey", "hi"]
    assert lines(pack, "bye_now") == ["farewell"]
    assert pack.short == {"you": ("ya",), "what": ("wat",)}
    assert [line.text for line in pack.topics["off"].scenes[0].ask] == ["what is rent"]


def test_a_phrase_may_hide_an_inherited_list_and_the_other_way_round(tmp_path):
    pack = load_pack(extended(tmp_path, {"words.yaml": "hey: [yo]\n", "phrases.yaml": "pal:\n  - old moth\n"}))
    assert words(pack, "hey") == ["yo"]
    assert lines(pack, "pal") == ["old moth"]
    assert not {"hey"} & set(pack.scope.phrases)
    assert not {"pal"} & set(pack.scope.words)


def test_skipped_topics_stay_away(tmp_path):
    persona = PERSONA + "extends: [_chat]\nskip: [off]\n"
    assert list(load_pack(extended(tmp_path, {"persona.yaml": persona})).topics) == ["bye", "food"]


def test_a_shared_pack_can_do_without_persona_yaml(tmp_path):
    folder = extended(tmp_path, {}, chat={"persona.yaml": ""})
    (tmp_path / "_chat" / "persona.yaml").unlink(missing_ok=True)
    assert "bye" in load_pack(folder).topics


def test_packs_extend_in_a_chain_and_every_file_counts(tmp_path):
    write_pack(tmp_path / "_base", {"words.yaml": "pal: [one]\n", "topics/food.yaml": ""})
    chat = {"persona.yaml": CHAT["persona.yaml"] + "extends: _base\n", "words.yaml": "pal: [<pal>, two]\n"}
    folder = extended(tmp_path, {"words.yaml": "pal: [<pal>, three]\n"}, chat=chat)
    pack = load_pack(folder)
    assert words(pack, "pal") == ["one", "two", "three"]
    assert {name.split("/")[0] for name in pack.files} == {"_base", "_chat", "moth"}
    before = pack.digest
    (tmp_path / "_base" / "words.yaml").write_text("pal: [uno]\n")
    assert load_pack(folder).digest != before


def test_a_circle_of_packs_is_found(tmp_path):
    write_pack(tmp_path / "_a", {"persona.yaml": PERSONA + "extends: [_b]\n"})
    write_pack(tmp_path / "_b", {"persona.yaml": PERSONA + "extends: [_a]\n"})
    assert findings(tmp_path, {"persona.yaml": PERSONA + "extends: [_a]\n"}) == ["E113 _b/persona.yaml:5:11"]


@pytest.mark.parametrize("name", ["../moth", "/etc", "..", ".", "_chat/../..", "a\\b", "", "_chat/"])
def test_extends_stays_in_the_packs_folder(tmp_path, name):
    folder = extended(tmp_path, {"persona.yaml": PERSONA + f"extends: ['{name}']\n"})
    reading = read_pack(folder)
    assert reading.pack is None
    assert {finding.code for finding in reading.findings} <= {"E113", "E122"}


# ---- names and paths


def test_a_name_is_looked_up_in_the_packs_folder(tmp_path):
    write_pack(tmp_path / "moth", {})
    write_pack(tmp_path / "_chat", {})
    assert load_pack("moth", personas_dir=tmp_path).name == "moth"
    assert load_pack(str(tmp_path / "moth")).name == "moth"
    assert list_personas(tmp_path) == ["moth"]


@pytest.mark.parametrize(
    ("name", "help"),
    [("mouth", "did you mean moth?"), ("_chat", "name a persona that extends it"), ("schema", "known: moth")],
)
def test_a_wrong_name_is_told_the_nearest(tmp_path, name, help):
    write_pack(tmp_path / "moth", {})
    write_pack(tmp_path / "_chat", {})
    with pytest.raises(NotFoundError) as caught:
        load_pack(name, personas_dir=tmp_path)
    assert caught.value.help == help


def test_a_folder_that_is_no_persona(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match=r"no persona\.yaml"):
        load_pack(tmp_path / "empty")


def test_a_bundle_is_read_through_its_pack_folder(tmp_path):
    extended(tmp_path / "bundle" / "pack", {})
    pack = load_pack(tmp_path / "bundle")
    assert (pack.name, "bye" in pack.topics) == ("moth", True)
    assert pack.digest == load_pack(tmp_path / "bundle" / "pack" / "moth").digest


def test_files_and_digest_are_of_the_content_and_not_of_the_place(tmp_path):
    here = load_pack(extended(tmp_path / "here", {"README.md": "notes"}))
    there = load_pack(extended(tmp_path / "there", {"README.md": "notes"}))
    assert here.digest == there.digest
    assert here.files["moth/README.md"] == b"notes"
    assert "_chat/phrases.yaml" in here.files
    write_pack(tmp_path / "there" / "moth", {"README.md": "other notes"})
    assert load_pack(tmp_path / "there" / "moth").digest != here.digest


def test_hidden_files_and_backups_are_no_part_of_a_pack(tmp_path):
    pack = load(tmp_path, {".DS_Store": b"\0", "topics/food.yaml~": "old", "topics/.food.yaml.swp": b"\0"})
    assert sorted(pack.files) == ["moth/persona.yaml", "moth/topics/food.yaml"]


# ---- noise, avatar


@pytest.mark.parametrize(
    ("written", "shares"),
    [
        ({}, (60, 12, 12, 8, 8, 0)),
        ({"keep": 100}, (100, 0, 0, 0, 0, 0)),
        ({"keep": 20}, (20, 24, 24, 16, 16, 0)),
        ({"short": 0}, (65, 13, 13, 9, 0, 0)),
        ({"around": 50}, (30, 6, 6, 4, 4, 50)),
        ({"around": 100}, (0, 0, 0, 0, 0, 100)),
        ({"keep": 50, "case": 10, "marks": 10, "typo": 10, "short": 20}, (50, 10, 10, 10, 20, 0)),
        ({"keep": 26, "case": 17, "marks": 17, "typo": 14, "short": 10, "around": 16}, (26, 17, 17, 14, 10, 16)),
    ],
)
def test_noise_that_is_not_written_shares_the_rest(written, shares):
    noise = noise_shares(NoiseKeys(**{kind: str(share) for kind, share in written.items()}))
    assert (noise.keep, noise.case, noise.marks, noise.typo, noise.short, noise.around) == shares


@pytest.mark.parametrize(
    "written",
    [
        {"keep": 90, "typo": 20},
        {"keep": 90, "around": 20},
        {"keep": 1, "case": 1, "marks": 1, "typo": 1, "short": 1},
        {"keep": 1, "case": 1, "marks": 1, "typo": 1, "short": 1, "around": 1},
    ],
)
def test_noise_must_be_a_hundred(written):
    with pytest.raises(ValueError, match="together"):
        noise_shares(NoiseKeys(**{kind: str(share) for kind, share in written.items()}))


AROUND = PERSONA + "noise: {around: 20}\n"


def test_lists_used_only_around_messages_are_used(tmp_path):
    files = {"words.yaml": "pal: [mate]\n", "phrases.yaml": "before: <greet>\ngreet: hey <pal>\n"}
    folder = write_pack(tmp_path / "moth", {**files, "persona.yaml": AROUND})
    assert read_pack(folder).used[""] >= {"before", "greet", "pal"}


def test_what_stands_around_messages_cannot_use_the_words_of_a_topic(tmp_path):
    topic = "words:\n  it: [rain]\nask: is <it> wet\nreply: i am\n"
    files = {"persona.yaml": AROUND, "phrases.yaml": "after: about <it>\n", "topics/rain.yaml": topic}
    assert findings(tmp_path, files) == ["E140 moth/phrases.yaml:1:14"]


@pytest.mark.parametrize(("n_characters", "codes"), [(2000, []), (2001, ["E120 moth/exam.yaml:2:5"])])
def test_a_message_of_the_examination_may_be_long(tmp_path, n_characters, codes):
    assert findings(tmp_path, {"exam.yaml": f"food:\n  - {'a' * n_characters}\n"}) == codes


SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{}</svg>'


def test_an_avatar_is_the_drawing_itself(tmp_path):
    drawing = SVG.format('<g fill="url(#a)"><circle r="3"/><use href="#b"/></g>').replace('<use href="#b"/>', "")
    pack = load(tmp_path, {"persona.yaml": PERSONA + "avatar: moth.svg\n", "moth.svg": drawing})
    assert pack.avatar_svg == drawing


@pytest.mark.parametrize(
    "drawing",
    [
        SVG.format("<script>alert(1)</script>"),
        SVG.format('<circle onload="alert(1)"/>'),
        SVG.format("<foreignObject><body/></foreignObject>"),
        SVG.format('<image href="http://example.org/a.png"/>'),
        SVG.format('<circle fill="url(http://example.org/a)"/>'),
        SVG.format('<circle style="background:url(//example.org)"/>'),
        SVG.format("<style>@import 'http://example.org'</style>"),
        SVG.format('<a href="javascript:alert(1)"><circle/></a>'),
        '<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG.format("&a;"),
        "<html><body/></html>",
        SVG.format("<circle>"),
        SVG.format("<circle/>" * 9000),
        b"\xff\xfe",
    ],
)
def test_a_drawing_that_could_do_more_than_be_looked_at_is_refused(tmp_path, drawing):
    files = {"persona.yaml": PERSONA + "avatar: moth.svg\n", "moth.svg": drawing}
    assert findings(tmp_path, files)[0].split()[1] == "moth/persona.yaml:5:9"


# ---- strangers


def test_links_are_refused(tmp_path):
    folder = write_pack(tmp_path / "moth", {})
    secret = tmp_path / "secret.yaml"
    secret.write_text("a: [b]\n")
    os.symlink(secret, folder / "words.yaml")
    os.symlink(tmp_path, folder / "topics" / "more")
    reading = read_pack(folder)
    assert [finding.where for finding in reading.findings] == ["moth/topics/more", "moth/words.yaml"]
    assert {finding.code for finding in reading.findings} == {"E113"}
    os.symlink(folder, tmp_path / "alias")
    assert read_pack("alias", personas_dir=tmp_path).findings[0].code == "E113"


def test_too_many_or_too_large_files_are_refused_unread(tmp_path):
    many = {f"topics/t{number}.yaml": USES.format(f"hi {number}") for number in range(401)}
    assert "E112 moth" in findings(tmp_path / "many", many)
    large = {f"note{number}.txt": b"x" * 900_000 for number in range(9)}
    assert "E112 moth" in findings(tmp_path / "large", large)


def _doubling() -> str:
    phrases = [f"{'a' * n}:\n  - (x|y)<{'a' * (n + 1)}><{'a' * (n + 1)}>\n" for n in range(1, 16)]
    return "".join(phrases) + f"{'a' * 16}:\n  - (0|1)\n"


def _name(number: int) -> str:
    return "n" + "".join("abcdefghij"[int(digit)] for digit in str(number))


HOSTILE: dict[str, tuple[dict[str, str | bytes], str]] = {
    "doubling phrases": ({"phrases.yaml": _doubling(), "topics/food.yaml": USES.format("<a>")}, "E157"),
    "doubling phrases around messages": (
        {"persona.yaml": AROUND, "phrases.yaml": _doubling() + "before: <a>\n"},
        "E157",
    ),
    "optional lists": (
        {
            "words.yaml": "".join(f"{c}: [x, y]\n" for c in "abcdefghijklmnopqrstuvwxy"),
            "topics/food.yaml": USES.format("".join(f"(<{c}>|)" for c in "abcdefghijklmnopqrstuvwxy")),
        },
        "E158",
    ),
    "nested choices": ({"topics/food.yaml": USES.format("(" * 80 + "a" + "|b)" * 80)}, "E157"),
    "brackets": ({"topics/food.yaml": USES.format("(" * 390 + "a|b")}, "E132"),
    "a range of a million": ({"topics/food.yaml": USES.format("<1..1000000>")}, "E138"),
    "a list of a million": (
        {"words.yaml": "n: 1..1000000\n", "topics/food.yaml": USES.format("<n>")},
        "E138",
    ),
    "many small topics with one line": (
        {f"topics/t{n}.yaml": "ask:\n" + "  - a|b\n" * 200 + "reply: c\n" for n in range(100)},
        "E131",
    ),
    "lists that bring in one another": (
        {"words.yaml": "".join(f"{_name(n)}: [<{_name(n + 1)}>, w{n}]\n" for n in range(3000)) + "z: [z]\n"},
        "E145",
    ),
    "lists that bring in a long one": (
        {
            "words.yaml": "z:\n"
            + "".join(f"  - w{n}\n" for n in range(15_000))
            + "".join(f"{_name(n)}: [<z>]\n" for n in range(5000)),
            "topics/food.yaml": USES.format("<z>"),
        },
        "E106",
    ),
    "held-out prompts without end": (
        {"topics/food.yaml": USES.format("hi") + "held_out:\n  - " + "(a|b|c|d)" * 12 + "\n"},
        "E157",
    ),
    "many packs": (
        {"persona.yaml": PERSONA + "extends:\n" + "".join(f"  - p{n}\n" for n in range(3000))},
        "E113",
    ),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_pack_is_refused_at_once(tmp_path, name):
    files, code = HOSTILE[name]
    folder = write_pack(tmp_path / "moth", files)
    started = time.process_time()
    reading = read_pack(folder)
    assert time.process_time() - started < 2
    assert reading.pack is None
    assert code in {finding.code for finding in reading.findings}
