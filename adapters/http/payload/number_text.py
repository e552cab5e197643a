"""Arrays as JSON numbers, fast: writing them is most of what a JSON client does."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Part of an extra.
_ORJSON = importlib.import_module("orjson") if importlib.util.find_spec("orjson") else None

WIDTH = 16
"""Bytes of one float32: sign or space, 9 digits, their point, exponent, comma."""

_DIGITS = 9
"""Decimal digits that bring every float32 back unchanged."""

_LOW_POWER, _HIGH_POWER = -50, 45

_BLOCK = 8_192
"""Values written at a time: what they need on the way stays in a processor's cache."""

_FRACTION_BITS = 52
"""Of a float64; its exponent is above them."""


def _words(texts: Iterable[bytes]) -> NDArray[np.uint32]:
    """A table of texts of four bytes each: one look-up writes all four."""
    return np.frombuffer(b"".join(texts), np.uint32)


_LEADING = _words(b"%c%d.%d" % (sign, n // 10, n % 10) for sign in b" -" for n in range(100))
_MIDDLE = _words(b"%04d" % n for n in range(10_000))
_LAST = _words(b"%03de" % n for n in range(1_000))
_EXPONENT = _words(b"%+03d," % power for power in range(_LOW_POWER, _HIGH_POWER))
_SCALE = 10.0 ** np.arange(_DIGITS - 1 - _LOW_POWER, _DIGITS - 2 - _HIGH_POWER, -1)
"""What brings a size of each power to 9 digits before the point."""


def _powers() -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """For each exponent of a float64 its smallest number's power of ten, as an index of _SCALE,
    and where the next power begins. Zero gets the power of 1; it has none.
    """
    low = np.full(2_048, -_LOW_POWER, np.int32)
    edge = np.full(2_048, np.inf)
    for exponent in range(-150, 128):
        power = len(str(2**exponent)) - 1 if exponent >= 0 else _power_below_one(-exponent)
        low[exponent + 1_023] = power - _LOW_POWER
        edge[exponent + 1_023] = float(f"1e{power + 1}")
    return low, edge


def _power_below_one(halvings: int) -> int:
    # 2^-n = 5^n / 10^n, in whole numbers: a logarithm would be rounded.
    return len(str(5**halvings)) - 1 - halvings


_POWER, _NEXT_POWER = _powers()


def nested(array: NDArray[Any]) -> bytes:
    """``array`` as nested JSON lists; each value comes back bit by bit.

    With orjson in the fewest digits, a third fewer bytes and as much less work for the server.
    Without it float32 values get 9 digits, point and exponent, other types Python's own text.
    Either way whole numbers of a float type have a point or exponent, so that a server that infers
    types never takes them for integers.
    """
    if _ORJSON is not None:
        # It refuses what does not lie in one piece.
        whole = np.ascontiguousarray(array)
        text: bytes = _ORJSON.dumps(whole, option=_ORJSON.OPT_SERIALIZE_NUMPY)
        return text
    if array.dtype != np.float32 or not array.size:
        return repr(array.tolist()).encode("ascii")
    lists = np.empty((), _lists(array.shape))
    _write(lists, _fixed_width(array).reshape(array.shape))
    return lists.tobytes()[:-1]


def flat(array: NDArray[Any]) -> bytes:
    """``array`` as one flat JSON list in C order; see :func:`nested`."""
    return nested(array.reshape(-1))


@lru_cache(maxsize=64)
def _lists(shape: tuple[int, ...]) -> np.dtype[Any]:
    """What a list of this shape and a comma look like in memory: all parts have fixed widths.

    The comma after a list's last part gives its place to the list's closing bracket.
    """
    inner: np.dtype[Any] = np.dtype(f"V{WIDTH}")
    for length in reversed(shape):
        inner = np.dtype([("open", "S1"), ("parts", inner, (length,)), ("comma", "S1")])
    return inner


def _write(lists: NDArray[Any], values: NDArray[np.void]) -> None:
    """Fill ``lists``, a view of :func:`_lists`, with the texts of ``values``."""
    parts, depth = lists, values.ndim
    opened = []
    for _ in range(depth):
        parts["open"], parts["comma"] = b"[", b","
        parts = parts["parts"]
        opened.append(parts)
    parts[...] = values
    # The last byte of a list's last part, whatever that is.
    for part in reversed(opened):
        _last_byte(part[..., -1])[...] = ord("]")


def _last_byte(parts: NDArray[Any]) -> NDArray[np.uint8]:
    """The last byte of each of ``parts``, as a view."""
    at = np.dtype(
        {
            "names": ["last"],
            "formats": ["u1"],
            "offsets": [parts.dtype.itemsize - 1],
            "itemsize": parts.dtype.itemsize,
        }
    )
    view: NDArray[np.uint8] = parts.view(at)["last"]
    return view


def _fixed_width(array: NDArray[np.float32]) -> NDArray[np.void]:
    """Every value as WIDTH bytes, shape ``(array.size,)``; far faster than json.dumps."""
    values = array.reshape(-1)
    text = np.empty((len(values), WIDTH // 4), np.uint32)
    for start in range(0, len(values), _BLOCK):
        _write_block(values[start : start + _BLOCK].astype(np.float64), text[start:][:_BLOCK])
    whole: NDArray[np.void] = text.view(f"V{WIDTH}").reshape(-1)
    return whole


def _write_block(values: NDArray[np.float64], text: NDArray[np.uint32]) -> None:
    """Write ``values`` ``(n,)`` to ``text`` ``(n, 4)``, four bytes a cell."""
    mantissa, power = _scientific(np.abs(values))
    upper = mantissa // np.uint32(1_000)
    leading = upper // np.uint32(10_000)
    text[:, 1] = _MIDDLE.take(upper - leading * np.uint32(10_000))
    text[:, 2] = _LAST.take(mantissa - upper * np.uint32(1_000))
    text[:, 3] = _EXPONENT.take(power)
    leading += np.signbit(values) * np.uint32(100)
    text[:, 0] = _LEADING.take(leading)


def _scientific(sizes: NDArray[np.float64]) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """``(m, i)``: size = m · 10^(p - 8), m of exactly 9 digits or 0, i = p - _LOW_POWER."""
    exponent = sizes.view(np.int64) >> _FRACTION_BITS
    power = _POWER.take(exponent)
    power += sizes >= _NEXT_POWER.take(exponent)
    mantissa = np.rint(sizes * _SCALE.take(power)).astype(np.uint32)
    # 9.999999999 rounds up to ten digits, which are a one and zeros.
    over = mantissa >= 10**_DIGITS
    if over.any():
        mantissa[over] = 10 ** (_DIGITS - 1)
        power[over] += 1
    return mantissa, power
