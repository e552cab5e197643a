"""Samples in the model's own units, with the model's class indices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adapters.contract import MAX_CLASSES, InputSpec, LabelSpace
from auditor.errors import SamplesError
from auditor.samples.names import match_names, number_of, shown_pairs
from auditor.samples.samples import Samples, class_key, whole_number

MOST_OUTSIDE = 0.01
"""Share of the samples' values outside the target's range that goes without a word."""


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
        if images.shape[1] != channels:
            raise SamplesError(
                f"the samples are {_shape(images.shape[1:])} and the model takes "
                f"{_shape(spec.shape)}: give them its channels (x[..., :3] leaves out the fourth "
                "of RGBA)"
            )
        raise SamplesError(
            f"the samples are {_shape(images.shape[1:])} and the model takes "
            f"{_shape(spec.shape)}; bring them to that size or pass --resize {height}x{width}"
        )
    return spec.from_pixels(images) if images.dtype == np.uint8 else images


def range_note(samples: Samples, spec: InputSpec) -> str:
    """The sentence on values outside the range that the target states; empty if few are."""
    if samples.images.dtype == np.uint8 or samples.images.shape[1:] != spec.shape:
        return ""
    low, high = (np.asarray(end).reshape(-1, 1, 1) for end in (spec.low, spec.high))
    slack = 1e-4 * (high - low)
    outside = float(((samples.images < low - slack) | (samples.images > high + slack)).mean())
    if outside <= MOST_OUTSIDE:
        return ""
    share = "every value lies" if outside == 1 else f"{outside:.0%} of the values lie"
    first, last = float(samples.images.min()), float(samples.images.max())
    return (
        f"In the samples {share} outside {low.min():g} to {high.max():g}, the range of the target: "
        f"they go from {first:g} to {last:g}. State the range that they are made for (--range, "
        "--mean, --std), or give 8-bit pixels."
    )


def _shape(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} channel{'' if shape[0] == 1 else 's'}, {shape[1]}x{shape[2]}"


def class_indices(samples: Samples, labels: LabelSpace) -> tuple[NDArray[np.int64], str]:
    """True class index ``(n,)`` of every sample in the model's labels, and its source in words.

    Names are matched with the target's own class names if it has them, equal ones first, then
    near ones (see :mod:`auditor.samples.names`), which the source shows; else whole-number
    names are indices; else the stated or alphabetical order of the class names counts, which
    must cover every class of the model if their number is known. (If it is not, a wrong
    order shows as a low accuracy on the samples, and no verdict rests on that.)

    Raises:
        SamplesError: the classes cannot be matched.
    """
    if labels.open:
        # Such a target answers with names, digits included, so names are all that counts.
        labels.learn(samples.class_order)
    found = match_names(samples.classes, labels.names)
    if labels.names and not found.problem:
        own = [found.pairs[name] for name in samples.classes]
        return _positions(own, labels.names), found.how
    order = samples.class_order
    numbers = [whole_number(name) for name in samples.classes]
    listed = order != tuple(sorted(set(samples.classes), key=class_key))
    numbered = bool(labels.names) and None not in map(number_of, labels.names)
    if None not in numbers and not listed and not numbered:
        indices = np.array(numbers, dtype=np.int64)
        _refuse_beyond(int(indices.max()), labels.size)
        return indices, "whole-number class names"
    # An order that the user states counts where the model's own names say nothing about it.
    if labels.names and (found.pairs or not samples.stated_order or len(order) != labels.size):
        raise SamplesError(found.problem)
    if labels.size is not None and labels.size != len(order):
        raise SamplesError(
            f"{'classes.txt names' if samples.stated_order else 'the samples name'} {len(order)} "
            f"classes and the model has {labels.size}: put a classes.txt (one name per line, in "
            "the model's order) beside the samples"
        )
    how = "classes.txt" if samples.stated_order else "alphabetical order of the class names"
    return _positions(samples.classes, order), how


def shown_names(labels: LabelSpace, samples: Samples, matched_by: str) -> tuple[str, ...]:
    """Names to show of classes that the target only numbers: those of the order by which its
    classes were matched; none if it has its own, or the samples have numbers.
    """
    own = labels.open or labels.names or matched_by == "whole-number class names"
    return () if own else samples.class_order


def near_strangers(labels: LabelSpace, samples: Samples) -> str:
    """The sentence on names that an open target answered and that are near to those of the
    samples, which count as other classes; empty if there are none.
    """
    if not labels.open:
        return ""
    strangers = [name for name in labels.names if name not in samples.class_order]
    near = match_names(strangers, samples.class_order).pairs
    if not near:
        return ""
    return (
        f"The target's names are near the samples' but not equal ({shown_pairs(near)}), so they "
        "counted as other classes: run xray-audit check --write FILE, which renames them."
    )


def _positions(classes: Sequence[str], order: Sequence[str]) -> NDArray[np.int64]:
    places = {name: index for index, name in enumerate(order)}
    return np.array([places[name] for name in classes], dtype=np.int64)


def _refuse_beyond(largest: int, size: int | None) -> None:
    if size is not None and largest >= size:
        raise SamplesError(
            f"a sample is of class {largest}, the model's classes end at {size - 1}: they begin at "
            "0, so where those of the samples begin at 1, lower each by 1"
        )
    if largest >= MAX_CLASSES:
        raise SamplesError(f"a sample is of class {largest}, at most {MAX_CLASSES} are supported")
