"""From command-line options to a target description; nothing is opened here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adapters.target import Target
from adapters.target_file import read_target_file, target_from_table
from auditor.errors import UsageError
from auditor.options import SampleOptions, TargetOptions
from auditor.samples import MAX_PIXELS, read_class_names, whole_number

KINDS = {".onnx": "onnx", ".pt": "torchscript", ".pt2": "torchscript", ".ts": "torchscript"}


def build_target(options: TargetOptions) -> Target:
    """The target that ``options`` describe.

    Raises:
        UsageError: none or several of --endpoint, --model and --target, or a malformed value.
        TargetError: the target file does not say what it must.
    """
    table = target_table(options)
    plain = ("access", "layout", "encoding", "device", "threads", "batch")
    given: dict[str, Any] = {
        name: str(value) if name in {"access", "layout"} else value
        for name in plain
        if (value := getattr(options, name)) is not None
    }
    given.update(_lists(options))
    if options.classes is not None:
        given["classes"] = read_class_names(options.classes)
    if options.trust_model_file:
        given["trust_model_file"] = True
    http: dict[str, Any] = {}
    if options.protocol is not None:
        http["protocol"] = str(options.protocol)
    if options.timeout is not None:
        http["timeout_s"] = options.timeout
    return target_from_table(table, {**given, **({"http": http} if http else {})})


def target_table(options: TargetOptions) -> dict[str, Any]:
    """The target's kind and location, and all that a target file says about it.

    Raises:
        UsageError: none or several of --endpoint, --model and --target, or no such model file.
        TargetError: the target file cannot be read.
    """
    named = [n for n in ("endpoint", "model", "target") if getattr(options, n) is not None]
    if len(named) != 1:
        said = " and ".join(f"--{name}" for name in named) or "none"
        raise UsageError(f"name the model by one of --endpoint, --model or --target, not {said}")
    if options.endpoint is not None:
        return {"kind": "http", "location": options.endpoint}
    if options.target is not None:
        return {"kind": "http", **read_target_file(options.target)}
    assert options.model is not None
    if not _is_file(options.model):
        raise UsageError(f"there is no model file {options.model}")
    kind = KINDS.get(options.model.suffix.lower())
    if kind is None:
        known = ", ".join(KINDS)
        raise UsageError(f"{options.model} is of no known kind: expected a file ending in {known}")
    return {"kind": kind, "location": str(options.model)}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:  # a folder we may not enter, a name too long
        raise UsageError(f"--model {path} cannot be read: {error.strerror}") from error


def _lists(options: TargetOptions) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if options.range is not None:
        given["value_range"] = _numbers("--range", options.range, 2)
    if options.mean is not None:
        given["mean"] = _numbers("--mean", options.mean)
    if options.std is not None:
        given["std"] = _numbers("--std", options.std)
    if options.shape is not None:
        shape = _numbers("--shape", options.shape, 3)
        if any(not value.is_integer() or value < 1 for value in shape):
            raise UsageError(f"--shape is {options.shape!r}, it must be whole numbers like 3,32,32")
        given["shape"] = [int(value) for value in shape]
    return given


def _numbers(flag: str, text: str, count: int | None = None) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"{flag} is {text!r}, it must be numbers separated by commas") from error
    if count is not None and len(numbers) != count:
        raise UsageError(f"{flag} is {text!r}, it must be {count} numbers separated by commas")
    return numbers


def resize_to(options: SampleOptions) -> tuple[int, int] | None:
    """``(height, width)`` from ``--resize HxW``.

    Raises:
        UsageError: written differently.
    """
    if options.resize is None:
        return None
    sides = [whole_number(part) or 0 for part in options.resize.lower().split("x")]
    if len(sides) != 2 or min(sides) < 1:
        raise UsageError(f"--resize is {options.resize!r}, it must be HxW, for example 32x32")
    if sides[0] * sides[1] > MAX_PIXELS:
        raise UsageError(f"--resize {options.resize} asks for more than {MAX_PIXELS} pixels")
    return sides[0], sides[1]
