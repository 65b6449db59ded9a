"""What a check proves about a whole pack. The words of single findings are held by tests/bad_packs."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from functools import partial

import pytest

from guppylm.packs.check import check_pack
from guppylm.packs.findings import CATALOGUE
from guppylm.packs.real import Realist
from guppylm.packs.sift import Sieve
from guppylm.packs.sources import list_personas
from guppylm.packs.style import find_phrase, longest
from tests.packs.grammars import bind
from tests.packs.packs import GOOD, check_files, codes, write_pack

PERSONA = GOOD["persona.yaml"]


def test_a_good_pack_has_no_findings(tmp_path):
    report = check_files(tmp_path, {})
    assert (report.ok, report.findings, report.pairs) == (True, (), 1)


def test_counts_are_exact(tmp_path):
    """Five prompts of which three hold <place>, eight words; replies that share it or not."""
    report = check_files(
        tmp_path,
        {
            "words.yaml": "place: [a, b, c, d, e, f, g, h]\n",
            "topics/food.yaml": """\
ask:
  - (go|run) to <place>
  - is <place> far
  - hello
  - hi
reply:
  - <place> is far
  - <place2> is nearer than <place>
  - i flew <2..5> laps
""",
        },
    )
    prompts = 3 * 8 + 2
    with_place, without = 1 + 7 + 4, 4  # a place that nobody named is not repeated
    amount = report.topics["food"]
    assert (amount.prompts, amount.replies) == (prompts, 8 + 8 * 7 + 4)
    assert amount.pairs == report.pairs == 24 * with_place + 2 * without


def test_counts_are_integers_however_large(tmp_path):
    report = check_files(tmp_path, {"topics/food.yaml": "ask: " + "(a|b)" * 70 + "\nreply: hi\n"})
    assert report.pairs == 2**70


def test_a_topic_that_cannot_make_its_share_is_a_warning(tmp_path):
    files = {
        "topics/food.yaml": "weight: 3\nask: (a|b|c) moth\nreply: (x|y) yes\n",
        "topics/joke.yaml": "ask: " + "(a|b)" * 8 + "\nreply: no\n",
    }
    assert codes(check_files(tmp_path, files, n_rows=8)) == []
    (finding,) = check_files(tmp_path, files, n_rows=100).findings
    assert (finding.code, finding.file) == ("W210", "moth/topics/food.yaml")
    assert "6 pairs" in finding.message
    assert "75" in finding.message


def test_warnings_leave_a_pack_ok(tmp_path):
    report = check_files(tmp_path, {}, n_rows=1000)
    assert codes(report) == ["W210"]
    assert report.ok


def test_a_pack_with_errors_has_no_counts(tmp_path):
    report = check_files(tmp_path, {"topics/food.yaml": "ask: <a>\nreply: b\n"})
    assert (report.ok, dict(report.topics), report.pairs) == (False, {}, 0)


def test_prompts_that_cannot_be_compared_are_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr("guppylm.packs.overlap.MAX_FRONTS", 3)
    monkeypatch.setattr("guppylm.packs.overlap.MAX_FRONTS_A_LINE", 0)
    files = {
        "topics/food.yaml": "ask: (are|is|was) it (so|very|really|) (good|bad)\nreply: yes\n",
        "topics/joke.yaml": "ask: (are|is|was) it (so|very|really|) (good|fun)\nreply: no\n",
    }
    assert "W213" in codes(check_files(tmp_path, files))


def test_starters_are_compared_without_case_and_marks(tmp_path):
    persona = PERSONA + "starters: ['Are you HUNGRY?!', \"what's up\"]\n"
    files = {"persona.yaml": persona, "topics/food.yaml": "ask: [are you hungry]\n"}
    files["topics/food.yaml"] = "ask:\n  - are you hungry\n  - whats up\nreply: i am\n"
    assert codes(check_files(tmp_path, files)) == []


def test_a_held_out_prompt_that_differs_by_marks_only_leaks(tmp_path):
    files = {"topics/food.yaml": "ask: what's up\nheld_out: Whats up?!\nreply: i am\n"}
    assert codes(check_files(tmp_path, files)) == ["E150"]


def test_held_out_words_are_not_trained_and_so_do_not_leak(tmp_path):
    files = {
        "words.yaml": "snack: [wool, {word: felt, held_out: yes}]\n",
        "topics/food.yaml": "ask: do you eat <snack>\nheld_out: do you eat felt\nreply: i do\n",
    }
    assert codes(check_files(tmp_path, files)) == []


def test_the_voice_is_for_replies_only(tmp_path):
    voice = "voice: {case: lower, max_words: 2, forbid: [moth]}\n"
    files = {
        "persona.yaml": PERSONA + voice,
        "topics/food.yaml": "ask: Are you a MOTH or what\nreply: i am\n",
    }
    assert codes(check_files(tmp_path, files)) == []


@pytest.mark.parametrize(
    ("forbid", "reply", "is_broken"),
    [
        ("miles", "he smiles", False),
        ("miles", "two Miles!", True),
        ("as an ai", "as, an AI", True),
        ("as an ai", "(as|like) (a|an) (ai|bird)", True),
        ("as an ai", "as (a|the) bird or an ai", False),
        ("!!", "wow! !", False),
        ("!!", "wow!(!|?)", True),
        ("don't", "dont", True),
        ("é", "café", False),
    ],
)
def test_forbidden_words_and_marks(tmp_path, forbid, reply, is_broken):
    persona = PERSONA + f'voice: {{forbid: ["{forbid}"]}}\n'
    files = {
        "persona.yaml": persona,
        "topics/food.yaml": f"ask: hi\nreply: '{reply.replace(chr(39), chr(39) * 2)}'\n",
    }
    assert codes(check_files(tmp_path, files)) == ["E151"] * is_broken


def test_a_shared_phrase_is_blamed_once_however_often_it_is_used(tmp_path):
    files = {
        "persona.yaml": PERSONA + "voice: {case: lower}\n",
        "phrases.yaml": "yes:\n  - yes\n  - Yes\n",
        "topics/food.yaml": "ask: hi\nreply:\n  - <yes>\n  - well, <yes>\n  - <yes> <yes>\n",
    }
    (finding,) = check_files(tmp_path, files).findings
    assert finding.where == "moth/phrases.yaml:3:5"


def test_a_voice_that_everything_breaks_is_said_often_enough(tmp_path):
    replies = "".join(f"  - Reply {n}\n" for n in range(900))
    files = {
        "persona.yaml": PERSONA + "voice: {case: lower}\n",
        "topics/food.yaml": f"ask: hi\nreply:\n{replies}",
    }
    assert codes(check_files(tmp_path, files)) == ["E151"] * 300


# ---- witnesses that can really come out


def real(phrase: str):
    return Realist().real(partial(find_phrase, phrase=phrase))


def test_a_witness_is_a_text_that_really_occurs():
    tree = bind("<kind> and <kind>", words={"kind": ["cat", "dog", "red fox"]})
    assert find_phrase(tree, "cat and dog") is not None  # every slot by itself
    assert real("cat and dog")(tree) is None
    assert real("and dog")(tree) == "dog and dog"
    other = bind("<kind> and <kind2>", words={"kind": ["cat", "dog", "red fox"]})
    assert real("cat and dog")(other) == "cat and dog"
    assert real("dog and dog")(other) is None


def test_the_longest_reply_is_one_that_really_occurs():
    tree = bind("<kind> and <kind2>", words={"kind": ["cat", "dog", "big red fox"]})
    assert longest(tree, unit="words")[0] == 7
    size, witness = Realist().longest(tree, "words")
    assert size == 5
    assert "big red fox" in witness


def test_a_reply_is_not_too_long_for_words_it_cannot_combine(tmp_path):
    files = {
        "persona.yaml": PERSONA + "voice: {max_words: 5}\n",
        "words.yaml": "kind: [cat, dog, big red fox]\n",
        "topics/food.yaml": "ask: hi\nreply: <kind> and <kind2>\n",
    }
    assert codes(check_files(tmp_path, files)) == []


def test_a_sieve_finds_what_single_searches_find():
    lines = ["a<x>d <y>", "(he|she)<z> her(s|)", "USHERS! <x>"]
    tree = bind(*lines, words={"x": ["b", "bc"], "y": ["x", "y"], "z": [" said", "rs"]})
    phrases = [
        "he",
        "she",
        "hers",
        "his",
        "abcd",
        "abd x",
        "abd z",
        "ushers b",
        "!",
        "! b",
        "?",
        "d y he",
        "her s",
    ]
    assert Sieve(phrases).find(tree) == {phrase for phrase in phrases if find_phrase(tree, phrase) is not None}


# ---- the whole


def test_a_check_never_imports_torch_or_the_page(tmp_path):
    script = (
        "import sys; from guppylm.cli import main; main(['check', sys.argv[1]]);"
        "print(sorted({'torch', 'gradio', 'jsonschema', 'tokenizers', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(write_pack(tmp_path / "moth", {}))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_collector_goes_on_as_before(tmp_path):
    check_files(tmp_path, {})
    assert gc.isenabled()
    gc.disable()
    try:
        check_files(tmp_path, {})
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_check_of_sixty_topics_is_quick(tmp_path):
    """Much smaller topics than a good persona has, and a generous limit: this is for accidents."""
    for number in range(60):
        lines = "".join(f"  - do you (like|want) (a|the) {number} thing {n} <it>\n" for n in range(20))
        text = f"words:\n  it: [t{number}a, t{number}b]\nask:\n{lines}reply:\n{lines}"
        write_pack(tmp_path / "moth", {f"topics/t{number}.yaml": text, "topics/food.yaml": GOOD["topics/food.yaml"]})
    started = time.process_time()
    report = check_pack(tmp_path / "moth", n_rows=1)
    assert time.process_time() - started < 3
    assert (len(report.topics), codes(report)) == (61, [])


HOSTILE = {
    "one prompt in every scene": {
        "topics/food.yaml": "scenes:\n" + "".join(f"  - {{ask: hi, reply: r{n}}}\n" for n in range(2_000))
    },
    "starters that fit everywhere": {
        "persona.yaml": PERSONA + "starters:\n" + "".join(f"  - {'a ' * 60}{n}\n" for n in range(40)),
        "topics/food.yaml": "ask:\n" + "".join(f"  - {'(a|a a|) ' * 40} {n}x\n" for n in range(20)) + "reply: hi\n",
    },
    "words that could each be forbidden": {
        "persona.yaml": PERSONA + f"voice:\n  forbid: [{', '.join(f'w{n} w{n + 1}' for n in range(200))}]\n",
        "words.yaml": f"w: [{', '.join(f'w{n}' for n in range(300))}]\n",
        "topics/food.yaml": "ask: hi\nreply:\n" + "".join(f"  - <w> <w2> {n}\n" for n in range(30)),
    },
    "lines that share their lines": {
        "persona.yaml": PERSONA + "voice: {case: lower, max_words: 9, forbid: [x y]}\n",
        "phrases.yaml": "".join(f"{'a' * n}:\n  - <{'a' * (n + 1)}>\n  - <{'a' * (n + 1)}> 1\n" for n in range(1, 38))
        + f"{'a' * 38}:\n  - X y\n  - x y\n  - b .\n",
        "topics/food.yaml": "ask: <a>\nreply: <a>\n",
    },
    "witnesses that all mix their words": {
        "persona.yaml": PERSONA + f"voice:\n  forbid: [{', '.join(f'w{n} w{n + 1}' for n in range(200))}]\n",
        "words.yaml": f"w: [{', '.join(f'w{n}' for n in range(300))}]\n",
        "topics/food.yaml": "ask: hi\nreply:\n" + "".join(f"  - <w> <w> {n}\n" for n in range(200)),
    },
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_pack_cannot_hold_a_check_up(tmp_path, name):
    started = time.process_time()
    check_files(tmp_path, HOSTILE[name])
    assert time.process_time() - started < 8


@pytest.mark.parametrize("name", list_personas())
def test_every_persona_passes(name):
    report = check_pack(name)
    assert [str(finding) for finding in report.findings if finding.severity == "error"] == []
    assert set(codes(report)) <= set(CATALOGUE)
