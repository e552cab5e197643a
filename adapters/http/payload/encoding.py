"""Encodings of one input, checked against the promise of the access mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Batch, InputSpec, Layout
from adapters.errors import TargetError
from adapters.images import encode_image, is_image, resized
from adapters.target import Color, Resample, Target

Carrier = Literal["tensor", "upload"]
"""tensor: numbers in an array. upload: the bytes of one image (or of one raw array)."""


def choose_encoding(target: Target, carrier: Carrier) -> str:
    """The stated encoding, or the access mode's default, if the carrier can hold it."""
    image = target.access == "image"
    default = "png" if carrier == "upload" else "uint8" if image else "float32"
    encoding = target.encoding or default
    if not (is_image(encoding) or encoding in {"float32", "uint8"}):
        raise TargetError(
            f"{encoding!r} is no encoding; use float32, uint8, png or jpeg:QUALITY, 1 to 100"
        )
    if carrier == "tensor" and is_image(encoding):
        raise TargetError(f"encoding {encoding} is a file, and this request carries an array")
    if not image and encoding != "float32":
        raise TargetError(
            f"encoding {encoding} cannot carry values outside the 8-bit range, "
            "which access 'float' needs; use --access image"
        )
    return encoding


def arrange(
    batch: NDArray[np.generic], layout: Layout, color: Color = "rgb"
) -> NDArray[np.generic]:
    """``batch`` ``(n, c, h, w)`` as the wire has it, or ``(n, h, w, c)``; red first or last."""
    if color == "bgr":
        if batch.shape[1] != 3:
            raise TargetError(f"color 'bgr' needs 3 channels, the input has {batch.shape[1]}")
        batch = batch[:, ::-1]
    arranged = batch if layout == "NCHW" else batch.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(arranged)


@dataclass(frozen=True, slots=True)
class Wire:
    """Form of an input on the wire, independent of its carrier: layout and colour order of arrays,
    and the ``size`` ``(h, w)`` that travels, to which other inputs are resampled.
    """

    spec: InputSpec
    layout: Layout
    color: Color
    size: tuple[int, int]
    resample: Resample

    @classmethod
    def of(cls, target: Target, spec: InputSpec) -> Wire:
        """The form that ``target`` describes; TargetError for a size or colours it cannot have."""
        size = target.upload_size or spec.shape[1:]
        if size != spec.shape[1:] and spec.access != "image":
            raise TargetError("input.upload_size scales 8-bit images; use --access image")
        if target.color == "bgr" and is_image(spec.encoding):
            raise TargetError(
                "input.color is 'bgr', and images are always RGB: leave it out, or send arrays"
            )
        return cls(spec, target.layout or "NCHW", target.color, size, target.resample)

    def identity(self) -> tuple[str, ...]:
        """Conditions under which two answers are comparable, in words."""
        scaled = self.size != self.spec.shape[1:]
        return (
            self.layout,
            *((self.color,) if self.color != "rgb" else ()),
            *((f"sent as {self.size[0]}x{self.size[1]} {self.resample}",) if scaled else ()),
        )

    def values(self, batch: Batch) -> NDArray[Any]:
        """``batch`` ``(n, c, h, w)`` in the model's input units, as the wire has it."""
        if self.size == self.spec.shape[1:]:
            return arrange(self.spec.as_sent(batch), self.layout, self.color)
        return arrange(self.spec.from_pixels(self._pixels(batch)), self.layout, self.color)

    def pixels(self, batch: Batch) -> NDArray[Any]:
        """``batch`` ``(n, c, h, w)`` as 8-bit values, as the wire has it."""
        return arrange(self._pixels(batch), self.layout, self.color)

    def files(self, batch: Batch) -> list[bytes]:
        """Each input of ``batch`` ``(n, c, h, w)`` as the bytes of one file: an image for ``png``
        and ``jpeg:QUALITY``, little-endian raw values for ``float32`` and ``uint8``.
        """
        if is_image(self.spec.encoding):
            return [encode_image(one, self.spec.encoding) for one in self._pixels(batch)]
        if self.spec.encoding == "uint8":
            return [one.tobytes() for one in self.pixels(batch)]
        return [one.tobytes() for one in self.values(batch).astype("<f4", copy=False)]

    def _pixels(self, batch: Batch) -> NDArray[np.uint8]:
        pixels = self.spec.to_pixels(batch)
        if self.size == self.spec.shape[1:]:
            return pixels
        return resized(pixels, self.size, self.resample)
