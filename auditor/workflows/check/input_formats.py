"""Other ways to write the same picture, to try if too few samples get their label. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

RANGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("0 to 1", {"range": [0, 1], "mean": [0.0], "std": [1.0]}),
    ("0 to 255", {"range": [0, 255], "mean": [0.0], "std": [1.0]}),
    ("-1 to 1", {"range": [-1, 1], "mean": [0.0], "std": [1.0]}),
)
IMAGENET = (
    "ImageNet's mean and deviation",
    {"range": [0, 1], "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
)
CIFAR = (
    "CIFAR-10's mean and deviation",
    {"range": [0, 1], "mean": [0.4914, 0.4822, 0.4465], "std": [0.247, 0.2435, 0.2616]},
)
CLIP = (
    "CLIP's mean and deviation",
    {
        "range": [0, 1],
        "mean": [0.4815, 0.4578, 0.4082],
        "std": [0.2686, 0.2613, 0.2758],
    },
)
CAFFE = (
    "0 to 255 less ImageNet's mean",
    {"range": [0, 255], "mean": [123.68, 116.779, 103.939], "std": [1.0]},
)
MNIST = ("MNIST's mean and deviation", {"range": [0, 1], "mean": [0.1307], "std": [0.3081]})


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to write inputs: its name in words, and the ``[input]`` fields that state it. Or
    another output to read, with the ``[response]`` fields for it.
    """

    words: str
    input: dict[str, Any]
    response: dict[str, Any] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, Any]:
        """The tables of a description that it states."""
        tables = {"input": self.input, "response": self.response}
        return {name: table for name, table in tables.items() if table}


MOST_OUTPUTS = 4
MOST_ALTERNATIVES = 28 + 3 * MOST_OUTPUTS


def other_outputs(names: Sequence[str]) -> list[Alternative]:
    """The other outputs of a model, by ``names``: with inputs as they are written, and in the two
    other usual ranges, as an output that fits shows nothing in a range that does not.
    """
    listed = names[:MOST_OUTPUTS]
    plain = [Alternative(f"the output {name}", {}, {"path": name}) for name in listed]
    ranged = [
        Alternative(f"the output {name}, {words}", fields, {"path": name})
        for words, fields in RANGES[1:]
        for name in listed
    ]
    return plain + ranged


def alternatives(
    shape: tuple[int, int, int],
    *,
    picture: bool,
    layout_is_open: bool,
    shape_is_open: bool,
    pixels: bool = False,
) -> list[Alternative]:
    """The likely ways to write inputs of ``shape``, the plainest first; at most 28.

    Args:
        shape: ``(c, h, w)``.
        picture: True if inputs travel as picture files, which have a range and layout of their own.
        layout_is_open: True if the target leaves the layout to the caller.
        shape_is_open: True if a picture may go out with other channels or in another size.
        pixels: True if inputs are 8-bit pixels, whatever their range is called.
    """
    channels = shape[0]
    if picture:
        return _pictures(shape) if shape_is_open else []
    scales = [*RANGES, *{1: [MNIST], 3: [IMAGENET, CIFAR, CLIP, CAFFE]}.get(channels, [])]
    if pixels:
        scales = [("", {})]
    layouts: list[tuple[str, dict[str, Any]]] = [("", {})]
    if layout_is_open:
        layouts = [("NCHW", {"layout": "NCHW"}), ("NHWC", {"layout": "NHWC"})]
    colors: list[tuple[str, dict[str, Any]]] = [("", {})]
    if channels == 3:
        colors = [("RGB", {"color": "rgb"}), ("BGR", {"color": "bgr"})]
    return [
        Alternative(
            ", ".join(words for words, _ in parts if words),
            {name: value for _, fields in parts for name, value in fields.items()},
        )
        for parts in itertools.product(scales, layouts, colors)
    ]


def _pictures(shape: tuple[int, int, int]) -> list[Alternative]:
    channels, height, width = shape
    other = 3 if channels == 1 else 1
    words = "three equal channels" if channels == 1 else "one grey channel"
    found = [
        Alternative("as it is", {}),
        Alternative(words, {"shape": [other, height, width]}),
        Alternative("JPEG of quality 95 in full colour", {"encoding": "jpeg:95/444"}),
    ]
    if (height, width) != (224, 224):
        found.append(Alternative("scaled to 224x224", {"upload_size": [224, 224]}))
    return found
