"""From command-line options to the one table that describes a target; nothing is opened here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from adapters.contract import Fit
from adapters.spans import read_span
from adapters.target import (
    TARGET_FILE,
    Target,
    over,
    preset_table,
    read_description,
    read_target,
    refuse_secrets,
)
from auditor.cli.options import SampleOptions, TargetOptions
from auditor.cli.settings import described_target
from auditor.errors import UsageError
from auditor.samples.class_list import read_class_names
from auditor.samples.pictures import MAX_PIXELS
from auditor.samples.samples import whole_number
from auditor.workflows.targets import is_file, stated_model

Table = dict[str, Any]


def build_target(options: TargetOptions, stated: tuple[Table, str] | None = None) -> Target:
    """The target that ``options`` describe.

    If they name none, the description ``stated`` and its source count, or without it
    ``xray-audit-target.toml`` in this folder, else the ``[target]`` table of the settings.

    Raises:
        UsageError: none or several of --endpoint, --model and --target, or a malformed value.
        TargetError: the description does not say what it must.
    """
    table, source = _table(options, stated)
    return read_target(table, source=source, vouched=options.trust_model_file)


def stated_table(options: TargetOptions) -> Table:
    """Everything that flags and files state, in the shape of a description.

    Raises:
        UsageError: see :func:`build_target`.
        TargetError: see :func:`build_target`; or a URL holds a key, and this goes into files.
    """
    table, _ = _table(options)
    refuse_secrets(table)
    return table


def _table(options: TargetOptions, stated: tuple[Table, str] | None = None) -> tuple[Table, str]:
    """The table that flags and description give together, and the description's file."""
    if options.input_file is not None or options.labels_file is not None:
        return _exchange(options), ""
    flagged = over(_address(options), _given(options))
    described, source = _described(options) if stated is None else stated
    return over(described, flagged), source


def _address(options: TargetOptions) -> Table:
    named = [n for n in ("endpoint", "model", "target") if getattr(options, n) is not None]
    if len(named) > 1:
        flags = " and ".join(f"--{name}" for name in named)
        raise UsageError(f"name the model by one of --endpoint, --model or --target, not {flags}")
    if options.endpoint is not None:
        return {"url": options.endpoint}
    if options.model is None:
        return {}
    for name in ("preset", "protocol"):
        if getattr(options, name) is not None:
            raise UsageError(f"--{name} is of prediction APIs, not of --model: drop one of them")
    return {"model": stated_model(options.model)}


def _described(options: TargetOptions) -> tuple[Table, str]:
    """The description and the file it stands in: the one named, the one here, the settings'."""
    if options.target is not None:
        return read_description(options.target), str(options.target)
    if options.endpoint is not None or options.model is not None:
        return {}, ""
    if options.preset is not None and "url" in preset_table(options.preset.split(",")):
        return {}, ""
    if is_file(TARGET_FILE):
        return read_description(TARGET_FILE), str(TARGET_FILE)
    found = described_target()
    if found is not None:
        refuse_secrets(found[1], str(found[0]))
        return found[1], str(found[0])
    raise UsageError(
        "name the model by one of --endpoint, --model, --target or --input-file, or describe it "
        f"in {TARGET_FILE} (xray-audit check URL --write {TARGET_FILE} makes one)"
    )


def _given(options: TargetOptions) -> Table:
    """The flags beside the address, in the shape of a description."""
    flags: dict[str, dict[str, Any]] = {
        "input": {
            "layout": options.layout,
            "encoding": options.encoding,
            "recoded": options.recoded,
            **_lists(options),
        },
        "batch": {"max": options.batch},
        "response": {},
        "limits": {
            "timeout": options.timeout,
            "model_timeout": options.timeout,
            "model_memory": options.model_memory,
            "patience": _patience(options),
        },
        "": {
            "access": options.access,
            "protocol": options.protocol,
            "proxy": options.proxy,
            "preset": options.preset and options.preset.split(","),
            "device": options.device,
            "threads": options.threads,
        },
    }
    if options.classes is not None:
        flags["response"]["classes"] = read_class_names(options.classes)
    if options.output_name is not None:
        flags["response"]["path"] = options.output_name
    if options.threshold is not None:
        flags["response"] |= {"kind": "binary", "threshold": options.threshold}
    if options.input_constant is not None:
        flags["input"]["constants"] = _constants(options.input_constant)
    stated = {
        table: {name: value for name, value in fields.items() if value is not None}
        for table, fields in flags.items()
    }
    return {**stated.pop(""), **{table: fields for table, fields in stated.items() if fields}}


def _exchange(options: TargetOptions) -> Table:
    """The table of a target that another party's batch job asks.

    Raises:
        UsageError: another way to reach it is named too, or an option that only asking needs.
    """
    if options.input_file is None:
        raise UsageError("--labels-file belongs to --input-file: name both")
    asking = (
        "endpoint", "model", "target", "preset", "protocol", "proxy", "device", "threads",
        "timeout", "patience",
    )  # fmt: skip
    for name in asking:
        if getattr(options, name) is not None:
            raise UsageError(f"--{name} asks a model, and --input-file asks none: drop one of them")
    labels = {} if options.labels_file is None else {"labels_file": str(options.labels_file)}
    return {**_given(options), "input_file": str(options.input_file), **labels}


def _patience(options: TargetOptions) -> float | None:
    """Seconds of ``--patience``.

    Raises:
        UsageError: it is no span of time above 0.
    """
    if options.patience is None:
        return None
    seconds = read_span(options.patience)
    if not seconds or seconds < 0:
        said = f"--patience is {options.patience!r}, it must be above 0 seconds"
        raise UsageError(f"{said} or a span of time such as 90s, 5m or 1h30m")
    return seconds


def _lists(options: TargetOptions) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, count in {"range": 2, "mean": None, "std": None, "shape": 3}.items():
        text = getattr(options, name)
        if text is not None:
            given[name] = _numbers(f"--{name}", text, count)
    if "shape" in given:
        shape = given["shape"]
        if any(not value.is_integer() or value < 1 for value in shape):
            raise UsageError(f"--shape is {options.shape!r}, it must be whole numbers like 3,32,32")
        given["shape"] = [int(value) for value in shape]
    return given


def _constants(text: str) -> dict[str, float]:
    found = {}
    for part in text.split(","):
        name, stated, value = part.rpartition("=")
        if not (stated and name.strip()):
            raise UsageError(f"--input-constant is {text!r}, it must be NAME=VALUE, like flag=0")
        found[name.strip()] = _numbers("--input-constant", value, 1)[0]
    return found


def _numbers(flag: str, text: str, count: int | None = None) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"{flag} is {text!r}, it must be numbers separated by commas") from error
    if count is not None and len(numbers) != count:
        raise UsageError(f"{flag} is {text!r}, it must be {count} numbers separated by commas")
    return numbers


def framing_of(
    options: SampleOptions, described: Mapping[str, Any], *, sized: bool = True
) -> tuple[tuple[int, int] | None, Fit | None, str]:
    """Size, fit and background of the samples: the options' over those of a description's
    ``[input]``. Unless ``sized``, a fit may come without the size that it leads to.

    Raises:
        UsageError: such a fit.
    """
    size, fit = resize_to(options), options.fit or described.get("fit")
    background = options.background or described.get("background") or "white"
    shape = described.get("shape")
    if fit is not None and size is None and shape is not None:
        size = (int(shape[1]), int(shape[2]))
    if fit is not None and size is None and sized:
        raise UsageError(f"--fit {fit} is the way to another size: state it with --resize HxW")
    return size, None if fit is None else cast("Fit", str(fit)), background


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
