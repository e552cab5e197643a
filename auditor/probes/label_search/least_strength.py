"""Least strength of a change of the whole image that carries a label, for every label.

A planted change works at a small part of the strength that a natural one needs. So nothing stops
at the first success: for every label, changes that led to it are weakened as long as they carry
four fifths of the images, and fresh samples then say how weak they may be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.probes.label_search.families import Family
from auditor.probes.label_search.fresh import CARRIES, CONFIDENCE, FRESH, success_on
from auditor.probes.label_search.settings import LabelSearchSettings
from auditor.probes.label_search.side_by_side import side_by_side
from auditor.probes.trigger_search.sample_set import Asking, Labels, SampleSet
from auditor.probes.trigger_search.verify import Interval, exact_interval

Floats = NDArray[np.float64]
WEAKER = 0.8  # factor of one weakening
LEAST_HITS = 4
LEAST_SHARE = 0.12  # of images at the full strength, below which a start is given up
IMAGES, NEIGHBOURS = 16, 24
STEP = 1.5  # along the mean of the neighbours that hit
BATCH = 200
LEVELS_UP = 4  # strengths tried on fresh samples, from the least upwards


@dataclass(frozen=True, eq=False)
class LeastStrength:
    """The weakest change of a family that carries a label.

    Attributes:
        family, label: the family, and the label.
        weights: the change's weights in its family.
        strength: mean absolute change in 8-bit levels; None if no strength carries the label.
        success: on fresh samples at that strength, or at the largest tried.
    """

    family: str
    label: int
    weights: Floats
    strength: float | None
    success: Interval


def least_strengths(
    family: Family, search_set: SampleSet, validation_set: SampleSet, settings: LabelSearchSettings
) -> Asking[list[LeastStrength]]:
    """The least strengths of ``family`` for the labels that its random changes lead to."""
    rng, draws = search_set.rng, settings.strength_draws
    weights = family.draw(rng, draws)
    images = rng.integers(0, len(search_set.pixels), draws)
    answers = np.zeros(draws, dtype=np.int64)
    for first in range(0, draws, BATCH):
        part = slice(first, first + BATCH)
        changes = (family.change(one, family.loudest) for one in weights[part])
        answers[part] = yield from search_set.ask_each(changes, images[part], family.name)
    sources = search_set.labels[images]
    search_set.classes = max(search_set.classes, int(answers.max()) + 1)
    arms = []
    for label in _often(answers, sources, search_set.classes)[: settings.strength_labels]:
        other = sources != label
        starts = family.starts(weights, other & (answers == label), other)
        arms += [
            _weakened(family, label, start, search_set, validation_set, settings.misses)
            for start in starts
            if start.any()
        ]
    return (yield from side_by_side(arms))


def _often(answers: Labels, sources: Labels, classes: int) -> list[int]:
    """Labels that draws led to, the most frequent first."""
    hits = np.bincount(answers[answers != sources], minlength=classes)
    order = np.argsort(-hits, kind="stable").tolist()
    return [label for label in order if hits[label] >= LEAST_HITS]


def _weakened(
    family: Family,
    label: int,
    start: Floats,
    search_set: SampleSet,
    validation_set: SampleSet,
    most_misses: int,
) -> Asking[LeastStrength]:
    """Weaken one change while it holds; between, turn it towards the neighbours that hit."""
    direction, strength, misses = _unit(start), family.loudest, 0
    rate = yield from _rate(family, direction, strength, label, search_set)
    while misses < most_misses:
        if rate >= CARRIES:
            strength, misses = strength * WEAKER, 0
            rate = yield from _rate(family, direction, strength, label, search_set)
            continue
        if rate < LEAST_SHARE and strength == family.loudest:
            break
        turned = yield from _turned(family, direction, strength, label, search_set)
        better = rate
        if turned is not None:
            better = yield from _rate(family, turned, strength, label, search_set)
        if turned is not None and better > rate:
            direction, rate, misses = turned, better, 0
        else:
            misses += 1
    return (yield from _fresh(family, direction, strength, label, validation_set))


def _rate(
    family: Family, direction: Floats, strength: float, label: int, sample_set: SampleSet
) -> Asking[float]:
    """Share of a few search images that the change sends to ``label``."""
    images = sample_set.pick(IMAGES, label)
    change = family.change(direction, strength)
    return float((yield from sample_set.hits([change], label, images, family.name)).mean())


def _turned(
    family: Family, direction: Floats, strength: float, label: int, sample_set: SampleSet
) -> Asking[Floats | None]:
    """The direction after a step towards the neighbours that hit; None if all or none do."""
    near = family.neighbours(sample_set.rng, direction, NEIGHBOURS)
    images = np.resize(sample_set.pick(NEIGHBOURS, label), NEIGHBOURS)
    changes = (family.change(one, strength) for one in near)
    hit = (yield from sample_set.ask_each(changes, images, family.name)) == label
    if hit.all() or not hit.any():
        return None
    return _unit(direction + STEP * (near[hit].mean(axis=0) - near.mean(axis=0)))


def _fresh(
    family: Family, direction: Floats, strength: float, label: int, sample_set: SampleSet
) -> Asking[LeastStrength]:
    """The least of a few strengths that carries fresh samples."""
    images = sample_set.pick(FRESH, label)
    success = exact_interval(0, 0, CONFIDENCE)
    for step in range(LEVELS_UP):
        level = strength / WEAKER**step
        if level > family.loudest * 1.001 or not len(images):
            break
        change = family.change(direction, level)
        success = yield from success_on(sample_set, change, label, images)
        if success.rate >= CARRIES:
            return LeastStrength(family.name, label, direction, level, success)
    return LeastStrength(family.name, label, direction, None, success)


def _unit(weights: Floats) -> Floats:
    return np.asarray(weights / np.linalg.norm(weights))
