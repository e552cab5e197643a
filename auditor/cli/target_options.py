"""From command-line options to a target description; nothing is opened here."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import Any

from adapters.errors import TargetError
from adapters.target.description import Target
from adapters.target.parse import (
    TARGET_FILE,
    model_kind,
    read_target_file,
    refuse_secrets,
    target_from_table,
    with_fields,
)
from adapters.target.presets import over, preset_table
from auditor.cli.options import SampleOptions, TargetOptions
from auditor.cli.settings import described_target
from auditor.errors import UsageError
from auditor.samples.load import MAX_PIXELS, read_class_names
from auditor.samples.samples import Samples, whole_number


def build_target(options: TargetOptions) -> Target:
    """The target that ``options`` describe.

    Where they name none, ``xray-audit-target.toml`` in this folder counts, else the ``[target]``
    table of the settings.

    Raises:
        UsageError: none or several of --endpoint, --model and --target, or a malformed value.
        TargetError: the description does not say what it must.
    """
    if options.input_file is not None or options.labels_file is not None:
        return _by_files(options)
    stated = over(_where(options), _given(options))
    source, table = _described(options)
    try:
        target = target_from_table(table, stated, vouched=options.trust_model_file)
    except TargetError as error:
        raise TargetError(f"{source}: {error}" if source else str(error)) from error
    return dataclasses.replace(target, source=source)


def stated_table(options: TargetOptions) -> dict[str, Any]:
    """All that flags and files state, in the shape of a description.

    Raises:
        UsageError: see :func:`build_target`.
        TargetError: see :func:`build_target`; a URL with a key in it, too, since what is made of
            this is written to files.
    """
    _, table = _described(options)
    stated = over(over(table, _where(options)), _given(options))
    refuse_secrets(stated)
    return stated


def _where(options: TargetOptions) -> dict[str, Any]:
    named = [n for n in ("endpoint", "model", "target") if getattr(options, n) is not None]
    if len(named) > 1:
        said = " and ".join(f"--{name}" for name in named)
        raise UsageError(f"name the model by one of --endpoint, --model or --target, not {said}")
    if options.endpoint is not None:
        return {"url": options.endpoint}
    if options.model is None:
        return {}
    if not _is_file(options.model):
        raise UsageError(f"there is no model file {options.model}")
    if model_kind(str(options.model)) is None:
        raise UsageError(
            f"{options.model} is of no known kind: expected a file ending in .onnx, .pt, .pt2, .ts"
        )
    return {"model": str(options.model)}


def _described(options: TargetOptions) -> tuple[str, dict[str, Any]]:
    """The description and the file it stands in: the one named, the one here, the settings'."""
    if options.target is not None:
        return str(options.target), read_target_file(options.target)
    if options.endpoint is not None or options.model is not None:
        return "", {}
    if options.preset is not None and "url" in preset_table(options.preset.split(",")):
        return "", {}
    if _is_file(TARGET_FILE):
        return str(TARGET_FILE), read_target_file(TARGET_FILE)
    found = described_target()
    if found is not None:
        return str(found[0]), found[1]
    raise UsageError(
        "name the model by one of --endpoint, --model, --target or --input-file, or describe it "
        f"in {TARGET_FILE} (xray-audit check URL --write {TARGET_FILE} makes one)"
    )


def _given(options: TargetOptions) -> dict[str, Any]:
    """What the flags say, in the shape of a description."""
    said: dict[str, dict[str, Any]] = {
        "input": {"layout": options.layout, "encoding": options.encoding, **_lists(options)},
        "batch": {"max": options.batch},
        "response": {},
        "limits": {
            "timeout": options.timeout,
            "model_timeout": options.timeout,
            "model_memory": options.model_memory,
        },
        "": {
            "access": options.access,
            "protocol": options.protocol,
            "preset": options.preset and options.preset.split(","),
            "device": options.device,
            "threads": options.threads,
        },
    }
    if options.classes is not None:
        said["response"]["classes"] = read_class_names(options.classes)
    stated = {
        table: {
            k: str(v) if isinstance(v, StrEnum) else v for k, v in fields.items() if v is not None
        }
        for table, fields in said.items()
    }
    return {**stated.pop(""), **{table: fields for table, fields in stated.items() if fields}}


def fit_to_samples(target: Target, samples: Samples) -> Target:
    """``target`` with the samples' own shape where it is asked by files and states none."""
    if target.kind != "files" or target.shape is not None:
        return target
    channels, height, width = samples.images.shape[1:]
    return dataclasses.replace(target, shape=(channels, height, width))


def _by_files(options: TargetOptions) -> Target:
    """The target that somebody else's batch job asks.

    Raises:
        UsageError: another way to reach it is named too, or an option that only asking needs.
    """
    if options.input_file is None:
        raise UsageError("--labels-file belongs to --input-file: name both")
    asking = ("endpoint", "model", "target", "preset", "protocol", "device", "threads", "timeout")
    for name in asking:
        if getattr(options, name) is not None:
            raise UsageError(f"--{name} asks a model, and --input-file asks none: drop one of them")
    said = _given(options)
    fields = {**said.get("input", {}), **said.get("response", {})}
    if "range" in fields:
        fields["value_range"] = fields.pop("range")
    # Pictures are 8-bit, so their access mode needs no saying.
    pictures = {} if options.input_file.suffix == ".npz" else {"access": "image"}
    fields = {**pictures, **fields, **{k: v for k, v in said.items() if k == "access"}}
    if options.labels_file is not None:
        fields["labels_file"] = str(options.labels_file)
    return with_fields(Target("files", str(options.input_file)), fields)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:  # a folder we may not enter, a name too long
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _lists(options: TargetOptions) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if options.range is not None:
        given["range"] = _numbers("--range", options.range, 2)
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
