"""Linear algebra on one thread: a search's matrices are small, and beside other programs OpenBLAS's
threads wait for each other much longer than they calculate.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
NAMES = (
    "scipy_openblas_{}_num_threads64_",
    "openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
)
"""OpenBLAS's functions as wheels and packages of numpy name them, for "get" and "set"."""


def on_one_thread(step: Callable[[], T]) -> T:
    """The result of ``step``, during which numpy's OpenBLAS uses one thread; with another library
    nothing changes.
    """
    library = _library()
    if library is None:
        return step()
    count, limit = library
    before = count()
    limit(1)
    try:
        return step()
    finally:
        limit(before)


@functools.cache
def _library() -> tuple[Callable[[], int], Callable[[int], Any]] | None:
    """OpenBLAS's functions that read and set its number of threads."""
    with contextlib.suppress(OSError, AttributeError, ImportError, TypeError):
        # What numpy is linked to is found through it, wherever it lies.
        found = ctypes.CDLL(importlib.import_module("numpy.linalg._umath_linalg").__file__)
        for name in NAMES:
            if hasattr(found, name.format("get")):
                return getattr(found, name.format("get")), getattr(found, name.format("set"))
    return None
