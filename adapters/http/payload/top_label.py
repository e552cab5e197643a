"""Scores end here: only the top label leaves."""

from __future__ import annotations

from typing import Any

import numpy as np

from adapters.checks import top1
from adapters.contract import Labels, LabelSpace
from adapters.errors import BadReply


def numbers(value: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """``value``, a JSON number or rectangular nested list of numbers, as float64; or BadReply."""
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        raise BadReply("the reply holds lists of unequal length where scores should be") from None
    if array.dtype.kind not in "iuf":
        raise BadReply("the reply holds something else where numbers should be")
    if np.isposinf(array).any():
        raise BadReply("the reply holds an infinite score")
    return array.astype(np.float64)


def top_labels(scores: np.ndarray[Any, np.dtype[Any]], n: int, space: LabelSpace) -> Labels:
    """Labels ``(n,)`` of scores ``(n, classes)``; the first reply teaches the class count."""
    labels = top1(scores, n)
    classes = scores.shape[1]
    if space.size is None and not space.open:
        space.size = classes
    if space.size not in {None, classes}:
        raise BadReply(f"the target scores {classes} classes, not the {space.size} of its space")
    return labels
