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
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_ARENA_MAX, 1)
