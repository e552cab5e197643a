"""Images as bytes: what an upload carries in ``image`` access."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adapters import png
from adapters.contract import jpeg_quality
from adapters.errors import TargetError

_MODES = {1: "L", 3: "RGB"}


def is_image(encoding: str) -> bool:
    """True if ``encoding`` is ``png`` or ``jpeg:QUALITY``, 1 to 100, or ``jpeg:QUALITY/444``, which
    keeps the colour of every pixel.
    """
    return encoding == "png" or jpeg_quality(encoding) is not None


def media_type(encoding: str) -> str:
    """The MIME type of ``encoding``; octet-stream if it is not an image."""
    if not is_image(encoding):
        return "application/octet-stream"
    return "image/png" if encoding == "png" else "image/jpeg"


def resized(pixels: NDArray[np.uint8], size: tuple[int, int], resample: str) -> NDArray[np.uint8]:
    """Images ``(n, c, h, w)`` of 8-bit pixels brought to ``size`` (height, width), channel by
    channel; ``resample`` is ``nearest``, ``bilinear`` or ``bicubic``.
    """
    method = Image.Resampling[resample.upper()]
    height, width = size
    flat = np.ascontiguousarray(pixels).reshape(-1, *pixels.shape[2:])
    scaled = [np.asarray(Image.fromarray(one).resize((width, height), method)) for one in flat]
    return np.stack(scaled).reshape(*pixels.shape[:2], height, width)


def encode_image(pixels: NDArray[np.uint8], encoding: str) -> bytes:
    """One image ``(c, h, w)`` in an ``encoding`` of :func:`is_image`; TargetError if it is none."""
    mode = _MODES.get(pixels.shape[0])
    if mode is None:
        raise TargetError(f"an image has 1 or 3 channels, the input has {pixels.shape[0]}")
    rows: NDArray[np.uint8] = pixels[0] if mode == "L" else pixels.transpose(1, 2, 0)
    rows = np.ascontiguousarray(rows)
    if encoding == "png" and png.AVAILABLE:
        return png.write_png(rows)
    image = Image.fromarray(rows)
    target = io.BytesIO()
    image.save(target, **_save_options(encoding))
    return target.getvalue()


def _save_options(encoding: str) -> dict[str, Any]:
    if encoding == "png":
        # Without igzip: inputs look like noise to zlib. Looking for runs alone takes a fifth less
        # time than level 1 and makes smaller files of probes, of photographs files within 1 %.
        return {"format": "PNG", "compress_level": 1, "compress_type": zlib.Z_RLE}
    quality = jpeg_quality(encoding)
    if quality is None:
        raise TargetError(f"{encoding!r} is no image encoding; use png or jpeg:QUALITY, 1 to 100")
    options: dict[str, Any] = {"format": "JPEG", "quality": quality}
    return {**options, "subsampling": "4:4:4"} if encoding.endswith("/444") else options
