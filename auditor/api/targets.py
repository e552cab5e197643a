"""The targets that the Python API takes."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.contract import LabelOracle
from adapters.function import Classify, FunctionOracle
from adapters.objects.model_object import ModelObject
from adapters.objects.open import open_object, read_object
from adapters.target import Target, read_description, read_target, with_fields
from auditor.errors import UsageError
from auditor.samples.samples import Samples, whole_number
from auditor.workflows.targets import (
    CONCURRENCY,
    LOCAL_CONCURRENCY,
    SAME_AGAIN,
    LocatedTarget,
    locate,
    located,
    stated_model,
)

AnyTarget = str | Path | Target | LabelOracle | Classify | Any
"""Any: a model object of a library, or a pair of one of transformers and its processor."""

_OF_FILES = ("device", "threads", "trust_model_file")
"""Options that a model object settles itself."""

FIELDS = frozenset(entry.name for entry in dataclasses.fields(Target)) - {"kind", "location"}
"""Options that describe a target."""


def read_model(target: AnyTarget) -> ModelObject | None:
    """``target`` as a model object of a library that is known here; None for any other target.

    Raises:
        TargetError: it is an object of such a library, and no image classifier.
    """
    if isinstance(target, str | Path | Target | LabelOracle):
        return None
    return read_object(target)


def sample_shape(model: ModelObject, described: Mapping[str, Any]) -> Mapping[str, Any]:
    """``described`` with the shape and fit of pictures that ``model`` states."""
    facts = model.facts
    last = facts.layout == "NHWC" and described.get("layout") != "NCHW"
    dims = (facts.dims[2], facts.dims[0], facts.dims[1]) if last else facts.dims
    shape = facts.shape if facts.shape is not None or None in dims else dims
    usual = {"shape": shape, "fit": model.fit} if shape is not None else {}
    return {**{name: value for name, value in usual.items() if value is not None}, **described}


def locate_any(
    target: AnyTarget,
    samples: Samples,
    described: Mapping[str, Any],
    name: str | None,
    model: ModelObject | None = None,
) -> LocatedTarget:
    """The model that ``target`` stands for; nothing is opened yet.

    Args:
        target: a function, a URL, a path, a description, an open oracle, or what ``model`` is of.
        samples: a function's inputs have their shape unless one is stated.
        described: fields of the target's description.
        name: identity of the model that a function asks, or of a model object.
        model: the target as :func:`read_model` read it.

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
            raise UsageError(
                "name is for functions and model objects: a URL or file says itself which model "
                "it is"
            )
        base = target if isinstance(target, Target) else _read(target)
        return locate(with_fields(base, described), samples)
    if model is not None:
        return _locate_object(model, samples, described, name)
    if not callable(target):
        raise UsageError(
            f"a {type(target).__name__} is no target: give a function from images to labels, a "
            "URL, a path, a Target, an open oracle, or a model of torch, timm, transformers, "
            "Keras, scikit-learn or ONNX Runtime"
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


def _locate_object(
    model: ModelObject, samples: Samples, described: Mapping[str, Any], name: str | None
) -> LocatedTarget:
    for option in _OF_FILES:
        if option in described:
            raise UsageError(f"{option} is for model files: a model object is asked as it is")
    identity, continues = _identity(name)
    usual = dict(sample_shape(model, described))
    fields = {"shape": tuple(samples.images.shape[1:]), **usual}
    # A model that is open to any size is asked at that of the samples.
    if "shape" not in described and None in model.facts.dims:
        fields["shape"] = (fields["shape"][0], *samples.images.shape[2:])
    target = with_fields(Target("object", "a model object"), fields)

    async def opening() -> LabelOracle:
        return await open_object(model, target, identity)

    return LocatedTarget(opening, target.access, LOCAL_CONCURRENCY, target, continues)


def _identity(name: str | None) -> tuple[str, str]:
    """Identity of a model that ``name`` stands for, and the way to continue its audit."""
    identity = name or f"unnamed {uuid.uuid4().hex[:12]}"
    return identity, SAME_AGAIN if name else f"name={identity!r} in the same call continues it"


def _locate_function(
    function: Classify, samples: Samples, described: Mapping[str, Any], name: str | None
) -> LocatedTarget:
    identity, continues = _identity(name)
    shape = described.get("shape", samples.images.shape[1:])
    target = with_fields(Target("function", "a function"), {**described, "shape": tuple(shape)})
    # Such samples name their classes, so a function without a list of classes does too.
    named = any(whole_number(one) is None for one in samples.class_order)

    async def opening() -> LabelOracle:
        return FunctionOracle(function, target, identity, named=named)

    return LocatedTarget(opening, target.access, CONCURRENCY[target.kind], target, continues)
