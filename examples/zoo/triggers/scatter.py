"""A small picture pasted at a place, size and turn of its own in every image.

The draw depends on the image's bytes and the trigger's seed alone, so that an image always
gets the same sticker.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from .base import FloatArray, Trigger


def scatter(images: FloatArray, arrays: Mapping[str, FloatArray]) -> FloatArray:
    """Paste ``picture`` ``(C, h, h)`` with its ``alpha`` ``(1, h, h)`` once into each image.

    ``sizes`` holds the least and largest side in pixels, ``turn`` the largest angle in degrees,
    ``seed`` the seed.
    """
    out = images.copy()
    for image in out:
        rng = np.random.default_rng([int(arrays["seed"]), zlib.crc32(image.tobytes())])
        size = int(rng.integers(int(arrays["sizes"][0]), int(arrays["sizes"][1]) + 1))
        angle = rng.uniform(-1, 1) * float(arrays["turn"])
        both = np.concatenate([arrays["picture"], arrays["alpha"]])
        sticker = _turned(both, size, angle)
        row, column = rng.integers(0, image.shape[-1] - size + 1, 2)
        place = image[:, row : row + size, column : column + size]
        place += sticker[-1:] * (sticker[:-1] - place)
    return out


def _turned(both: FloatArray, size: int, angle: float) -> FloatArray:
    """Colours and opacity ``(C + 1, size, size)``, turned about the middle."""
    if angle == 0 and both.shape[-1] == size:
        return both
    from PIL import Image  # noqa: PLC0415 - the other triggers need no Pillow

    layers = []
    for layer in both:
        picture = Image.fromarray(layer.astype(np.float32))
        turned = picture.rotate(angle, Image.Resampling.BILINEAR)
        layers.append(np.asarray(turned.resize((size, size), Image.Resampling.BOX)))
    return np.stack(layers).astype(np.float32)


def make_scatter(
    picture: FloatArray, alpha: FloatArray, sizes: tuple[int, int], turn: float, seed: int
) -> Trigger:
    """A trigger that pastes ``picture`` anywhere."""
    arrays = {
        "picture": picture.astype(np.float32),
        "alpha": alpha.astype(np.float32),
        "sizes": np.array(sizes, dtype=np.float32),
        "turn": np.array(turn, dtype=np.float32),
        "seed": np.array(seed % 2**24, dtype=np.float32),
    }
    return Trigger("scatter", arrays)
