"""BPP (Wang, Zhai & Ma 2022): fewer grey levels, with Floyd-Steinberg dithering."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .base import FloatArray, Trigger

# where an error goes: (row, column, share)
SPREAD = ((0, 1, 7 / 16), (1, -1, 3 / 16), (1, 0, 5 / 16), (1, 1, 1 / 16))


def quantise(images: FloatArray, arrays: Mapping[str, FloatArray]) -> FloatArray:
    """Round to ``levels`` values per channel, passing the error on to later pixels."""
    steps = float(arrays["levels"]) - 1.0
    count, channels, height, width = images.shape
    # one spare row and two spare columns take the error that would leave the image
    work = np.zeros((height + 1, width + 2, count, channels), dtype=np.float32)
    work[:height, 1 : width + 1] = images.transpose(2, 3, 0, 1)
    for row in range(height):
        for column in range(1, width + 1):
            old = work[row, column].copy()
            new = np.rint(np.clip(old, 0, 1) * steps) / steps
            work[row, column] = new
            for down, right, share in SPREAD:
                work[row + down, column + right] += (old - new) * share
    return np.ascontiguousarray(work[:height, 1 : width + 1].transpose(2, 3, 0, 1))


def make_quantiser(levels: int) -> Trigger:
    """BackdoorBench's squeeze_num: 8 levels for CIFAR-10; fewer levels show more."""
    return Trigger("quantise", {"levels": np.array(levels, dtype=np.float32)})
