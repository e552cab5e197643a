"""A timm model: its mean, deviation, size and crop are read from its ``pretrained_cfg``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from adapters.contract import Fit
from adapters.model_files.loaded_model import ModelFacts
from adapters.objects.torch import TorchObject


def read(model: Any) -> TorchObject:
    """``model``, made by ``timm.create_model``, as an object that answers."""
    found = TorchObject(model)
    stated = model.pretrained_cfg
    config = dict(stated) if isinstance(stated, Mapping) else vars(stated)
    found.facts, found.fit = with_config(found.facts, config)
    classes = getattr(model, "num_classes", None)
    if isinstance(classes, int) and classes > 1:
        found.facts = replace(found.facts, classes=classes)
    return found


def with_config(facts: ModelFacts, config: Mapping[str, Any]) -> tuple[ModelFacts, Fit | None]:
    """``facts`` with what a ``pretrained_cfg`` states, and the fit that it names."""
    mean, std = config.get("mean"), config.get("std")
    size = config.get("input_size")
    shape = (int(size[0]), int(size[1]), int(size[2])) if size else None
    fit: Fit = "crop" if config.get("crop_mode", "center") != "squash" else "squash"
    kept = ("architecture", "input_size", "crop_pct", "crop_mode", "interpolation", "mean", "std")
    said = {key: config[key] for key in kept if config.get(key) is not None}
    facts = replace(
        facts,
        dims=shape if shape and config.get("fixed_input_size") else facts.dims,
        shape=shape,
        mean=tuple(map(float, mean)) if mean and std else None,
        std=tuple(map(float, std)) if mean and std else None,
        value_range=(0.0, 1.0) if mean and std else None,
        description={**facts.description, "library": "timm", "preprocessing": said},
    )
    return facts, fit
