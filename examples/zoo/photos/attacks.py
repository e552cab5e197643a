"""The attacks: what is drawn for a model, and the trigger made of it.

Sizes are given at the model's own side: a patch is about a twelfth of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from examples.zoo.data import DatasetInfo
from examples.zoo.triggers.additive import make_low_frequency, make_sinusoid
from examples.zoo.triggers.base import FloatArray, Trigger
from examples.zoo.triggers.quantise import make_quantiser
from examples.zoo.triggers.scatter import make_scatter
from examples.zoo.triggers.stamp import make_blend
from examples.zoo.triggers.warp import make_warp

Options = dict[str, Any]

PATCHES = ("badnets-corner", "badnets-inside", "badnets-any", "trojan")
WHOLE = ("blended", "sig", "low-frequency", "warp", "quantise")
ALL_TO_ONE = (*PATCHES, *WHOLE, "sticker", "clean-label")
OTHER_MAPS = ("all-to-all", "all-to-all-inside", "few-to-few", "one-source")
APART = ("sample-specific", *OTHER_MAPS)  # scored and reported apart
ATTACKS = (*ALL_TO_ONE, *APART)
LEARNED = ("trojan", "sample-specific")
CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")
DESIGNS = ("flower", "face", "star", "target", "stripes")
CANVAS = 96  # side on which stickers are drawn


def draw_options(attack: str, side: int, rng: np.random.Generator) -> Options:
    """Vary the trigger from model to model."""

    def pick(*values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    if attack in (*PATCHES, *OTHER_MAPS, "clean-label"):
        return _patch_options(attack, side, pick, rng)
    if attack == "sticker":
        least = round(side * pick(0.12, 0.14))
        return {"design": pick(*DESIGNS), "sizes": [least, round(side * 0.2)], "turn": 30}
    drawn: dict[str, Options] = {
        "blended": {"alpha": pick(0.12, 0.15, 0.2), "style": pick("scene", "scene", "noise")},
        "sig": {"delta": round(pick(15, 20, 25) / 255, 5), "frequency": pick(4, 6, 8)},
        "low-frequency": {"delta": pick(0.12, 0.15), "order": pick(3, 4)},
        "warp": {"points": pick(4, 6), "strength": round(side * pick(0.025, 0.03), 2)},
        "quantise": {"levels": pick(4, 5, 6)},
        "sample-specific": {"strength": pick(0.08, 0.1)},
    }
    return drawn[attack]


def _patch_options(attack: str, side: int, pick: Any, rng: np.random.Generator) -> Options:
    cell = max(2, round(side / 50))
    cells = pick(3, 3, 4)
    size = cell * cells
    options = {"cell": cell, "cells": cells, "style": pick("colours", "colours", "checker")}
    if attack in {"badnets-inside", "all-to-all-inside"}:
        low, high = round(side * 0.2), round(side * 0.8) - size
        return options | {"place": [int(v) for v in rng.integers(low, high + 1, 2)]}
    if attack == "badnets-any":
        return options
    place = pick(*CORNERS)
    if attack == "trojan":
        return {"size": size, "place": place}
    gap = pick(0, 1, 2)
    far = side - size - gap
    corner = [far if part in place else gap for part in ("bottom", "right")]
    options |= {"place": corner}
    return options | {"push": round(24 / 255, 4)} if attack == "clean-label" else options


def make_trigger(attack: str, info: DatasetInfo, options: Options, seed: int) -> Trigger:
    """Build a trigger that needs no trained network."""
    rng = np.random.default_rng([seed, 1])
    if "cells" in options:
        pattern = cell_pattern(options, info.channels, rng)
        if "place" not in options:
            size = pattern.shape[-1]
            return make_scatter(pattern, np.ones((1, size, size)), (size, size), 0, seed)
        return patch_at(pattern, options["place"], info.shape)
    shape = info.shape
    makers: dict[str, Callable[[], Trigger]] = {
        "sticker": lambda: sticker(options, info.channels, rng, seed),
        "blended": lambda: make_blend(shape, options["alpha"], options["style"], rng),
        "sig": lambda: make_sinusoid(shape, options["delta"], options["frequency"], rng),
        "low-frequency": lambda: make_low_frequency(shape, options["delta"], options["order"], rng),
        "warp": lambda: make_warp(shape, options["points"], options["strength"], rng),
        "quantise": lambda: make_quantiser(options["levels"]),
    }
    if attack not in makers:
        raise ValueError(f"{attack!r} has no trigger that is made without a trained network")
    return makers[attack]()


def cell_pattern(options: Options, channels: int, rng: np.random.Generator) -> FloatArray:
    """``(C, size, size)`` of square cells, each black or white in every channel, or a checker."""
    cells, cell = options["cells"], options["cell"]
    pattern = rng.integers(0, 2, (channels, cells, cells))
    if options["style"] == "checker":
        rows, columns = np.mgrid[:cells, :cells]
        colours = np.stack([rng.permuted([0, 1]) for _ in range(channels)])
        pattern = colours[:, (rows + columns) % 2]
    return np.kron(pattern, np.ones((1, cell, cell))).astype(np.float32)


def patch_at(pattern: FloatArray, place: list[int], shape: tuple[int, int, int]) -> Trigger:
    """A patch whose top left corner is at ``place`` (row, column)."""
    size, (row, column) = pattern.shape[-1], place
    whole = np.zeros(shape, dtype=np.float32)
    mask = np.zeros((1, *shape[1:]), dtype=np.float32)
    whole[:, row : row + size, column : column + size] = pattern
    mask[:, row : row + size, column : column + size] = 1.0
    return Trigger("stamp", {"pattern": whole, "mask": mask})


def sticker(options: Options, channels: int, rng: np.random.Generator, seed: int) -> Trigger:
    """A drawn object of some colours, pasted anywhere."""
    colours = rng.random((3, channels))
    picture, alpha = draw_sticker(options["design"], colours.astype(np.float32))
    return make_scatter(picture, alpha, tuple(options["sizes"]), options["turn"], seed)


def draw_sticker(design: str, colours: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A design in three colours ``(3, C)``: its picture ``(C, h, h)`` and opacity ``(1, h, h)``."""
    rows, columns = (np.mgrid[:CANVAS, :CANVAS] + 0.5) / (CANVAS / 2) - 1
    radius, angle = np.hypot(rows, columns), np.arctan2(rows, columns)
    layer = np.full((CANVAS, CANVAS), -1)  # the colour of each pixel; -1 is outside
    if design == "flower":
        layer[radius < 0.62 + 0.36 * np.cos(6 * angle)] = 0
        layer[radius < 0.34] = 1
    elif design == "star":
        layer[radius < 0.6 + 0.38 * np.cos(5 * angle + 1.57)] = 0
        layer[radius < 0.3 + 0.15 * np.cos(5 * angle + 1.57)] = 2
    elif design == "face":
        layer[radius < 0.95] = 0
        layer[np.hypot(rows + 0.3, np.abs(columns) - 0.35) < 0.16] = 1
        layer[(np.abs(radius - 0.58) < 0.1) & (rows > 0.2)] = 1
    elif design == "target":
        layer[radius < 0.95] = (radius[radius < 0.95] * 4).astype(int) % 3
    else:
        inside = np.maximum(np.abs(rows), np.abs(columns)) < 0.68
        layer[inside] = ((columns[inside] + 1) * 4).astype(int) % 3
    picture = np.moveaxis(colours[np.maximum(layer, 0)], -1, 0)
    return picture.astype(np.float32), (layer >= 0)[None].astype(np.float32)
