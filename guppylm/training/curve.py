"""Turns the points of a loss curve into a picture.

The only module that knows matplotlib, and it imports it when it draws: training does not wait for it,
and goes without a picture where it is not installed.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

INK, QUIET, LEARNED, HELD_OUT = "#243240", "#8a97a3", "#2a7fb8", "#e07a3f"


def loss_png(curve: Sequence[Mapping[str, Any]], *, vocab_size: int, title: str) -> bytes | None:
    """Return a PNG of loss against tokens seen, or None where there is no matplotlib or nothing to draw.

    Args:
        curve: points with `n_tokens`, `loss` and, now and then, `held_out_loss`; as in metrics.json.
        vocab_size: draws the line of a model that knows nothing, ln(V).
    """
    try:
        from matplotlib.figure import Figure  # not pyplot, which keeps windows and global state
    except ImportError:
        return None
    learned = [(point["n_tokens"], point["loss"]) for point in curve if point["loss"] is not None]
    held_out = [(point["n_tokens"], point["held_out_loss"]) for point in curve if point["held_out_loss"] is not None]
    if not learned:
        return None
    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    guess = math.log(vocab_size)
    axes.axhline(guess, color=QUIET, linestyle=(0, (4, 3)), linewidth=1)
    axes.annotate(
        f"knows nothing: ln({vocab_size:,}) = {guess:.2f}",
        (1, guess),
        (-4, -5),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        va="top",
        color=QUIET,
    )
    axes.plot(*zip(*learned, strict=True), color=LEARNED, linewidth=1.6, label="replies it learns from")
    if held_out:
        axes.plot(
            *zip(*held_out, strict=True),
            color=HELD_OUT,
            linewidth=1.6,
            marker="o",
            markersize=4,
            label="replies to phrasings it never saw",
        )
    axes.set_xlabel("tokens read", color=INK)
    axes.set_ylabel("loss on reply tokens, in nats", color=INK)
    axes.set_title(title, loc="left", color=INK, fontweight="bold")
    axes.set_ylim(bottom=0, top=max(guess * 1.08, max(loss for _, loss in learned)))
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(lambda n, _: f"{n / 1e6:g}M" if n >= 1e6 else f"{n / 1e3:g}k" if n else "0")
    axes.grid(axis="y", color="#e8ecef", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)
    axes.tick_params(colors=INK, color=QUIET)
    axes.legend(frameon=False, labelcolor=INK)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()
