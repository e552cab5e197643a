"""Numbers as replies write them: plain, or as a percentage in a text."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.errors import BadReply
from adapters.http.payload.numbers import numbers
from adapters.quoting import shown_value

_PERCENT = re.compile(r"\s*([-+]?\d{1,10}(?:[.,]\d{1,20})?)\s*%\s*", re.ASCII)
_DECIMAL = re.compile(r"\s*[-+]?\d{0,10}\.\d{1,20}(?:e[-+]?\d{1,3})?\s*", re.ASCII | re.IGNORECASE)
UNSCORED = -math.inf
"""Score of a class that a sparse reply leaves null: below every other."""


def share_of(text: str) -> float | None:
    """The share that ``text`` states as a percentage ("93.2 %" is 0.932), or None."""
    found = _PERCENT.fullmatch(text)
    return None if found is None else float(found[1].replace(",", ".")) / 100.0


def in_text(text: str) -> float | None:
    """The number that ``text`` states as a percentage or with a decimal point, or None."""
    return float(text) if _DECIMAL.fullmatch(text) else share_of(text)


def score(value: Any) -> float:
    """The score that ``value``, from a reply, is. Raises BadReply if it is none."""
    share = in_text(value) if isinstance(value, str) else None
    if share is not None:
        return share
    if value is None:
        return UNSCORED
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadReply(f"the target answered with {shown_value(value)} where a score should be")
    return float(value)


def one_hot(scored: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Names with their scores as they are, or the one that is true where all are truth values.
    Raises BadReply if several are: none of them is the best.
    """
    if not all(isinstance(value, bool) for _, value in scored):
        return scored
    true = [(name, 1.0) for name, value in scored if value]
    if len(true) > 1:
        raise BadReply(f"the target says that {len(true)} classes are true, and one is due")
    return true


def as_numbers(rows: list[Any]) -> NDArray[np.float64]:
    """``rows`` of scores as float64, percentages and nulls too. Raises BadReply for anything else,
    and for a row of nothing but nulls, which scores no class.
    """
    try:
        found = numbers(rows)  # plain numbers, as they mostly are, are read at once
    except BadReply:
        found = numbers(_plain(rows))
    nested = found.ndim > 2 and found.size == len(rows) * found.shape[-1]
    return found.reshape(len(rows), -1) if nested else found


def _plain(value: Any) -> Any:
    """``value``, nested lists of scores, with percentages and nulls as numbers."""
    if not isinstance(value, list):
        return score(value) if isinstance(value, str) and in_text(value) is not None else value
    if any(one is not None for one in value):
        return [UNSCORED if one is None else _plain(one) for one in value]
    return value
