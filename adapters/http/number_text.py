"""Arrays as JSON numbers, fast: writing them is most of what a JSON client does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH = 16
"""Bytes of one float32: sign or space, 9 digits, their point, exponent, comma."""

_DIGITS = 9
"""Decimal digits that bring every float32 back unchanged."""

_LOW_POWER, _HIGH_POWER = -50, 45


def _words(texts: Iterable[bytes]) -> NDArray[np.uint32]:
    """A table of texts of four bytes each: one look-up writes all four."""
    return np.frombuffer(b"".join(texts), np.uint32)


_LEADING = _words(b"%c%d.%d" % (sign, n // 10, n % 10) for sign in b" -" for n in range(100))
_MIDDLE = _words(b"%04d" % n for n in range(10_000))
_LAST = _words(b"%03de" % n for n in range(1_000))
_EXPONENT = _words(b"%+03d," % power for power in range(_LOW_POWER, _HIGH_POWER))
_SCALE = 10.0 ** np.arange(_DIGITS - 1 - _LOW_POWER, _DIGITS - 2 - _HIGH_POWER, -1)
"""What brings a size of each power to 9 digits before the point."""


def nested(array: NDArray[Any]) -> bytes:
    """``array`` as nested JSON lists.

    float32 values are written with 9 digits, always with point and exponent, so that a server
    that infers types never takes whole numbers for integers. Other types get Python's own text.
    """
    if array.dtype != np.float32:
        return repr(array.tolist()).encode("ascii")
    text = _fixed_width(array)
    row = WIDTH * array.shape[-1]
    lists = [b"[" + text[at : at + row - 1] + b"]" for at in range(0, len(text), row)]
    for length in reversed(array.shape[:-1]):
        lists = [
            b"[" + b",".join(lists[at : at + length]) + b"]" for at in range(0, len(lists), length)
        ]
    return lists[0]


def flat(array: NDArray[Any]) -> bytes:
    """``array`` as one flat JSON list in C order; see :func:`nested`."""
    return nested(array.reshape(-1))


def _fixed_width(array: NDArray[np.float32]) -> bytes:
    """Every value as WIDTH bytes. 10 times faster than json.dumps, and shorter."""
    values = array.reshape(-1).astype(np.float64)
    mantissa, power = _scientific(np.abs(values))
    upper, last = np.divmod(mantissa, 1_000)
    leading, middle = np.divmod(upper, 10_000)
    leading[np.signbit(values)] += 100
    text = np.empty((len(values), WIDTH // 4), np.uint32)
    for column, table, index in (
        (0, _LEADING, leading),
        (1, _MIDDLE, middle),
        (2, _LAST, last),
        (3, _EXPONENT, power),
    ):
        text[:, column] = table.take(index)
    return text.tobytes()


def _scientific(sizes: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """``(m, i)``: size = m · 10^(p - 8), m of exactly 9 digits or 0, i = p - _LOW_POWER."""
    # Zero gets the power of 1; it has no logarithm.
    power = np.floor(np.log10(np.where(sizes > 0, sizes, 1.0))).astype(np.int32) - _LOW_POWER
    mantissa = np.rint(sizes * _SCALE.take(power)).astype(np.int32)
    # 9.999999999 rounds up to ten digits, which are a one and zeros.
    over = mantissa >= 10**_DIGITS
    if over.any():
        mantissa[over] = 10 ** (_DIGITS - 1)
        power[over] += 1
    return mantissa, power
