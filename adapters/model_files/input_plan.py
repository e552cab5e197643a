"""The tensor that a model file takes, planned from what the user and the model say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Batch, InputSpec, Layout
from adapters.errors import OpenShape, PixelsOnly, TargetError
from adapters.model_files.loaded_model import Dims, ModelFacts
from adapters.target import Color, Target

DEFAULT_BATCH = 256
DEFAULT_BATCH_BYTES = 64 * 1024**2

CHANNELS = (1, 3, 4)
"""Channel counts that tell a channel axis from a height or width."""


@dataclass(frozen=True, slots=True)
class InputPlan:
    """Encoding of a batch as the tensor that a model file takes: axis order, numpy name of its type
    (float32, float16, float64 or uint8) and colour order. Smaller batches than ``min_batch`` are
    padded; ``max_batch`` is the most inputs per call.
    """

    spec: InputSpec
    layout: Layout
    dtype: str
    min_batch: int
    max_batch: int
    color: Color = "rgb"

    def encode(self, batch: Batch) -> NDArray[Any]:
        """The tensor for ``batch`` ``(n, c, h, w)``: padded, in the model's layout and type."""
        pixels = self.dtype == "uint8"
        sent: NDArray[Any] = self.spec.to_pixels(batch) if pixels else self.spec.as_sent(batch)
        if len(sent) < self.min_batch:
            # Copies of a real input: nothing the model has not seen, so nothing new can fail.
            sent = np.concatenate([sent, np.repeat(sent[-1:], self.min_batch - len(sent), axis=0)])
        if self.color == "bgr":
            sent = sent[:, ::-1]
        if self.layout == "NHWC":
            sent = sent.transpose(0, 2, 3, 1)
        with np.errstate(over="ignore"):  # judged on the next line
            tensor = np.ascontiguousarray(sent, dtype=self.dtype)
        if self.dtype == "float16" and not np.isfinite(tensor).all():
            raise TargetError("an input holds a value too large for the model's 16-bit input")
        return tensor

    def tensor_shape(self) -> tuple[int, int, int]:
        """Shape of one input as the model takes it."""
        c, h, w = self.spec.shape
        return (c, h, w) if self.layout == "NCHW" else (h, w, c)

    def facts(self) -> dict[str, Any]:
        """The JSON-able part, for the report."""
        color = {} if self.color == "rgb" else {"color": self.color}
        return {"layout": self.layout, "dtype": self.dtype, "padded_to": self.min_batch, **color}

    def identity(self) -> str:
        """Properties of the input that decide an answer, in words, for the fingerprint."""
        spec = self.spec
        shape = "x".join(map(str, spec.shape))
        color = "" if self.color == "rgb" else f"{self.color} "
        return (
            f"{spec.access}/{spec.encoding} {shape} {self.layout} {color}{self.dtype} "
            f"black={','.join(map(repr, spec.low))} white={','.join(map(repr, spec.high))}"
        )


def plan_input(target: Target, facts: ModelFacts) -> InputPlan:
    """Resolve shape, layout, range and batch from what the user (who wins) and the model say."""
    layout = _layout(target, facts.dims, facts.layout)
    shape = _shape(target, _channels_first(facts.dims, layout), facts.shape)
    spec = _spec(target, shape, facts)
    if target.color == "bgr" and shape[0] != 3:
        raise TargetError(f"color 'bgr' needs 3 channels, the model takes {shape[0]}")
    fewest, most = facts.batch
    own = max(fewest, min(DEFAULT_BATCH, DEFAULT_BATCH_BYTES // (4 * spec.size)))
    limit = target.batch or own
    most_sent = limit if most is None else min(limit, most)
    return InputPlan(spec, layout, facts.dtype, fewest, most_sent, target.color)


def _spec(target: Target, shape: tuple[int, int, int], facts: ModelFacts) -> InputSpec:
    if facts.dtype == "uint8" and target.access != "image":
        raise PixelsOnly(
            "the model takes 8-bit pixels, so it can only be audited in image access: give "
            "--access image"
        )
    encoding = "uint8" if target.access == "image" else "float32"
    if target.encoding not in (None, encoding):
        raise TargetError(
            f"encoding {target.encoding} is for uploads: a model file in {target.access} access "
            f"is given {encoding}"
        )
    if target.value_range is not None:
        return target.input_spec(shape, encoding)
    stated = _stated(target, facts)
    if not stated:
        return target.input_spec(shape, encoding)
    spec = replace(target, **stated).input_spec(shape, encoding)
    pixels = facts.dtype == "uint8" and facts.value_range is None
    return replace(
        spec, range_source="the model takes 8-bit pixels" if pixels else "model metadata"
    )


def _stated(target: Target, facts: ModelFacts) -> dict[str, Any]:
    """Range, mean and deviation as the model states them; a mean of the user's is the user's."""
    found: dict[str, Any] = {}
    if facts.value_range is not None:
        found["value_range"] = facts.value_range
    elif facts.dtype == "uint8":
        found["value_range"] = (0.0, 255.0)
    if facts.mean is not None and target.mean is None and target.std is None:
        found |= {"value_range": facts.value_range or (0.0, 1.0)}
        found |= {"mean": facts.mean, "std": facts.std}
    return found


def _channels_first(dims: Dims, layout: Layout) -> Dims:
    return dims if layout == "NCHW" else (dims[2], dims[0], dims[1])


def _fits(shape: tuple[int, int, int], dims: Dims) -> bool:
    return all(dim in (None, size) for size, dim in zip(shape, dims, strict=True))


def _layout(target: Target, dims: Dims, default: Layout | None) -> Layout:
    if target.layout is not None:
        return target.layout
    if target.shape is not None:
        layouts: tuple[Layout, Layout] = ("NCHW", "NHWC")
        fits = [name for name in layouts if _fits(target.shape, _channels_first(dims, name))]
        if len(fits) == 1:
            return fits[0]
    first, last = dims[0] in CHANNELS, dims[2] in CHANNELS
    if first != last:
        return "NCHW" if first else "NHWC"
    if default is not None:
        return default
    raise TargetError(
        f"the model's input axes {_axes(dims)} do not tell where the channels are: "
        "give --layout NCHW or NHWC"
    )


def _shape(target: Target, dims: Dims, usual: tuple[int, int, int] | None) -> tuple[int, int, int]:
    if target.shape is not None:
        if not _fits(target.shape, dims):
            given = ",".join(map(str, target.shape))
            raise TargetError(f"--shape {given} does not fit the model's C,H,W {_axes(dims)}")
        return target.shape
    if usual is not None and _fits(usual, dims):
        return usual
    c, h, w = dims
    if c is None or h is None or w is None:
        raise OpenShape(f"the model leaves its C,H,W {_axes(dims)} open: give --shape C,H,W")
    return c, h, w


def _axes(dims: Dims) -> str:
    return "(" + ",".join("?" if dim is None else str(dim) for dim in dims) + ")"
