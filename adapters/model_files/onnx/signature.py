"""The input, the output and the metadata of an ONNX model, as its session states them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from adapters.contract import MAX_CLASSES
from adapters.errors import ModelFileError
from adapters.model_files.loaded_model import Dims
from adapters.quoting import one_line

INPUT_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
}
"""ONNX input type -> numpy type."""


_FLOATS = frozenset({"tensor(float)", "tensor(float16)", "tensor(double)"})
_INTEGERS = frozenset(f"tensor({sign}int{bits})" for sign in ("", "u") for bits in (8, 16, 32, 64))


@dataclass(frozen=True, slots=True)
class LabelOutput:
    """The model output that carries the label, as class names if ``text``."""

    name: str
    text: bool
    classes: int | None


@dataclass(frozen=True, slots=True)
class StatedMetadata:
    """The file's own metadata, and the part of it that could not be used."""

    value_range: tuple[float, float] | None
    classes: tuple[str, ...] | None
    ignored: tuple[str, ...]


def read_input(session: Any, file: str) -> tuple[Dims, str, tuple[int, int | None]]:
    """Axes, numpy type and batch range of the one input, which must be a batch of images."""
    inputs = [i for i in session.get_inputs() if not i.type.startswith("optional")]
    if len(inputs) != 1:
        names = one_line(", ".join(i.name for i in inputs))
        raise ModelFileError(f"model file {file} takes {len(inputs)} inputs ({names}), not one")
    source = inputs[0]
    if source.type not in INPUT_TYPES:
        raise ModelFileError(f"model file {file} takes {source.type}, not an image tensor")
    if len(source.shape) != 4:
        raise ModelFileError(
            f"model file {file} takes inputs of {len(source.shape)} axes, not a batch of images"
        )
    fixed, *rest = (axis if isinstance(axis, int) else None for axis in source.shape)
    dims: Dims = (rest[0], rest[1], rest[2])
    return dims, INPUT_TYPES[source.type], (1, None) if fixed is None else (fixed, fixed)


def pick_output(session: Any, file: str) -> LabelOutput:
    """The first output that can carry a label per input; a single class is none."""
    outputs = session.get_outputs()
    for output in outputs:
        found = _as_output(output)
        if found is not None and found.classes == 1:
            raise ModelFileError(
                f"model file {file} scores a single class, so it has no decision boundary to audit"
            )
        if found is not None:
            return found
    seen = one_line(", ".join(f"{o.name} {o.type} {o.shape}" for o in outputs))
    raise ModelFileError(f"model file {file} has no output with one label per input: {seen}")


def _as_output(output: Any) -> LabelOutput | None:
    """``output`` as the label's carrier, or None; an unknown shape ([]) is judged by the reply."""
    rank = len(output.shape)
    width = output.shape[1] if rank > 1 and isinstance(output.shape[1], int) else None
    column = rank < 2 or (rank == 2 and width == 1)
    if output.type == "tensor(string)":
        return LabelOutput(output.name, text=True, classes=None) if column else None
    if output.type in _INTEGERS and column:
        return LabelOutput(output.name, text=False, classes=None)
    if output.type not in _FLOATS | _INTEGERS or rank == 1:
        return None
    if any(axis != 1 for axis in output.shape[2:]):
        return None
    return LabelOutput(output.name, text=False, classes=width)


def read_metadata(session: Any, output: LabelOutput) -> StatedMetadata:
    """``range`` ("lo,hi") and ``classes`` (a JSON list) from the model's metadata. Other tools use
    these keys too, so what cannot be read is reported, not refused.
    """
    found = session.get_modelmeta().custom_metadata_map
    value_range = _range(found.get("range"))
    classes = _classes(found.get("classes"))
    if classes and output.classes is not None and len(classes) != output.classes:
        classes = None
    read = {"range": value_range, "classes": classes}
    ignored = tuple(key for key, value in read.items() if key in found and value is None)
    return StatedMetadata(value_range, classes, ignored)


def _range(text: str | None) -> tuple[float, float] | None:
    try:
        low, high = (float(part) for part in (text or "").split(","))
    except ValueError:
        return None
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low < high else None


def _classes(text: str | None) -> tuple[str, ...] | None:
    try:
        names = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    if not isinstance(names, list) or not 2 <= len(names) <= MAX_CLASSES:
        return None
    if not all(isinstance(name, str) and name.isprintable() for name in names):
        return None
    return tuple(names) if len(set(names)) == len(names) else None
