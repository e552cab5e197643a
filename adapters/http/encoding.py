"""How one input travels, and whether that keeps what the access mode promises."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from adapters._images import encode_picture, is_picture
from adapters.contract import Batch, InputSpec
from adapters.errors import TargetError
from adapters.target import Layout, Target

Carrier = Literal["tensor", "upload"]
"""tensor: numbers in an array. upload: the bytes of one picture (or of one raw array)."""


def choose_encoding(target: Target, carrier: Carrier) -> str:
    """The encoding of ``target``'s inputs: the stated one, or the access mode's default.

    Raises:
        TargetError: the carrier cannot hold the encoding, or the encoding not the access mode.
    """
    image = target.access == "image"
    default = "png" if carrier == "upload" else "uint8" if image else "float32"
    encoding = target.encoding or default
    if not (is_picture(encoding) or encoding in {"float32", "uint8"}):
        raise TargetError(
            f"{encoding!r} is no encoding; use float32, uint8, png or jpeg:QUALITY, 1 to 100"
        )
    if carrier == "tensor" and is_picture(encoding):
        raise TargetError(f"encoding {encoding} is a file, and this request carries an array")
    if not image and encoding != "float32":
        raise TargetError(
            f"encoding {encoding} cannot carry values outside the 8-bit range, "
            "which access 'float' needs; use --access image"
        )
    return encoding


def arrange(batch: NDArray[np.generic], layout: Layout) -> NDArray[np.generic]:
    """``batch`` ``(n, c, h, w)`` in the wire's layout: itself, or ``(n, h, w, c)``."""
    return batch if layout == "NCHW" else np.ascontiguousarray(batch.transpose(0, 2, 3, 1))


def file_bytes(batch: Batch, spec: InputSpec, layout: Layout) -> list[bytes]:
    """Each input of ``batch`` ``(n, c, h, w)`` as the bytes of one file.

    Pictures for ``png`` and ``jpeg:QUALITY``; little-endian raw values for ``float32`` and
    ``uint8``, in the layout given.
    """
    if is_picture(spec.encoding):
        return [encode_picture(pixels, spec.encoding) for pixels in spec.to_pixels(batch)]
    if spec.encoding == "uint8":
        return [one.tobytes() for one in arrange(spec.to_pixels(batch), layout)]
    values = spec.as_sent(batch).astype("<f4", copy=False)
    return [one.tobytes() for one in arrange(values, layout)]
