"""The input tensor of a V2 model: from its metadata to arrays the server takes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Batch, InputSpec, Layout
from adapters.errors import BadReply, TargetError
from adapters.http.payload.encoding import Wire, arrange
from adapters.quoting import printable
from adapters.target import Color, Target

DTYPES: dict[str, str] = {
    "BOOL": "?",
    "UINT8": "|u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "|i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
"""V2 datatype -> numpy type on the wire."""

BYTES = "BYTES"
"""Datatype of texts, and of images that the server decodes."""

_CHANNELS = {1, 3, 4}
_MOST_AXES, _MOST_NAME, _MOST_SIZE = 16, 1000, 1 << 31


@dataclass(frozen=True, slots=True)
class Tensor:
    """One line of model metadata; a size in ``dims`` is -1 if the server takes any."""

    name: str
    datatype: str
    dims: tuple[int, ...]

    @classmethod
    def read(cls, value: Any) -> Tensor:
        """Read one entry of ``inputs`` or ``outputs``. Raises BadReply without name, datatype or
        shape.
        """
        try:
            name, datatype, shape = value["name"], value["datatype"], value["shape"]
            dims = tuple(int(size) for size in shape[:_MOST_AXES])
            bearable = len(name) <= _MOST_NAME and max(dims, default=0) < _MOST_SIZE
            if isinstance(name, str) and isinstance(datatype, str) and bearable:
                return cls(name, datatype[:_MOST_NAME].upper(), dims)
        except (KeyError, TypeError, ValueError, OverflowError):
            pass
        raise BadReply(
            "the model metadata lists a tensor without name, type or shape, or with absurd ones"
        )


@dataclass(frozen=True, slots=True)
class Geometry:
    """Arrangement of inputs in the tensor: ``shape`` is ``(c, h, w)`` of one input, ``dims`` its
    sizes on the wire without the batch axis, ``layout`` the order of the image axes there;
    ``fixed`` is the only batch size the server takes.
    """

    shape: tuple[int, int, int]
    dims: tuple[int, ...]
    layout: Layout
    batched: bool = True
    fixed: int | None = None

    def sent(self, n: int) -> int:
        """Inputs on the wire for ``n`` inputs: more if the batch is fixed."""
        return self.fixed or n

    def wire_shape(self, n: int) -> list[int]:
        """Shape of the tensor that carries ``n`` inputs."""
        return [self.sent(n), *self.dims] if self.batched else list(self.dims)


def read_geometry(tensor: Tensor, target: Target) -> Geometry:
    """Find channels, height, width and batch axis; TargetError if the shape leaves a choice."""
    dims = tensor.dims
    if tensor.datatype == BYTES:
        return _of_texts(dims, target)
    if len(dims) == 4:
        return _with_batch(dims, *_image_axes(dims[1:], target))
    if len(dims) == 3 and not (dims[0] == -1 and dims[2] not in _CHANNELS):
        shape, layout = _image_axes(dims, target)
        return Geometry(shape, _wire_dims(shape, layout), layout, batched=False)
    if len(dims) == 3:
        (_, height, width), _ = _image_axes((1, *dims[1:]), target)
        return _with_batch(dims, (1, height, width), "NCHW", (height, width))
    if len(dims) == 2:
        return _flat(dims, target)
    raise TargetError(f"the model's input shape {list(dims)} is not that of an image")


def _of_texts(dims: tuple[int, ...], target: Target) -> Geometry:
    """A tensor of encoded images: one text each, in a list or a column."""
    if target.shape is None:
        raise TargetError(
            "the model takes encoded images and does not say of which size; pass --shape C,H,W"
        )
    if len(dims) not in {1, 2} or dims[1:] not in {(), (1,), (-1,)}:
        raise TargetError(f"the model's input shape {list(dims)} is not that of encoded images")
    if dims == (1,):
        return Geometry(target.shape, dims, "NHWC", batched=False)
    fixed = dims[0] if dims[0] > 0 else None
    return Geometry(target.shape, (1,) * (len(dims) - 1), "NHWC", fixed=fixed)


def as_images(geometry: Geometry) -> Geometry:
    """The same input if encoded images travel in place of its values: a list of ``N``."""
    if geometry.layout != "NHWC" or not geometry.batched or len(geometry.dims) != 3:
        raise TargetError(
            "servers decode images into tensors of shape [N, H, W, C], and this model's is "
            "another: leave input.encoding out, or serve the model with that layout"
        )
    return replace(geometry, dims=())


def _with_batch(
    dims: tuple[int, ...],
    shape: tuple[int, int, int],
    layout: Layout,
    wire_dims: tuple[int, ...] | None = None,
) -> Geometry:
    fixed = dims[0] if dims[0] > 0 else None
    return Geometry(shape, wire_dims or _wire_dims(shape, layout), layout, fixed=fixed)


def _wire_dims(shape: tuple[int, int, int], layout: Layout) -> tuple[int, int, int]:
    c, h, w = shape
    return (c, h, w) if layout == "NCHW" else (h, w, c)


def _flat(dims: tuple[int, ...], target: Target) -> Geometry:
    if target.shape is None:
        raise TargetError(f"the model takes flat vectors of shape {list(dims)}; pass --shape C,H,W")
    size = math.prod(target.shape)
    if dims[1] not in {-1, size}:
        raise TargetError(f"the model takes {dims[1]} values, shape {target.shape} has {size}")
    return _with_batch(dims, target.shape, target.layout or "NCHW", (size,))


def _image_axes(dims: tuple[int, ...], target: Target) -> tuple[tuple[int, int, int], Layout]:
    """Shape ``(c, h, w)`` and layout of three wire axes, as far as only one reading fits."""
    a, b, c = dims
    readings: dict[Layout, tuple[int, int, int]] = {"NCHW": (a, b, c), "NHWC": (c, a, b)}
    if target.layout is not None:
        readings = {target.layout: readings[target.layout]}
    if target.shape is not None:
        fitting = {k: r for k, r in readings.items() if _fits(r, target.shape)}
        if not fitting:
            raise TargetError(
                f"shape {target.shape} does not fit the model's input {list(dims)}; "
                "check --shape C,H,W and --layout"
            )
    elif target.layout is None:
        fitting = {k: r for k, r in readings.items() if r[0] in _CHANNELS}
    else:
        fitting = readings
    if len(fitting) != 1:
        raise TargetError(
            f"the model's input {list(dims)} does not say which axis is the channel; "
            "pass --layout NCHW or --layout NHWC"
        )
    layout, shape = next(iter(fitting.items()))
    shape = target.shape or shape
    if min(shape) < 1:
        raise TargetError(f"the model's input {list(dims)} leaves sizes open; pass --shape C,H,W")
    return shape, layout


def _fits(stated: tuple[int, int, int], shape: tuple[int, int, int]) -> bool:
    return all(s in {-1, size} for s, size in zip(stated, shape, strict=True))


class ImageWriter:
    """Turns batches into the texts of a BYTES tensor: one encoded image each, which the server
    decodes and scales. ``one_bytes`` is the size of an image of noise, its length included.
    """

    def __init__(self, geometry: Geometry, wire: Wire) -> None:
        self._geometry = geometry
        self._wire = wire
        noise = np.random.default_rng(0).integers(0, 256, (1, *wire.spec.shape))
        self.one_bytes = len(wire.files(wire.spec.from_pixels(noise))[0]) + 4

    def files(self, batch: Batch) -> list[bytes]:
        """Each input of ``batch`` ``(n, c, h, w)`` as a file; a fixed batch is filled up."""
        files = self._wire.files(batch)
        return files + files[-1:] * (self._geometry.sent(len(batch)) - len(batch))

    def raw(self, batch: Batch) -> bytes:
        """The tensor behind the JSON: each file after its length, four bytes little endian."""
        files = self.files(batch)
        return b"".join(part for file in files for part in (len(file).to_bytes(4, "little"), file))


class InputWriter:
    """Turns batches into the array that the server takes."""

    def __init__(
        self, datatype: str, geometry: Geometry, spec: InputSpec, color: Color = "rgb"
    ) -> None:
        if datatype not in DTYPES or datatype == "BOOL":
            raise TargetError(
                f"the model takes {printable(datatype, 20)} inputs, and V2 tensors are sent only "
                "as FP16, FP32, FP64, whole numbers or BYTES; describe it with protocol http"
            )
        self.dtype = np.dtype(DTYPES[datatype])
        self._geometry = geometry
        self._spec = spec
        self._color = color
        if color == "bgr" and spec.shape[0] != 3:
            raise TargetError(f"color 'bgr' needs 3 channels, the input has {spec.shape[0]}")
        if self.dtype.kind in "iu":
            self._check_whole(datatype)

    def array(self, batch: Batch) -> NDArray[Any]:
        """``batch`` ``(n, c, h, w)`` as the tensor's values, in wire layout and datatype; a fixed
        batch is filled up with copies of the last input. Raises TargetError for a value too large
        for FP16.
        """
        values = arrange(self._values(batch), self._geometry.layout, self._color)
        missing = self._geometry.sent(len(batch)) - len(batch)
        if missing:
            values = np.concatenate([values, np.repeat(values[-1:], missing, axis=0)])
        return values

    def noise(self) -> NDArray[Any]:
        """The values of one input of noise, which cost as many digits as most."""
        pixels = np.random.default_rng(0).integers(0, 256, (1, *self._spec.shape))
        return arrange(self._values(self._spec.from_pixels(pixels)), "NCHW")

    def raw(self, batch: Batch) -> memoryview:
        """The tensor behind the JSON: the bytes of :meth:`array` in C order, not copied."""
        return np.ascontiguousarray(self.array(batch)).reshape(-1).view(np.uint8).data

    def _values(self, batch: Batch) -> NDArray[Any]:
        if self.dtype == np.uint8:
            return self._spec.to_pixels(batch)
        values = self._spec.as_sent(batch)
        if self.dtype.kind in "iu":
            return np.rint(values).astype(self.dtype)
        if self.dtype.itemsize > 2:
            return values.astype(self.dtype, copy=False)
        with np.errstate(over="ignore"):
            sent = values.astype(self.dtype)
        if np.isinf(sent).any():
            raise TargetError("an input holds a value too large for the model's FP16 input")
        return sent

    def _check_whole(self, datatype: str) -> None:
        if self._spec.access != "image":
            raise TargetError(
                f"the model takes whole numbers ({datatype}), and access 'float' asks with values "
                "between them: pass --access image, which sends pixels rounded to 0 to 255 as an "
                "upload does"
            )
        if datatype == "UINT8":
            return
        shape = (256, self._spec.shape[0], 1, 1)
        pixels = np.broadcast_to(np.arange(256).reshape(-1, 1, 1, 1), shape)
        values = self._spec.from_pixels(pixels)
        limits = np.iinfo(self.dtype)
        if (
            (values != np.rint(values)).any()
            or values.min() < limits.min
            or values.max() > limits.max
        ):
            raise TargetError(
                f"the model takes {datatype} inputs, and the value range does not map pixels to "
                "whole numbers of it; pass the range of a black and a white pixel, like 0,255"
            )
