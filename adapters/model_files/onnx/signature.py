"""The input, the output and the metadata of an ONNX model, as its session states them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from adapters.checks import ONE_NUMBER
from adapters.contract import MAX_CLASSES
from adapters.errors import ModelFileError
from adapters.model_files.loaded_model import TELLING, Dims
from adapters.model_files.ranked import in_words, ranked_pair
from adapters.quoting import one_line

INPUT_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
}
"""ONNX input type -> numpy type."""

WHOLE_TYPES = {"tensor(int8)": "int8", "tensor(int32)": "int32", "tensor(int64)": "int64"}
"""The same of inputs that take 8-bit pixels as other whole numbers."""

_CONSTANTS = {
    **INPUT_TYPES,
    "tensor(bool)": "bool",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}
"""Type of an input beside the pictures -> numpy type."""

_FLOATS = frozenset({"tensor(float)", "tensor(float16)", "tensor(double)"})
_INTEGERS = frozenset(f"tensor({sign}int{bits})" for sign in ("", "u") for bits in (8, 16, 32, 64))
_NUMBERS = _FLOATS | _INTEGERS


@dataclass(frozen=True, slots=True)
class LabelOutput:
    """The model output that carries the label, as class names if ``text``; the first of each row if
    it is ranked by the ``scores`` of another output.
    """

    name: str
    text: bool
    classes: int | None
    scores: str = ""

    @property
    def words(self) -> str:
        """The name, and what ranks its rows."""
        return in_words(self.name, self.scores)


@dataclass(frozen=True, slots=True)
class StatedMetadata:
    """The file's own metadata, and the part of it that could not be used."""

    value_range: tuple[float, float] | None
    classes: tuple[str, ...] | None
    ignored: tuple[str, ...]


def split_inputs(
    session: Any, file: str, stated: Mapping[str, float]
) -> tuple[Any, dict[str, NDArray[Any]]]:
    """The input for pictures, and the values of all others as ``stated``. One that is not stated is
    never guessed: the error proposes a value.
    """
    inputs = [i for i in session.get_inputs() if not i.type.startswith("optional")]
    others = [i for i in inputs if len(i.shape) != 4 and i.type in _CONSTANTS]
    unknown = sorted(set(stated) - {i.name for i in others})
    if unknown:
        raise ModelFileError(
            f"model file {file} has no further input {one_line(unknown[0])!r} to give a constant"
        )
    missing = [i for i in others if i.name not in stated]
    if len(inputs) - len(others) != 1 or (missing and len(inputs) == 1):
        names = one_line(", ".join(i.name for i in inputs))
        if len(inputs) != 1:
            raise ModelFileError(f"model file {file} takes {len(inputs)} inputs ({names}), not one")
        return inputs[0], {}
    if missing:
        names = one_line(", ".join(i.name for i in inputs))
        proposed = " ".join(f"--input-constant {one_line(i.name)}={_likely(i)}" for i in missing)
        raise ModelFileError(
            f"model file {file} takes {len(inputs)} inputs ({names}), not one: state the others, "
            f"for example {proposed}"
        )
    source = next(i for i in inputs if i not in others)
    return source, {i.name: _constant(i, stated[i.name]) for i in others}


def _likely(source: Any) -> str:
    """A value to propose for an input beside the pictures, by its name and type."""
    if "thresh" in source.name.lower() or "score" in source.name.lower():
        return "0.5"
    return "0" if _CONSTANTS[source.type].startswith(("int", "bool", "uint")) else "1.0"


def _constant(source: Any, value: float) -> NDArray[Any]:
    shape = [axis if isinstance(axis, int) else 1 for axis in source.shape]
    return np.full(shape, value, dtype=_CONSTANTS[source.type])


def read_input(source: Any, file: str) -> tuple[Dims, str, tuple[int, int | None]]:
    """Axes, numpy type and batch range of the input ``source``, which must be a batch of images;
    one of whole numbers takes pixels.
    """
    if source.type not in {*INPUT_TYPES, *WHOLE_TYPES}:
        raise ModelFileError(f"model file {file} takes {source.type}, not an image tensor")
    if len(source.shape) != 4:
        axes = f"takes inputs of {len(source.shape)} axes, not a batch of images"
        raise ModelFileError(
            f"model file {file} {axes if source.shape else 'does not state the shape of its input'}"
            ": export it for inputs (n, c, h, w) or (n, h, w, c)"
        )
    # Some exporters write 0 or -1 for an axis that is open.
    fixed, *rest = (a if isinstance(a, int) and a > 0 else None for a in source.shape)
    dims: Dims = (rest[0], rest[1], rest[2])
    batch = (1, None) if fixed is None else (fixed, fixed)
    return dims, INPUT_TYPES.get(source.type, "uint8"), batch


def pick_output(
    session: Any, file: str, wanted: str = "", *, single: bool = False
) -> tuple[LabelOutput, list[str]]:
    """The output that carries a label per input, and the names of others that may: the one
    ``wanted``, else the first with a telling name, else the first. A single class is no label,
    unless a ``single`` number is read against a threshold.
    """
    outputs = session.get_outputs()
    named = [o for o in outputs if o.name == wanted] if wanted else outputs
    found = [(o, _as_output(o, single=single)) for o in named]
    usable = [carried for _, carried in found if carried is not None]
    if not usable or usable == [one for one in usable if one.classes == 1]:
        _refuse_outputs(outputs, file, wanted, single=bool(usable))
    usable = [one for one in usable if one.classes != 1]
    picked = usable[0]
    if picked.classes is not None and not wanted and not TELLING.search(picked.name):
        picked = next((one for one in usable if TELLING.search(one.name)), picked)
    picked = _ranked(outputs, picked, wanted)
    own = {picked.name, picked.scores}
    rest = [_as_output(o) for o in outputs]
    others = [o.name for o in rest if o is not None and o.name not in own and o.classes != 1]
    return picked, [one_line(name) for name in others]


def _ranked(outputs: Sequence[Any], picked: LabelOutput, wanted: str) -> LabelOutput:
    """``picked``, or the class numbers of a top-k pair that it belongs to; scores that are
    ``wanted`` by name are scores of every class.
    """
    kinds = {o.name: "f" if o.type in _FLOATS else "i" for o in outputs if o.type in _NUMBERS}
    shapes = {o.name: (kinds[o.name], o.shape) for o in outputs if o.name in kinds}
    pair = ranked_pair(shapes, picked.name, wanted)
    return LabelOutput(pair[1], text=False, classes=None, scores=pair[0]) if pair else picked


def _refuse_outputs(outputs: Sequence[Any], file: str, wanted: str, *, single: bool) -> NoReturn:
    if single:
        raise ModelFileError(f"model file {file} {ONE_NUMBER}")
    seen = one_line(", ".join(f"{o.name} {o.type} {o.shape}" for o in outputs)) or "it has none"
    if "map(" in seen:  # as skl2onnx writes probabilities
        seen += "; export the label or a table of scores: options={'zipmap': False}"
    which = f"output {one_line(wanted)!r}" if wanted else "output"
    raise ModelFileError(f"model file {file} has no {which} with one label per input: {seen}")


def _as_output(output: Any, *, single: bool = False) -> LabelOutput | None:
    """``output`` as the label's carrier, or None; an unknown shape ([]) is judged by the reply, and
    so is a ``single`` number.
    """
    rank = len(output.shape)
    width = output.shape[1] if rank > 1 and isinstance(output.shape[1], int) else None
    column = rank < 2 or (rank == 2 and width == 1)
    if output.type == "tensor(string)":
        return LabelOutput(output.name, text=True, classes=None) if column else None
    if output.type in _INTEGERS and column:
        return LabelOutput(output.name, text=False, classes=None)
    if output.type in _FLOATS and column and single:
        return LabelOutput(output.name, text=False, classes=None)
    if output.type not in _NUMBERS or rank == 1:
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
