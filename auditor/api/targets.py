"""The targets that the Python API takes."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.contract import LabelOracle
from adapters.function import Classify, FunctionOracle
from adapters.target import Target, read_description, read_target, with_fields
from auditor.errors import UsageError
from auditor.samples.samples import Samples, whole_number
from auditor.workflows.targets import (
    CONCURRENCY,
    SAME_AGAIN,
    LocatedTarget,
    locate,
    located,
    stated_model,
)

AnyTarget = str | Path | Target | LabelOracle | Classify

FIELDS = frozenset(entry.name for entry in dataclasses.fields(Target)) - {"kind", "location"}
"""Options that describe a target."""


def locate_any(
    target: AnyTarget, samples: Samples, described: Mapping[str, Any], name: str | None
) -> LocatedTarget:
    """The model that ``target`` stands for; nothing is opened yet.

    Args:
        target: a function, a URL, a path, a description or an open oracle.
        samples: a function's inputs have their shape unless one is stated.
        described: fields of the target's description.
        name: identity of the model that a function asks.

    Raises:
        UsageError: it is no target, or an option does not fit it.
        TargetError: the description cannot work.
    """
    if isinstance(target, LabelOracle):
        if described or name is not None:
            option = next(iter(described), "name")
            raise UsageError(f"{option} cannot be changed any more on an open oracle")
        return located(target)
    if isinstance(target, str | Path | Target):
        if name is not None:
            raise UsageError("name is for functions: a URL or file says itself which model it is")
        base = target if isinstance(target, Target) else _read(target)
        return locate(with_fields(base, described), samples)
    if not callable(target):
        raise UsageError(
            f"a {type(target).__name__} is no target: give a function from images to labels, a "
            "URL, a path, a Target or an open oracle"
        )
    return _locate_function(target, samples, described, name)


def _read(target: str | Path) -> Target:
    """The target of a URL, a description file or a model file."""
    text = str(target)
    if "://" in text:
        return read_target({"url": text})
    if text.endswith(".toml"):
        return read_target(read_description(Path(target)), source=text)
    return read_target({"model": stated_model(Path(target))})


def _locate_function(
    function: Classify, samples: Samples, described: Mapping[str, Any], name: str | None
) -> LocatedTarget:
    identity = name or f"unnamed {uuid.uuid4().hex[:12]}"
    shape = described.get("shape", samples.images.shape[1:])
    target = with_fields(Target("function", "a function"), {**described, "shape": tuple(shape)})
    # Such samples name their classes, so a function without a list of classes does too.
    named = any(whole_number(one) is None for one in samples.class_order)

    async def opening() -> LabelOracle:
        return FunctionOracle(function, target, identity, named=named)

    continues = SAME_AGAIN if name else f"name={identity!r} in the same call continues it"
    return LocatedTarget(opening, target.access, CONCURRENCY[target.kind], target, continues)
