"""Pictures of clean samples for the report."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_SIDE = 96
"""Larger samples are shrunk: the report shows what they are, it does not archive them."""


def sample_png(pixels: NDArray[np.uint8]) -> bytes:
    """PNG of one sample ``(c, h, w)`` uint8; one channel is grey, three are RGB, and of any
    other number the first is shown.
    """
    channels = pixels.shape[0]
    plain = np.moveaxis(pixels, 0, -1) if channels == 3 else pixels[0]
    picture = Image.fromarray(np.ascontiguousarray(plain))
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
