"""Memory of an audit's process: what was freed is kept for the next request."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_KEPT_BYTES = 64 << 20
_LARGEST_BLOCK = 32 << 20
"""The most that glibc takes: larger blocks always come fresh from the system."""


@functools.cache
def keep_freed_memory() -> None:
    """Let glibc keep up to 64 MiB of freed memory. Every request needs some large blocks for a
    moment, and having the system clear new pages for each costs up to twenty times as much as
    filling them. All threads share one heap: each would keep as much in one of its own. On other
    systems nothing happens.
    """
    _glibc("mallopt", _MMAP_THRESHOLD, _LARGEST_BLOCK)
    _glibc("mallopt", _TRIM_THRESHOLD, _KEPT_BYTES)
    _glibc("mallopt", _ARENA_MAX, 1)


def give_back_freed_memory() -> None:
    """Let the system have what was kept for requests, of which few will come or none."""
    _glibc("malloc_trim", 0)


def _glibc(name: str, *numbers: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            getattr(ctypes.CDLL(None), name)(*numbers)
