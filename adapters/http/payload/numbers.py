"""Arrays as JSON text."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray


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
