"""Paths at which two JSON values differ."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

TOLERANCE = 1e-9
"""Relative: libraries and processors round the last digits of a mean differently."""


def differences(one: Any, two: Any, where: str = "") -> Iterator[str]:
    """Paths at which ``one`` and ``two`` differ, such as ``scores.re.mean``.

    Numbers count as equal within :data:`TOLERANCE`; whole numbers and everything else exactly.
    """
    if isinstance(one, dict) and isinstance(two, dict):
        for key in sorted(one.keys() | two.keys()):
            inner = f"{where}.{key}" if where else str(key)
            if key in one and key in two:
                yield from differences(one[key], two[key], inner)
            else:
                yield inner
    elif isinstance(one, list) and isinstance(two, list):
        if len(one) != len(two):
            yield where
            return
        for number, (left, right) in enumerate(zip(one, two, strict=True)):
            yield from differences(left, right, f"{where}[{number}]")
    elif not _same(one, two):
        yield where


def _same(one: Any, two: Any) -> bool:
    if float in {type(one), type(two)} and {type(one), type(two)} <= {int, float}:
        return math.isclose(one, two, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return type(one) is type(two) and bool(one == two)
