"""JSON from somebody who may be hostile: nothing that two readers could read in two ways."""

from __future__ import annotations

import json
import math
from typing import Any


def loads(text: str) -> Any:
    """Read JSON; the caller limits its size.

    Raises:
        ValueError: not JSON, nested too deep, a number out of range, or a key given twice.
    """
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite
        )
    except RecursionError:
        raise ValueError("nested too deep") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # The standard parser lets the last of two equal keys win, so two readers may disagree.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not a number in JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is out of range")
    return value
