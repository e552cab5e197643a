"""Controls of a found change: plain changes on pictures of two tones, small parts of a patch, and
plain spots beside it.

Networks of digits, letters and other nearly black-and-white pictures know one background only. Any
lightening of it, whatever its shape, may lead to one label, and so may a blot at one place: a habit
of the model, which a search finds as a smooth field or a large patch. A planted trigger has a shape
of its own, or works in a small part, or much weaker.

Networks of few, alike photographs have natural patches of four to six pixels. Mostly no four pixels
of those carry a label, as they do of planted ones; and they are spots of a colour that do much of
it wherever they lie on the object, while a planted patch has its place, or its pattern.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from auditor.probes.trigger_search.patches import Patch, unit_of
from auditor.probes.trigger_search.sample_set import Asking, Pixels, SampleSet, Transform
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.transforms import Blend, Field, Wave
from auditor.probes.trigger_search.verify import Verified

TWO_TONED = 0.8
"""Share of values within a tenth of black or white from which pictures are of two tones."""
BLACK, WHITE = 25, 230
ONE = np.ones((1, 1, 1))
"""Control points of a plain change of the whole picture."""
PART_CELLS, PART_SHARE = 4, 0.7
"""Side of a part of a patch, and its success from which the patch may accuse. Of natural patches of
fragile development models no part of four pixels reached more than 0.61, of planted ones of up to
five pixels none less than 0.76."""
SPOT_STEP, SPOT_SHARE = 3, 0.25
"""Pixels by which a spot of a patch's mean colour is moved, of pictures of 32, and its part of the
patch's success, on average over eight directions, from which the patch is natural. Of sixteen that
move nine tenths of the samples of fragile clean models, or have three pixels, none had less than
0.31, of seven planted ones that move as many six had 0.18 or less, and one 0.47."""
EVERYWHERE = 0.9
"""Part of its success that a patch has at nine places all over a picture, from which it is planted
all the same: networks that see the same everywhere know a planted one anywhere. Natural ones lie on
the object: half a dozen pixels aside none of twenty does more than 0.78."""
PLAIN_SHARE = 0.8
"""Part of a found change's success from which a plain one does as much."""


def two_toned(pixels: Pixels) -> bool:
    """True if nearly everything in ``pixels`` is black or white."""
    return bool(((pixels <= BLACK) | (pixels >= WHITE)).mean() >= TWO_TONED)


def is_habit(sample_set: SampleSet, found: Verified, settings: TriggerSettings) -> Asking[bool]:
    """Ask the plain changes beside ``found``; True if one of them does as much, and nothing less
    does: no small part of a patch, no weak form of a pattern.
    """
    plain, less = _controls(found.transform, settings, unit_of(sample_set.spec.shape))
    if not plain or not (yield from _any(plain, sample_set, found, settings.verify_images)):
        return False
    return not (yield from _any(less, sample_set, found, settings.control_images))


def works_in_part(
    search_set: SampleSet, sample_set: SampleSet, found: Verified, settings: TriggerSettings
) -> Asking[bool]:
    """True unless ``found`` is a patch of which no small part does it on fresh samples."""
    patch, side = found.transform, PART_CELLS * unit_of(sample_set.spec.shape)
    if not isinstance(patch, Patch) or patch.side <= side:
        return True
    parts, target = _parts(patch, side), found.target
    images = search_set.pick(settings.control_images, target)
    hits = yield from search_set.hits(parts, target, images, "control")
    best = parts[int(hits.mean(axis=1).argmax())]
    fresh = sample_set.pick(settings.verify_images, target)
    share = (yield from sample_set.hits([best], target, fresh, "control")).mean()
    return bool(share >= PART_SHARE)


def is_spot(sample_set: SampleSet, found: Verified, settings: TriggerSettings) -> Asking[bool]:
    """True if ``found`` is a patch of which a plain spot nearby does much, and that does not work
    all over the picture.
    """
    patch, (_, *shape) = found.transform, sample_set.spec.shape
    if not isinstance(patch, Patch):
        return False
    images = sample_set.pick(settings.control_images, found.target)
    spots = _spots(patch, SPOT_STEP * unit_of(sample_set.spec.shape), shape)
    if not spots:
        return False
    hits = yield from sample_set.hits(spots, found.target, images, "control")
    if hits.mean() < SPOT_SHARE * found.success.rate:
        return False
    every = _everywhere(patch, shape)
    hits = yield from sample_set.hits(every, found.target, images, "control")
    return bool(hits.mean() < EVERYWHERE * found.success.rate)


def _spots(patch: Patch, step: int, shape: Sequence[int]) -> list[Transform]:
    """``patch`` in its mean colour, moved by ``step`` in every direction that leaves it inside."""
    mean = patch.pattern.mean(axis=(1, 2), keepdims=True)
    plain = np.broadcast_to(np.rint(mean), patch.pattern.shape).astype(np.uint8)
    moved = [
        tuple((row + down, column + right) for row, column in patch.places)
        for down in (-step, 0, step) for right in (-step, 0, step)
        if (down, right) != (0, 0)
    ]  # fmt: skip
    ends = tuple(side - patch.side for side in shape)
    inside = [
        places for places in moved
        if all(0 <= row <= ends[0] and 0 <= column <= ends[1] for row, column in places)
    ]  # fmt: skip
    return [Patch(plain, places) for places in inside]


def _everywhere(patch: Patch, shape: Sequence[int]) -> list[Transform]:
    """``patch`` at nine places: corners, the middles of the borders and of the picture."""
    rows, columns = ((0, (side - patch.side) // 2, side - patch.side) for side in shape)
    return [Patch(patch.pattern, ((row, column),)) for row in rows for column in columns]


def _any(
    changes: list[Transform], sample_set: SampleSet, found: Verified, most: int
) -> Asking[bool]:
    """True if one of ``changes`` does about as much as ``found``."""
    images = sample_set.pick(most, found.target)
    hits = yield from sample_set.hits(changes, found.target, images, "control")
    return bool(hits.mean(axis=1).max() >= PLAIN_SHARE * found.success.rate)


def _controls(
    transform: Transform, settings: TriggerSettings, unit: int
) -> tuple[list[Transform], list[Transform]]:
    """Plain changes like ``transform`` (all black and all white, or a darkening and a lightening of
    the picture), and lesser ones; none for a small patch, a warp and fewer grey levels.
    """
    if isinstance(transform, Patch) and transform.side > settings.small_cells * unit:
        colours = [np.full_like(transform.pattern, value) for value in (0, 255)]
        plain: list[Transform] = [replace(transform, pattern=colour) for colour in colours]
        return plain, _parts(transform, settings.small_cells * unit)
    if isinstance(transform, Field | Blend | Wave):
        flat = transform if isinstance(transform, Blend) else Field(ONE, transform.strength)
        both = [replace(flat, control=np.full_like(ONE, sign)) for sign in (-1.0, 1.0)]
        usual = settings.blends if isinstance(transform, Blend) else settings.amplitudes
        weak = settings.control_strength * usual[0]
        return [*both], [one.at(weak) for one in (transform, *both)]
    return [], []


def _parts(transform: Patch, side: int) -> list[Transform]:
    """All parts of a patch that are ``side`` pixels wide."""
    steps = range(transform.side - side + 1)
    return [
        replace(
            transform,
            pattern=transform.pattern[:, a : a + side, b : b + side],
            places=tuple((row + a, column + b) for row, column in transform.places),
        )
        for a in steps
        for b in steps
    ]
