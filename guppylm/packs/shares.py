"""Turns a number of rows, weights and limits into a share for each: whole numbers that add up.

Water filling: everybody gets by weight; who cannot hold that much is filled to the brim and the rest is shared again
among the others. What is left over by rounding down goes to the largest remainders.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def share_out(n_rows: int, weights: Mapping[K, int], limits: Mapping[K, int]) -> dict[K, int]:
    """Return the rows for each key. They add up to `n_rows`, or to all the limits where that is less.

    >>> share_out(10, {"a": 1, "b": 1, "c": 2}, {"a": 1, "b": 9, "c": 9})
    {'a': 1, 'b': 3, 'c': 6}
    """
    shares: dict[K, int] = {}
    open_keys = [key for key in weights if weights[key] > 0 and limits[key] > 0]
    left = n_rows
    while open_keys:
        total = sum(weights[key] for key in open_keys)
        full = [key for key in open_keys if limits[key] * total <= left * weights[key]]
        if not full:
            break
        for key in full:
            shares[key] = limits[key]
            left -= limits[key]
        open_keys = [key for key in open_keys if key not in shares]
    shares |= _by_weight(left, {key: weights[key] for key in open_keys})
    return {key: shares.get(key, 0) for key in weights}


def _by_weight(n_rows: int, weights: Mapping[K, int]) -> dict[K, int]:
    total = sum(weights.values())
    shares = {key: n_rows * weight // total for key, weight in weights.items()}
    n_left = n_rows - sum(shares.values()) if shares else 0
    by_remainder = sorted(weights, key=lambda key: -(n_rows * weights[key] % total))
    for key in by_remainder[:n_left]:
        shares[key] += 1
    return shares
