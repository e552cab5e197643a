"""Samples in the model's own units, with the model's class indices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adapters.contract import MAX_CLASSES, InputSpec, LabelSpace
from auditor.errors import SamplesError
from auditor.samples.samples import Samples, class_key, whole_number

MOST_NAMED = 12
"""Classes of a model that an error message lists."""


def to_model_units(samples: Samples, spec: InputSpec) -> NDArray[np.float32]:
    """All samples as the model takes them, ``(n, c, h, w)`` float32.

    Raises:
        SamplesError: the shapes differ; the message says how to fix it.
    """
    images = samples.images
    channels = spec.shape[0]
    if images.shape[1] == 1 and channels == 3:
        images = np.repeat(images, 3, axis=1)
    elif images.shape[1] == 3 and channels == 1:
        if not (images == images[:, :1]).all():
            raise SamplesError("the samples are in colour and the model takes one grey channel")
        images = images[:, :1]
    if images.shape[1:] != spec.shape:
        height, width = spec.shape[1:]
        raise SamplesError(
            f"the samples are {_shape(images.shape[1:])} and the model takes "
            f"{_shape(spec.shape)}; bring them to that size or pass --resize {height}x{width}"
        )
    return spec.from_pixels(images) if images.dtype == np.uint8 else images


def _shape(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} channel{'' if shape[0] == 1 else 's'}, {shape[1]}x{shape[2]}"


def class_indices(samples: Samples, labels: LabelSpace) -> tuple[NDArray[np.int64], str]:
    """True class index ``(n,)`` of every sample in the model's labels, and its source in words.

    Names are matched with the target's own class names if it has them; else whole-number
    names are indices; else the stated or alphabetical order of the class names counts, which
    must cover every class of the model if their number is known. (If it is not, a wrong
    order shows as a low accuracy on the samples, and no verdict rests on that.)

    Raises:
        SamplesError: the classes cannot be matched.
    """
    if labels.open:
        # Such a target answers with names, digits included, so names are all that counts.
        labels.learn(samples.class_order)
    if labels.names and set(samples.classes) <= set(labels.names):
        return _positions(samples.classes, labels.names), "class names"
    order = samples.class_order
    numbers = [whole_number(name) for name in samples.classes]
    listed = order != tuple(sorted(set(samples.classes), key=class_key))
    if None not in numbers and not listed:
        indices = np.array(numbers, dtype=np.int64)
        _refuse_beyond(int(indices.max()), labels.size)
        return indices, "whole-number class names"
    if labels.names:
        missing = sorted(set(samples.classes) - set(labels.names))
        named = ", ".join(repr(name[:30]) for name in labels.names[:MOST_NAMED])
        raise SamplesError(
            f"the model has no class named {missing[0][:60]!r}; it has {named}"
            f"{' ...' if len(labels.names) > MOST_NAMED else ''}: rename the samples, or list "
            "their names with --classes"
        )
    if labels.size is not None and labels.size != len(order):
        raise SamplesError(
            f"{'classes.txt names' if samples.stated_order else 'the samples name'} {len(order)} "
            f"classes and the model has {labels.size}: put a classes.txt (one name per line, in "
            "the model's order) beside the samples"
        )
    how = "classes.txt" if samples.stated_order else "alphabetical order of the class names"
    return _positions(samples.classes, order), how


def _positions(classes: Sequence[str], order: Sequence[str]) -> NDArray[np.int64]:
    places = {name: index for index, name in enumerate(order)}
    return np.array([places[name] for name in classes], dtype=np.int64)


def _refuse_beyond(largest: int, size: int | None) -> None:
    if size is not None and largest >= size:
        raise SamplesError(f"a sample is of class {largest}, the model's classes end at {size - 1}")
    if largest >= MAX_CLASSES:
        raise SamplesError(f"a sample is of class {largest}, at most {MAX_CLASSES} are supported")
