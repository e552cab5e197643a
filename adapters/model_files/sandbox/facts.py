"""Reads what a model file's process says about its model. Nothing of it is believed unchecked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from adapters.contract import MAX_CLASSES
from adapters.model_files.loaded_model import ModelFacts
from adapters.quoting import one_line

MAX_AXIS = 1 << 20
MAX_NAME = 1000
_DTYPES = ("float32", "float16", "float64", "uint8")
_FORMATS = (
    "onnx",
    "TorchScript",
    "torch.export",
    "keras",
    "tflite",
    "SavedModel",
    "timm",
    "transformers",
)
_MAX_ITEMS, _MAX_DEPTH = 200, 4


def read_facts(data: bytes) -> tuple[ModelFacts, int]:
    """The facts that ``data`` states, and Landlock's version around the process; or ValueError."""
    try:
        stated = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError("its facts are not JSON") from error
    if not isinstance(stated, Mapping):
        raise ValueError("its facts are no object")  # noqa: TRY004 - one kind of error for all
    names, value_range, description = (
        stated.get(k) for k in ("names", "value_range", "description")
    )
    if not isinstance(description, dict):
        raise ValueError("its description is no object")  # noqa: TRY004 - as above
    dims = [None if a is None else _whole(a, 1, MAX_AXIS) for a in _list(stated.get("dims"), 3, 3)]
    facts = ModelFacts(
        dims=(dims[0], dims[1], dims[2]),
        dtype=_one_of(stated.get("dtype"), _DTYPES),
        batch=_batch(stated.get("batch")),
        layout=_one_of(stated.get("layout"), (None, "NCHW", "NHWC")),
        value_range=None if value_range is None else _range(value_range),
        names=None if names is None else read_names(names),
        classes=None if stated.get("classes") is None else _whole(stated["classes"], 2, 1 << 62),
        text=_one_of(stated.get("text"), (True, False)),
        format=_one_of(stated.get("format"), _FORMATS),
        identity=one_line(stated.get("identity")),
        description=_clean(description, 0),
        mean=_channels(stated.get("mean")),
        std=_channels(stated.get("std")),
        shape=_usual_shape(stated.get("shape")),
    )
    return facts, _whole(stated.get("landlock"), 1, 1000)


def read_names(value: Any) -> tuple[str, ...]:
    """Class names: text, not empty, of bounded length, each only once; or ValueError."""
    names = _list(value, 0, MAX_CLASSES)
    for name in names:
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME:
            raise ValueError("a class name is no text, empty or too long")
        name.encode()  # a lone surrogate is a UnicodeEncodeError, which is a ValueError
    if len(set(names)) != len(names):
        raise ValueError("two classes have one name")
    return tuple(names)


def _list(value: Any, least: int, most: int) -> list[Any]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise ValueError("a list is missing or of the wrong length")
    return value


def _whole(value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError("a number is missing or out of range")
    return value


def _batch(value: Any) -> tuple[int, int | None]:
    fewest, most = _list(value, 2, 2)
    low = _whole(fewest, 1, MAX_AXIS)
    return low, None if most is None else _whole(most, low, 1 << 62)


def _range(value: Any) -> tuple[float, float]:
    low, high = (float(part) for part in _list(value, 2, 2))
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError("a value range is empty")
    return low, high


def _channels(value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    numbers = tuple(float(part) for part in _list(value, 1, 4))
    if not all(map(math.isfinite, numbers)):
        raise ValueError("a mean or deviation is no number")
    return numbers


def _usual_shape(value: Any) -> tuple[int, int, int] | None:
    if value is None:
        return None
    c, h, w = (_whole(axis, 1, MAX_AXIS) for axis in _list(value, 3, 3))
    return c, h, w


def _one_of(value: Any, known: tuple[Any, ...]) -> Any:
    if value not in known:
        raise ValueError("a word is not one of those known")
    return value


def _clean(value: Any, depth: int) -> Any:
    """A JSON value with every text on one short line, and nothing large or deep."""
    if depth > _MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        pairs = list(value.items())[:_MAX_ITEMS]
        return {one_line(key): _clean(item, depth + 1) for key, item in pairs}
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value[:_MAX_ITEMS]]
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) < 1 << 63):
        return value
    if value is None or (isinstance(value, int | float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, float) else one_line(value)
