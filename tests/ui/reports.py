"""Builds what an examination writes, without one being held."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RATES = {
    "final": 0.9125,
    "capitals": 0.9,
    "no punctuation": 0.9141,
    "one typo": 0.8432,
    "gap: capitals": 0.0125,
    "gap: no punctuation": -0.0016,
    "gap: one typo": 0.0693,
    "practice": 0.93,
    "held_out": 0.9717,
    "seen": 0.9967,
    "noisy": 0.9783,
    "new_words": 0.9412,
    "unknown": 0.9333,
    "identity": 1.0,
    "slot copy": 0.8824,
    "voice broken": 0.0,
    "residue": 0.0,
    "loops": 0.0004,
    "ends by itself": 0.9996,
    "distinct of ten": 8.4,
}


def a_report(*, weights: str, rates: Mapping[str, float] = RATES, **changes: Any) -> dict[str, Any]:
    """Return a report with these rates, the same for every seed."""
    return {
        "format": "exam/1",
        "persona": "lamp",
        "title": "Lamp",
        "weights": weights,
        "seeds": [1, 2, 3],
        "sampling": {"temperature": 0.7, "top_k": 40, "top_p": 0.95},
        "questions": {"final": 240, "held_out": 600},
        "n_replies": 12_345,
        "rates": {
            name: {"mean": mean, "low": mean, "high": mean, "of_each": [mean] * 3, "n": 240}
            for name, mean in rates.items()
        },
        "judge_accuracy": 0.9812,
        "novelty": {"memorised": 0.5, "valid": 0.3, "new": 0.2},
        "topics": {"dark": 0.5, "light": 0.75, "warmth": 1.0},
        "confusions": [{"of": "dark", "as": "light", "n": 7}],
        "prompt_classifier": {"final": 0.9375, "held_out": 0.99},
        "loss": {"held_out": 0.5, "knows_nothing": 8.3, "unigram": 5.0, "trigram": 2.0},
        "seconds": 99.5,
        **changes,
    }


def weights_of(bundle: Path) -> str:
    """Return the digest of the weights in a bundle's folder."""
    return json.loads((bundle / "metrics.json").read_text(encoding="utf-8"))["digests"]["weights"]


def put_report(bundle: Path, **changes: Any) -> None:
    """Write a report of its weights into a bundle's folder."""
    report = a_report(**{"weights": weights_of(bundle), **changes})
    (bundle / "exam.json").write_text(json.dumps(report), encoding="utf-8")
