"""PNG files by igzip: a quarter of the time that zlib takes, for a few percent more bytes."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

try:
    from isal import isal_zlib
except ImportError:  # the extra `fast` is not installed
    AVAILABLE = False
else:
    AVAILABLE = True

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2
_LEFT, _ABOVE = 1, 2
"""Filters: each value less the one to its left, or less the one above."""
_LEVEL = 2
"""Level 1 takes as long and makes photographs 1 % larger, level 3 makes probes larger."""


def write_png(rows: NDArray[np.uint8]) -> bytes:
    """A PNG file of 8-bit pixels ``(h, w)``, grey, or ``(h, w, 3)``, RGB; needs ``AVAILABLE``."""
    height, width = rows.shape[:2]
    colour, values = (_GREY, 1) if rows.ndim == 2 else (_RGB, 3)
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    body = isal_zlib.compress(_filtered(rows.reshape(height, -1), values), _LEVEL)
    chunks = ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _filtered(rows: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Rows ``(h, step * w)`` of ``step`` values a pixel, each with the filter before it that leaves
    the smaller sum of differences, as the PNG specification advises.
    """
    height, width = rows.shape
    both = np.empty((2, height, 1 + width), np.uint8)
    left, above = both
    left[:, 0], above[:, 0] = _LEFT, _ABOVE
    left[:, 1 : 1 + step] = rows[:, :step]
    np.subtract(rows[:, step:], rows[:, :-step], out=left[:, 1 + step :])
    above[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=above[1:, 1:])
    sizes = np.abs(both.view(np.int8)).view(np.uint8).sum(axis=2, dtype=np.uint32)
    chosen: NDArray[np.uint8] = both[sizes.argmin(axis=0), np.arange(height)]
    return chosen


def _chunk(kind: bytes, data: bytes) -> bytes:
    check_sum = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check_sum)
