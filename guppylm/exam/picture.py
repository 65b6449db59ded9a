"""Turns a report into a picture: the rate of every topic, and what is taken for what.

Imports matplotlib when it draws, and goes without a picture where it is not installed.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

INK, QUIET, RIGHT, WRONG = "#243240", "#d8dee4", "#2a7fb8", "#e07a3f"


def report_png(report: Mapping[str, Any]) -> bytes | None:
    """Return a PNG of topics and confusions, or None where there is no matplotlib or nothing to draw."""
    try:
        from matplotlib.figure import Figure  # not pyplot, which keeps windows and global state
    except ImportError:
        return None
    topics = list(report["topics"].items())
    if not topics or report["free"] != "final":
        return None
    figure = Figure(figsize=(11, max(3.0, 0.19 * len(topics) + 1.2)), dpi=110, layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _bars(left, [name for name, _ in topics], [100 * rate for _, rate in topics], most=100.0)
    left.set_title("on topic, by topic (%)", loc="left", color=INK, fontweight="bold")
    confusions = report["confusions"][::-1]
    names = [f"{c['of']} → {c['as']}" for c in confusions]
    _bars(right, names, [c["n"] for c in confusions], most=max([c["n"] for c in confusions], default=1), color=WRONG)
    right.set_title("practice half: taken for another topic", loc="left", color=INK, fontweight="bold")
    title = f"{report['title']}: what becomes of free messages"
    figure.suptitle(title, x=0.01, ha="left", color=INK, parse_math=False)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _bars(axes: Any, names: list[str], values: list[float], *, most: float, color: str = RIGHT) -> None:
    places = range(len(names))
    axes.barh(places, [most] * len(names), color=QUIET, height=0.7)
    axes.barh(places, values, color=color, height=0.7)
    axes.set_yticks(list(places), names, fontsize=7, color=INK)
    axes.tick_params(axis="x", labelsize=7, colors=INK)
    axes.set_xlim(0, most)
    axes.margins(y=0.01)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
