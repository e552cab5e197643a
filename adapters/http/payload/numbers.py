"""Arrays as JSON text, and back; scores end here, as only the top label leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from adapters.checks import top1
from adapters.contract import Labels, LabelSpace
from adapters.errors import BadReply


def nested(array: NDArray[Any]) -> bytes:
    """``array`` as nested JSON lists, in the fewest digits that bring each value back bit by bit.
    Whole numbers of a float type have a point or an exponent, so that a server that infers types
    never takes them for integers.
    """
    whole = np.ascontiguousarray(array)  # orjson refuses an array that does not lie in one piece
    return orjson.dumps(whole, option=orjson.OPT_SERIALIZE_NUMPY)


def flat(array: NDArray[Any]) -> bytes:
    """``array`` as one flat JSON list in C order; see :func:`nested`."""
    return nested(array.reshape(-1))


def numbers(value: Any) -> NDArray[np.float64]:
    """``value``, a JSON number or rectangular nested list of numbers, as float64; or BadReply."""
    if not _leaves(value) <= {int, float}:
        # Looked at first: an array of texts takes four bytes for each character of the longest.
        raise BadReply("the reply holds something else where numbers should be")
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        raise BadReply("the reply holds lists of unequal length where scores should be") from None
    if array.dtype.kind not in "iuf":
        raise BadReply("the reply holds something else where numbers should be")
    if array.max(initial=0) == np.inf:
        raise BadReply("the reply holds an infinite score")
    return array.astype(np.float64)


def _leaves(value: Any) -> set[type]:
    """The types in nested lists."""
    if not isinstance(value, list):
        return {type(value)}
    kinds = set(map(type, value))
    if list in kinds:
        kinds.remove(list)
        for one in value:
            if isinstance(one, list):
                kinds |= _leaves(one)
    return kinds


def top_labels(scores: NDArray[Any], n: int, space: LabelSpace) -> Labels:
    """Labels ``(n,)`` of scores ``(n, classes)``; the first reply teaches the class count."""
    if len(scores) == n and scores.size == n:
        raise BadReply(
            "the target scores a single class, or gives one number about two classes: for that, "
            'state response.kind = "binary", its two classes and response.threshold'
        )
    labels = top1(scores, n)
    classes = scores.shape[1]
    if space.size is None and not space.open:
        space.size = classes
    if space.size not in {None, classes}:
        raise BadReply(f"the target scores {classes} classes, not the {space.size} of its space")
    return labels
