"""An image classifier of transformers: a pipeline, or a model with or without its processor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from adapters.contract import Fit
from adapters.errors import TargetError
from adapters.model_files.loaded_model import ModelFacts
from adapters.objects.torch import TorchObject

_UNNAMED = re.compile(r"LABEL_\d+")


def read(model: Any) -> TransformersObject:
    """``model``, a pipeline, a model, or a pair of a model and its processor, as an object that
    answers. Raises TargetError for a pipeline of another task.
    """
    processor = None
    if isinstance(model, tuple):
        if len(model) != 2:
            raise TargetError(
                f"a tuple of {len(model)} is no model: give (model, processor), as transformers "
                "loads them"
            )
        model, processor = model
    elif hasattr(model, "task"):
        if model.task != "image-classification":
            raise TargetError(
                f"the pipeline's task is {model.task!r}: an audit takes 'image-classification'"
            )
        model, processor = model.model, model.image_processor
    found = TransformersObject(model)
    config = model.config.to_dict()
    stated = {} if processor is None else processor.to_dict()
    found.facts, found.fit = with_configs(found.facts, config, stated)
    return found


class TransformersObject(TorchObject):
    """A model of transformers on torch."""

    def call(self, pixels: Any) -> Any:
        """The scores of ``pixels``; other outputs stay out of sight."""
        reply = self._model(pixels)
        return reply.logits if hasattr(reply, "logits") else reply


def with_configs(
    facts: ModelFacts, config: Mapping[str, Any], processor: Mapping[str, Any]
) -> tuple[ModelFacts, Fit | None]:
    """``facts`` with what ``config.json`` and ``preprocessor_config.json`` state, and the fit."""
    shape, fit = size_of(config, processor)
    names = label_names(config)
    fields: dict[str, Any] = {"names": names, "classes": len(names) if names else None}
    if processor:
        scale = float(processor.get("rescale_factor") or 1 / 255)
        top = round(255 * scale, 9) if processor.get("do_rescale", True) else 255.0
        fields["value_range"] = (0.0, top)
        if processor.get("do_normalize", True) and processor.get("image_mean"):
            fields["mean"] = tuple(map(float, processor["image_mean"]))
            fields["std"] = tuple(map(float, processor["image_std"]))
    said = {key: processor[key] for key in ("size", "crop_size", "resample") if processor.get(key)}
    description = {**facts.description, "library": "transformers", "preprocessing": said}
    return replace(facts, shape=shape, description=description, **fields), fit


def size_of(
    config: Mapping[str, Any], processor: Mapping[str, Any]
) -> tuple[tuple[int, int, int] | None, Fit | None]:
    """Shape of one input, and the way to it: ``crop`` where a centre is cut out."""
    channels = int(config.get("num_channels") or 3)
    size, crop = processor.get("size") or {}, processor.get("crop_size") or {}
    cropped = bool(processor.get("do_center_crop")) and bool(crop)
    wanted = crop if cropped else size
    if isinstance(wanted, int):
        wanted = {"height": wanted, "width": wanted}
    height = wanted.get("height") or wanted.get("shortest_edge")
    width = wanted.get("width") or wanted.get("shortest_edge")
    if not (height and width):
        side = config.get("image_size")
        height, width = (side, side) if isinstance(side, int) else (side or (None, None))
    if not (height and width):
        return None, None
    fit: Fit = "crop" if cropped or "shortest_edge" in wanted else "squash"
    return (channels, int(height), int(width)), fit if processor else None


def label_names(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Class names by index from ``id2label``; None where they are missing or made up."""
    stated = config.get("id2label") or {}
    names = {int(index): str(name) for index, name in stated.items()}
    if sorted(names) != list(range(len(names))) or len(names) < 2:
        return None
    if all(_UNNAMED.fullmatch(name) for name in names.values()):
        return None
    return tuple(names[index] for index in range(len(names)))
