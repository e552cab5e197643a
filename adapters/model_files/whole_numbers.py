"""8-bit pixels as the whole numbers that a quantised model takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def whole_numbers(pixels: NDArray[np.uint8], dtype: str) -> NDArray[Any]:
    """``pixels`` of any shape as ``dtype``: for ``int8``, which full integer models take, shifted
    to -128 .. 127.
    """
    if dtype == "int8":
        return (pixels ^ 0x80).view(np.int8)
    return pixels.astype(dtype)
