"""Keeps the process, which holds the user's key, out of crash dumps and of others' reach."""

from __future__ import annotations

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def keep_to_ourselves() -> None:
    """No core file, and on Linux no look at our memory or environment by the user's other programs.

    Where a system does not offer this, the audit goes on without: it is a second line.
    """
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform == "linux":
        # A core pattern that pipes to a program ignores the limit; this it does not.
        zero = ctypes.c_ulong(0)
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, zero, zero, zero, zero)
