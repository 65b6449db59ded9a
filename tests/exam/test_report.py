"""A verdict, a table, and files that only change where they should."""

import json

import pytest

from guppylm.exam import report as card


def rate(mean, low=None, high=None):
    return {"mean": mean, "low": mean if low is None else low, "high": mean if high is None else high, "n": 10}


@pytest.fixture
def report():
    return {
        "format": "exam/1",
        "persona": "lamp",
        "title": "Lamp",
        "weights": "sha256:1",
        "seeds": [1, 2, 3],
        "sampling": {"temperature": 0.7, "top_k": 40, "top_p": 0.95},
        "n_replies": 1234,
        "free": "final",
        "are_its_rows": True,
        "practice": [],
        "rates": {
            "final": rate(0.9, 0.89, 0.91),
            "gap: one typo": rate(0.021),
            "identity": rate(0.5),
            "voice broken": rate(0.0),
            "ends by itself": rate(0.9996),
            "distinct of ten": rate(8.25, 3, 10),
        },
        "judge_accuracy": 0.998,
        "novelty": {"memorised": 0.2, "valid": 0.3, "new": 0.5},
        "topics": {"oil": 0.5, "who": 1.0},
        "confusions": [{"of": "oil", "as": "who", "n": 2}],
        "prompt_classifier": {"final": 0.8},
        "loss": {"held_out": 0.5, "trigram": 2.0, "unigram": 4.0, "knows_nothing": 8.3},
    }


def test_a_rate_under_its_bar_fails(report):
    assert [result.line.rate for result in card.failures(report)] == ["identity"]


@pytest.mark.parametrize(
    ("name", "mean", "passes"),
    [
        ("final", 0.85, True),
        ("final", 0.8499, False),
        ("gap: capitals", 0.05, True),
        ("gap: capitals", 0.06, False),
        ("gap: capitals", -0.2, True),
        ("loops", 0.0, True),
        ("loops", 0.001, False),
        ("practice", 0.0, True),
    ],
)
def test_bars(report, name, mean, passes):
    report["rates"] = {name: rate(mean)}
    assert (not card.failures(report)) is passes


def test_the_table_says_what_was_measured_and_what_was_asked_for(report):
    table = card.as_table(report)
    assert "| free messages answered on topic | 90.0 % | 89.0 – 91.0 | ≥ 85 % |" in table
    assert "| lost by a typo | 2.1 |  | ≤ 5 |" in table
    assert "50.0 % **missed**" in table
    assert "99.96 %" in table
    assert "| 8.2 | 3.0 – 10.0 | ≥ 6 |" in table


def test_the_card_is_put_into_the_bundle_and_replaced_the_next_time(report, tmp_path):
    (tmp_path / "README.md").write_text("# Lamp\n\nHello.\n", encoding="utf-8")
    card.write(report, tmp_path, picture=b"png")
    first = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert first.startswith("# Lamp\n\nHello.\n")
    assert "![" in first
    report["n_replies"] = 99
    card.write(report, tmp_path, picture=None)
    second = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert second.count("## Report card") == 1
    assert "99 replies" in second
    assert "Hello." in second
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "exam.json", "exam.png"]


def test_a_report_is_read_only_for_the_weights_it_was_made_of(report, tmp_path):
    card.write(report, tmp_path, picture=None)
    assert card.read(tmp_path, weights="sha256:1") == report
    assert card.read(tmp_path, weights="sha256:2") is None


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"format": "exam/1"}', '{"rates": []}'])
def test_a_broken_report_is_no_report(content, tmp_path):
    (tmp_path / "exam.json").write_text(content, encoding="utf-8")
    assert card.read(tmp_path, weights="") is None


def test_no_report_is_no_report(tmp_path):
    assert card.read(tmp_path, weights="x") is None


def test_rates_of_the_wrong_kind_are_no_report(report, tmp_path):
    report["rates"] = []
    (tmp_path / "exam.json").write_text(json.dumps(report), encoding="utf-8")
    assert card.read(tmp_path, weights="sha256:1") is None


def test_the_picture_is_a_picture(report):
    from guppylm.exam.picture import report_png

    assert report_png(report).startswith(b"\x89PNG")
    assert report_png(report | {"topics": {}}) is None
