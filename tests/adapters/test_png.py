from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import auditor
from adapters import png
from adapters.images import encode_image

PHOTOGRAPHS = Path(auditor.__file__).parent.joinpath(
    "workflows", "demo", "assets", "photos", "sign-digits-samples.npz"
)


def smooth(channels: int, height: int, width: int) -> NDArray[np.uint8]:
    """Slopes in every direction, with noise: rows of both filters."""
    rng = np.random.default_rng(3)
    down, across = np.mgrid[:height, :width]
    values = [3 * down + 5 * across * (down % 2) + 40 * channel for channel in range(channels)]
    noisy = np.stack(values) + rng.integers(0, 4, (channels, height, width))
    return (noisy % 256).astype(np.uint8)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 9), (9, 1), (5, 7), (64, 64), (320, 200)]
)
def test_every_pixel_is_kept(channels: int, mode: str, height: int, width: int) -> None:
    for pixels in (
        smooth(channels, height, width),
        np.random.default_rng(0).integers(0, 256, (channels, height, width)).astype(np.uint8),
        np.full((channels, height, width), 255, np.uint8),
    ):
        data = encode_image(pixels, "png")
        Image.open(io.BytesIO(data)).verify()  # the chunks and their check sums
        image = Image.open(io.BytesIO(data))
        assert (image.format, image.mode, image.size) == ("PNG", mode, (width, height))
        back = np.asarray(image).reshape(height, width, channels).transpose(2, 0, 1)
        assert (back == pixels).all()


def test_photographs_take_no_more_bytes_than_without_igzip(monkeypatch: pytest.MonkeyPatch) -> None:
    photographs = np.load(PHOTOGRAPHS)["x"][:20].transpose(0, 3, 1, 2)
    with_it = [len(encode_image(one, "png")) for one in photographs]
    monkeypatch.setattr(png, "AVAILABLE", False)
    without = [len(encode_image(one, "png")) for one in photographs]
    assert sum(with_it) != sum(without)
    assert sum(with_it) < 1.02 * sum(without)
