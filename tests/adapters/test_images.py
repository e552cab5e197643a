from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from adapters import png
from adapters.errors import TargetError
from adapters.images import encode_image, is_image, media_type


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_png_without_igzip_keeps_every_pixel(
    channels: int, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(png, "AVAILABLE", False)
    pixels = np.random.default_rng(0).integers(0, 256, (channels, 5, 7)).astype(np.uint8)
    image = Image.open(io.BytesIO(encode_image(pixels, "png")))
    assert image.mode == mode
    back = np.asarray(image).reshape(5, 7, channels).transpose(2, 0, 1)
    assert (back == pixels).all()


def test_jpeg_quality_counts() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32)).astype(np.uint8)
    low, high = (encode_image(pixels, f"jpeg:{q}") for q in (10, 95))
    assert len(low) < len(high)
    assert Image.open(io.BytesIO(low)).format == "JPEG"


def test_full_colour_keeps_the_colour_of_single_pixels() -> None:
    pixels = np.zeros((3, 16, 16), np.uint8)
    pixels[0, ::2], pixels[2, 1::2] = 255, 255  # red and blue lines
    errors = []
    for encoding in ("jpeg:95", "jpeg:95/444"):
        assert (is_image(encoding), media_type(encoding)) == (True, "image/jpeg")
        image = np.asarray(Image.open(io.BytesIO(encode_image(pixels, encoding))))
        errors.append(np.abs(image.transpose(2, 0, 1) - pixels.astype(float)).mean())
    assert errors[1] < errors[0] / 3


@pytest.mark.parametrize(
    "encoding", ["jpeg", "jpeg:0", "jpeg:101", "gif", "jpeg:9x", "jpeg:90/420", "png/444", ""]
)
def test_other_encodings_are_refused(encoding: str) -> None:
    assert not is_image(encoding)
    assert media_type(encoding) == "application/octet-stream"
    with pytest.raises(TargetError):
        encode_image(np.zeros((3, 2, 2), np.uint8), encoding)


def test_a_picture_has_one_or_three_channels() -> None:
    with pytest.raises(TargetError, match="1 or 3 channels"):
        encode_image(np.zeros((2, 4, 4), np.uint8), "png")
