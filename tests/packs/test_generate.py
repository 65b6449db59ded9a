"""The sets that come out of a pack keep what they promise."""

import hashlib
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from guppylm.packs.generate import SETS, generate
from guppylm.packs.load import load_pack
from guppylm.packs.noise import MAX_CLAUSES, Typist, clauses, slip
from guppylm.packs.normalise import normalise
from guppylm.packs.pack import Noise
from guppylm.packs.shares import share_out
from tests.packs.packs import GOOD, write_pack

PACK = {
    "persona.yaml": """
        format: persona/1
        name: Moth
        about: a small moth
        fallback: food
        noise: {keep: 50, case: 15, marks: 15, typo: 10, short: 10}
    """,
    "words.yaml": """
        snack: [wool, felt, a sock, a scarf, {word: a glove, held_out: yes}, {word: a hat, held_out: yes}]
        light: [porch lamp, moon, candle]
    """,
    "short.yaml": "you: [u]\nare: [r]",
    "topics/food.yaml": """
        about: meals
        ask:
          - (hey |hi |)are you (hungry|peckish|starving)
          - (so |)do you (want|need|fancy) <snack>
          - i (left|found) you <snack>
        held_out:
          - could you manage <snack>
        reply:
          - (yes|oh yes|always). <snack> is (best|fine|good).
          - i had <snack2> (once|twice|today). near the <light>.
    """,
    "topics/lamp.yaml": """
        about: lamps
        weight: 2
        scenes:
          - ask: ["do you like the <light>", "look at the <light>"]
            reply: ["the <light> is (warm|bright|mine)."]
          - ask: ["turn it off", "turn off the <light>"]
            held_out: ["make it dark"]
            reply: ["please (do not|never). i need the <light>."]
    """,
}


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    import textwrap

    folder = tmp_path_factory.mktemp("packs") / "moth"
    for name, text in PACK.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            textwrap.dedent(text).strip().replace('["', "\n      - ").replace('", "', "\n      - ").replace('"]', "")
        )
    return load_pack(folder)


@pytest.fixture(scope="module")
def dataset(pack):
    return generate(pack, n_rows=300, seed=3)


def all_rows(dataset):
    return [row for name in SETS for row in getattr(dataset, name)]


def test_every_set_has_rows_and_says_so(dataset):
    for name in SETS:
        rows = getattr(dataset, name)
        assert rows, name
        assert {row.set for row in rows} == {name}


def test_no_pair_stands_twice_in_any_set(dataset):
    pairs = [(row.input, row.output) for row in all_rows(dataset)]
    assert len(set(pairs)) == len(pairs)


def test_no_held_out_prompt_is_trained_even_by_a_typo(dataset):
    trained = {normalise(row.input) for row in dataset.train}
    assert not trained & {normalise(row.input) for row in dataset.held_out}
    assert not any(row.input.startswith(("could you manage", "make it dark")) for row in dataset.train)


def test_held_out_words_are_in_the_new_words_set_and_nowhere_else(dataset):
    new = ("a glove", "a hat")
    assert all(any(word in row.clean + row.output for word in new) for row in dataset.new_words)
    assert not any(word in row.clean + row.output for word in new for row in dataset.train)


def test_no_trained_prompt_stands_in_two_topics(dataset):
    owners = {}
    for row in dataset.train:
        assert owners.setdefault(normalise(row.input), row.category) == row.category


def test_the_word_in_the_prompt_is_the_word_in_the_reply(dataset):
    rows = [row for row in all_rows(dataset) if "want" in row.clean and "is" in row.output.split()]
    assert rows
    for row in rows:
        [snack] = [word for name, word in row.words if name == "snack"]
        assert row.clean.endswith(snack)
        assert snack in row.output


def test_rows_follow_the_weights(pack):
    rows = generate(pack, n_rows=30, seed=0).train
    counts = {name: sum(row.category == name for row in rows) for name in pack.topics}
    assert counts == {"food": 10, "lamp": 20}


def test_a_topic_with_too_little_to_say_gives_the_rest_away(pack):
    dataset = generate(pack, n_rows=3000, seed=0)
    counts = {name: sum(row.category == name for row in dataset.train) for name in pack.topics}
    # Looking: 2 prompts · 3 lights · 3 replies with the same light. Turning off: (1 · 3 + 3) · 2.
    assert counts["lamp"] == 18 + 12
    assert counts["food"] > 300
    assert len({(row.clean, row.output) for row in dataset.train}) == len(dataset.train)


def test_provenance_leads_back_to_the_lines(dataset):
    row = next(row for row in dataset.train if row.category == "food")
    assert row.ask_lines[0].file.endswith("topics/food.yaml")
    assert row.ask_lines[0].path.startswith("ask[")
    assert row.reply_lines[0].path.startswith("reply[")


def digest(dataset):
    rows = [(row.set, row.input, row.output, row.category) for row in all_rows(dataset)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_another_process(pack):
    program = (
        "import sys; from tests.packs.test_generate import digest; from guppylm.packs.load import load_pack;"
        "from guppylm.packs.generate import generate;"
        "print(digest(generate(load_pack(sys.argv[1]), n_rows=300, seed=3)))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program, str(pack.folder)],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "4711")
    }
    assert digests == {digest(generate(pack, n_rows=300, seed=3))}


def test_another_seed_gives_other_rows(pack, dataset):
    assert digest(generate(pack, n_rows=300, seed=4)) != digest(dataset)


def test_noise_changes_about_its_share_of_the_prompts(pack, dataset):
    share = sum(row.input != row.clean for row in dataset.train) / len(dataset.train)
    assert 0.35 < share < 0.62
    assert all(row.input == row.clean for row in dataset.seen)


@pytest.mark.parametrize("kind", ["case", "marks", "typo", "short", "around"])
@pytest.mark.parametrize("prompt", ["", "?", "a", "are you hungry", "你好吗", "où est la gare", "🐟 🐟"])
def test_every_kind_of_noise_takes_any_prompt(kind, prompt):
    short = {"are": ("r",), "are you": ("r u",)}
    typist = Typist(Noise(around=8), short, random.Random(1), before=(("hey",),), after=((", mate",),))
    typed = {typist.mistype(prompt, kind) for _ in range(50)}
    assert all(isinstance(text, str) for text in typed)


def test_short_forms_prefer_the_longer_phrase():
    typist = Typist(Noise(), {"are you": ("r u",), "are": ("XX",)}, random.Random(1))
    assert {typist._short("are you ok") for _ in range(20)} == {"r u ok"}


def test_typos_keep_most_of_the_word():
    rng = random.Random(1)
    for typed in (slip("hungry", rng) for _ in range(300)):
        assert typed[0] == "h"
        assert set(typed) <= set("hungry")
        assert 5 <= len(typed) <= 10
        assert len(typed) <= 7 or typed.startswith("hungryy")  # only the last letter is ever held down


def test_one_word_slips_in_a_short_message_and_a_few_in_a_long_one():
    typist = Typist(Noise(), {}, random.Random(1))

    def n_changed(prompt):
        typed = [typist._typo(prompt) for _ in range(200)]
        pairs = [(prompt.split(), text.split()) for text in typed if text.count(" ") == prompt.count(" ")]
        return {sum(a != b for a, b in zip(*pair, strict=True)) for pair in pairs}

    assert n_changed("are you hungry") <= {0, 1}
    assert 3 in n_changed("could you please tell me whether you are still hungry today")


def test_people_in_a_hurry_type_badly_in_more_than_one_way():
    noise = Noise(keep=50, case=0, marks=25, around=25, typo=0, short=0)
    typist = Typist(noise, {}, random.Random(1), before=(("hey",),))
    typed = [typist.mistype("are you hungry", "around") for _ in range(500)]
    assert all(text.lower().startswith("hey are you hungry") for text in typed)
    assert 0.1 < sum(text != "hey are you hungry" for text in typed) / 500 < 0.4


def test_a_kind_without_a_share_never_joins_in():
    typist = Typist(Noise(keep=50, case=50, marks=0, typo=0, short=0), {"are": ("r",)}, random.Random(1))
    assert {typist.mistype("are you hungry").lower() for _ in range(300)} == {"are you hungry"}


BEFORE, AFTER = (("hey", "ok,"), ("my son asks",)), ((", mate", "pal"), (".. or not",))


def around(prompt, *, before=BEFORE, after=AFTER, n=500):
    typist = Typist(Noise(around=20), {}, random.Random(1), before=before, after=after)
    return Counter(typist._around(prompt) for _ in range(n))


def test_clauses_stand_before_a_message_or_behind_it_or_on_both_sides():
    typed = around("are you hungry")
    before = {text.partition("are you hungry")[0] for text in typed}
    after = {text.partition("are you hungry")[2] for text in typed}
    assert before == {"", "hey ", "ok, ", "my son asks "}
    assert after == {"", ", mate", " pal", ".. or not"}
    assert "are you hungry" not in typed


def test_a_pack_may_have_clauses_for_one_side_alone():
    assert set(around("hi", after=())) == {"hey hi", "ok, hi", "my son asks hi"}
    assert set(around("hi", before=())) == {"hi, mate", "hi pal", "hi.. or not"}
    assert set(around("hi", before=(), after=())) == {"hi"}


@pytest.mark.parametrize("prompt", ["", "hi", "are you hungry", "?"])
def test_clauses_bring_no_double_spaces_and_none_at_the_ends(prompt):
    for text in around(prompt, before=(*BEFORE, ("",)), after=(*AFTER, ("",))):
        assert text == " ".join(text.split())


def test_a_line_of_many_texts_is_as_likely_as_one_of_a_single_text():
    typed = around("hi", before=(("a",), tuple(f"b{i}" for i in range(999)), ("c",)), after=(), n=3000)
    first_letters = Counter(text[0] for text in typed.elements())
    assert set(first_letters) == set("abc")
    assert all(900 < n < 1100 for n in first_letters.values())


def with_phrases(tmp_path, phrases, noise="{around: 20}"):
    files = {"persona.yaml": GOOD["persona.yaml"] + f"noise: {noise}\n", "phrases.yaml": phrases}
    return load_pack(
        write_pack(tmp_path / "moth", {**files, "words.yaml": "pal: [mate, {word: bug, held_out: yes}]\n"})
    )


def test_clauses_are_what_the_lines_of_before_and_after_can_say(tmp_path):
    phrases = "before:\n  - (hey|ok) <pal>(,|)\n  - 2* so\nafter:\n  - (, |)<pal>\n"
    said = clauses(with_phrases(tmp_path, phrases))
    assert [set(line) for line in said["before"]] == [{"hey mate,", "ok mate,", "hey mate", "ok mate"}, {"so"}, {"so"}]
    assert [set(line) for line in said["after"]] == [{", mate", "mate"}]


def test_of_a_line_that_can_say_very_much_an_even_choice_is_taken(tmp_path):
    [line] = clauses(with_phrases(tmp_path, "before: my <1..9><0..9><0..9><0..9> (friends|fans) ask\n"))["before"]
    assert len(line) == len(set(line)) == MAX_CLAUSES
    assert {text.split()[1][0] for text in line} == set("123456789")
    assert {text.split()[2] for text in line} == {"friends", "fans"}


def test_a_pack_that_puts_nothing_around_has_no_clauses(tmp_path):
    assert clauses(with_phrases(tmp_path, "before: hey\n", noise="{keep: 100}")) == {}


def test_clauses_come_around_trained_prompts_and_the_clean_ones_stay(tmp_path):
    rows = generate(with_phrases(tmp_path, "before: hey\nafter: pal\n", "{around: 100}"), n_rows=1, n_exam=0).train
    assert {row.clean for row in rows} == {"are you hungry"}
    assert {row.input for row in rows} <= {"hey are you hungry", "are you hungry pal", "hey are you hungry pal"}


def test_the_gist_of_a_row_is_its_topic(dataset):
    assert all(row.gist == row.category for row in all_rows(dataset))


@pytest.mark.parametrize(
    ("n_rows", "weights", "limits", "shares"),
    [
        (10, {"a": 1, "b": 1}, {"a": 99, "b": 99}, {"a": 5, "b": 5}),
        (10, {"a": 1, "b": 1}, {"a": 2, "b": 99}, {"a": 2, "b": 8}),
        (10, {"a": 1, "b": 1}, {"a": 2, "b": 3}, {"a": 2, "b": 3}),
        (10, {"a": 1, "b": 1, "c": 1}, {"a": 99, "b": 99, "c": 99}, {"a": 4, "b": 3, "c": 3}),
        (10, {"a": 1, "b": 3}, {"a": 0, "b": 99}, {"a": 0, "b": 10}),
        (0, {"a": 1}, {"a": 5}, {"a": 0}),
        (5, {}, {}, {}),
    ],
)
def test_shares_add_up_and_respect_limits(n_rows, weights, limits, shares):
    assert share_out(n_rows, weights, limits) == shares
