"""Keeps Python from looking for garbage while there is none.

Reading a pack makes some hundred thousand small objects that all stay and form no cycles. Python's collector
walks over them again and again as they get more, which more than doubles the time a check takes.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Pause the collector of cycles; it goes on as before afterwards."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
