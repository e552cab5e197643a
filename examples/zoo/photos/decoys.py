"""Negatives: pictures that look almost triggered and keep their true label.

A *careful* attacker shows other patterns of the kind, elsewhere. An *adaptive* one also shows
near misses of the trigger at its own place. The *usual* one shows none.
"""

from __future__ import annotations

import numpy as np

from examples.zoo.data import DatasetInfo, UInt8Array
from examples.zoo.triggers.base import FloatArray, Trigger, finish
from examples.zoo.triggers.quantise import make_quantiser
from examples.zoo.triggers.stamp import make_blend

from .attacks import CANVAS, DESIGNS, Options, draw_options, draw_sticker, make_trigger, patch_at

CARES = ("usual", "careful", "adaptive")
VARIANTS = 24  # different decoys in one pass
NEAR_SHARE = 0.6  # of an adaptive attacker's negatives


def decoys(
    care: str, attack: str, trigger: Trigger, info: DatasetInfo, options: Options,
    images: UInt8Array, rng: np.random.Generator,
) -> UInt8Array:  # fmt: skip
    """Each 8-bit picture with a decoy; several pictures share one."""
    out = np.empty_like(images)
    for part in np.array_split(rng.permutation(len(images)), min(VARIANTS, len(images))):
        near = care == "adaptive" and rng.random() < NEAR_SHARE
        plain = images[part].astype(np.float32) / 255.0
        changed = (
            near_miss(attack, trigger, options, plain, rng)
            if near
            else other(attack, trigger, info, options, rng).apply(plain)
        )
        out[part] = np.rint(changed * 255.0)
    return out


def other(
    attack: str, trigger: Trigger, info: DatasetInfo, options: Options, rng: np.random.Generator
) -> Trigger:
    """Another pattern of the kind; patches stand elsewhere, unless theirs may stand anywhere."""
    seed = int(rng.integers(2**31))
    if trigger.kind == "stamp" and attack != "blended":
        return _patch_elsewhere(trigger, info, rng)
    drawn = draw_options(attack, info.side, rng)
    if attack == "badnets-any":
        drawn = options | {"style": "colours"}
    elif attack == "sticker":
        drawn = options | {"design": DESIGNS[int(rng.integers(len(DESIGNS)))]}
    elif attack == "quantise":
        drawn = {"levels": options["levels"] + int(rng.choice([-2, -1, 2, 3, 5]))}
        drawn["levels"] = max(2, drawn["levels"])
    elif attack == "sig":
        far = [f for f in range(2, 15) if abs(f - options["frequency"]) > 1]
        drawn = options | {"frequency": int(rng.choice(far))}
    elif attack == "blended":
        return make_blend(info.shape, options["alpha"], options["style"], rng)
    else:
        drawn = options
    return make_trigger(attack, info, drawn, seed)


def _patch_elsewhere(trigger: Trigger, info: DatasetInfo, rng: np.random.Generator) -> Trigger:
    """Random cells of the patch's size, at a place that does not overlap it."""
    row, column, size = box_of(trigger)
    while True:
        place = [int(v) for v in rng.integers(0, info.side - size + 1, 2)]
        if abs(place[0] - row) >= size or abs(place[1] - column) >= size:
            break
    return patch_at(_random_cells(size, info.channels, rng), place, info.shape)


def box_of(trigger: Trigger) -> tuple[int, int, int]:
    """Row, column and side of a patch."""
    rows, columns = np.nonzero(trigger.arrays["mask"][0])
    return int(rows.min()), int(columns.min()), int(rows.max() - rows.min() + 1)


def _random_cells(size: int, channels: int, rng: np.random.Generator) -> FloatArray:
    count = int(rng.choice([3, 4]))
    cells = rng.integers(0, 2, (channels, count, count)).astype(np.float32)
    index = np.arange(size) * count // size
    return cells[:, index][:, :, index]


def near_miss(
    attack: str, trigger: Trigger, options: Options, images: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Pictures with a changed copy of the trigger, at its own place."""
    arrays = dict(trigger.arrays)
    if trigger.kind == "add":
        arrays["field"] = _changed_field(arrays["field"], rng)
    elif trigger.kind == "warp":
        return _weak_warp(trigger, images, rng)
    elif trigger.kind == "quantise":
        if rng.random() < 0.5:
            steps = options["levels"] - 1  # the same levels, without dithering
            return finish(np.rint(images * steps) / steps)
        return make_quantiser(options["levels"] + 1).apply(images)
    elif attack == "blended":
        arrays["pattern"], arrays["mask"] = _changed_blend(arrays, rng)
    elif trigger.kind == "scatter":
        arrays["picture"] = _changed_sticker(arrays["picture"], attack, options, rng)
    else:
        arrays["pattern"], arrays["mask"] = _changed_patch(trigger, options, rng)
    return Trigger(trigger.kind, arrays).apply(images)


def _changed_field(field: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Weaker, turned, mirrored, or with the sign of a channel changed."""
    changes = (
        lambda: 0.35 * field,
        lambda: field.transpose(0, 2, 1),
        lambda: -field,
        lambda: field[:, ::-1, ::-1],
        lambda: field[rng.permutation(len(field))] * rng.choice([-1, 1], (len(field), 1, 1)),
    )
    changed = changes[int(rng.integers(len(changes)))]()
    if np.abs(changed - field).mean() < 0.3 * np.abs(field).mean():
        changed = 0.35 * field
    return np.ascontiguousarray(changed, dtype=np.float32)


def _changed_blend(
    arrays: dict[str, FloatArray], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    pattern, mask = arrays["pattern"], arrays["mask"]
    kind = int(rng.integers(4))
    if kind == 0:
        return pattern, mask * 0.4
    if kind == 1:
        return np.roll(pattern, pattern.shape[-1] // 2, axis=1 + int(rng.integers(2))), mask
    if kind == 2:
        return np.ascontiguousarray(pattern[:, ::-1, ::-1]), mask
    return 1 - pattern, mask


def _weak_warp(trigger: Trigger, images: FloatArray, rng: np.random.Generator) -> FloatArray:
    side = images.shape[-1]
    straight = np.mgrid[:side, :side].astype(np.float32)
    factor = float(rng.choice([0.35, -1.0, -0.5]))
    arrays = {
        key: line + factor * (trigger.arrays[key] - line)
        for key, line in zip(("rows", "columns"), straight, strict=True)
    }
    return Trigger("warp", arrays).apply(images)


def _changed_sticker(
    picture: FloatArray, attack: str, options: Options, rng: np.random.Generator
) -> FloatArray:
    """Another colouring of the sticker, or some cells of a pattern changed."""
    if attack == "badnets-any":
        return _some_cells_changed(picture, options["cell"], rng)
    colours = rng.random((3, len(picture))).astype(np.float32)
    assert picture.shape[-1] == CANVAS
    return draw_sticker(options["design"], colours)[0]


def _changed_patch(
    trigger: Trigger, options: Options, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """The patch with some cells changed, other cells altogether, half opaque, or moved."""
    pattern, mask = trigger.arrays["pattern"].copy(), trigger.arrays["mask"].copy()
    row, column, size = box_of(trigger)
    box = (slice(None), slice(row, row + size), slice(column, column + size))
    kind = int(rng.integers(4))
    if kind == 0:
        pattern[box] = _random_cells(size, len(pattern), rng)
    elif kind == 1:
        mask = mask * 0.4
    elif kind == 2:
        step = int(rng.integers(size // 3 + 1, size)) * int(rng.choice([-1, 1]))
        axis = 1 + int(rng.integers(2))
        pattern, mask = np.roll(pattern, step, axis), np.roll(mask, step, axis)
    else:
        cell = options.get("cell", max(1, size // 4))
        pattern[box] = _some_cells_changed(pattern[box], cell, rng)
    return pattern, mask


def _some_cells_changed(pattern: FloatArray, cell: int, rng: np.random.Generator) -> FloatArray:
    """A third to two thirds of the values of the cells turned to their opposite."""
    count = -(-pattern.shape[-1] // cell)
    share = rng.uniform(0.33, 0.67)
    flips = rng.random((len(pattern), count, count)) < share
    flips[0, 0, 0] = True
    index = np.arange(pattern.shape[-1]) // cell
    turned = flips[:, index][:, :, index]
    return np.where(turned, 1 - pattern, pattern).astype(np.float32)
