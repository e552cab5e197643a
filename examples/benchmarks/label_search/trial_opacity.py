"""The least opacity, and the least size, at which a patch carries a label: planted and natural."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np

from auditor.probes.further_searches import patches_alone
from auditor.probes.label_search import least_patch
from auditor.probes.label_search.fresh import CARRIES, FRESH, success_on
from auditor.probes.label_search.search import LabelSearch
from auditor.probes.trigger_search.patches import Patch, unit_of
from auditor.probes.trigger_search.placed_patch_search import crops
from auditor.probes.trigger_search.sample_set import Asking, Pixels, SampleSet, Transform
from auditor.probes.trigger_search.transforms import whole_levels
from examples.benchmarks.label_search.search import started
from examples.benchmarks.label_search.trial_draws import Asked, Rng, Samples
from examples.benchmarks.stored import Record
from examples.benchmarks.zoo_models import driven
from examples.zoo.triggers.base import Trigger

OPACITIES = tuple(round(0.9**step, 3) for step in range(26))
SEARCHED = ("small-patch4", "small-patch6")
SMALLEST, CROP_IMAGES, BACK = 3, 14, 3  # as the search crops
REPLAYED, AGAIN, KEPT = 60, 6, 4  # natural draws: asked again, on so many pictures, and kept
NEVER_CROPPED = 10**6


@dataclass(frozen=True, eq=False)
class Faded:
    """A change mixed into the image with some opacity."""

    change: Transform
    opacity: float
    kind: str = "faded"

    def apply(self, pixels: Pixels) -> Pixels:
        """Changed copies of ``pixels``."""
        part = self.change.apply(pixels).astype(np.float64) - pixels
        return whole_levels(pixels + self.opacity * part)


@dataclass(frozen=True, eq=False)
class Planted:
    """The trigger of a model as a change."""

    trigger: Trigger
    kind: str = "planted"

    def apply(self, pixels: Pixels) -> Pixels:
        """Changed copies of ``pixels``."""
        changed = self.trigger.apply(pixels.astype(np.float32) / 255.0) * 255.0
        return np.asarray(np.rint(changed), dtype=np.uint8)


def planted(run: LabelSearch, trigger: Trigger, target: int, labels: Any) -> Record:
    """The planted trigger at every opacity."""
    change = Planted(trigger)
    return {"from": "planted", "label": target, **driven(_opacity(change, target, run), labels)}


def searched_patches(
    samples: tuple[Any, Any, Any], seed: int
) -> Iterator[tuple[LabelSearch, Record]]:
    """The patches that the product's search finds before it makes them smaller, and how small and
    how faint each may be; and the search, for its samples and its count of queries.
    """
    pixels, truth, labels = samples
    for key in SEARCHED:
        run = started(pixels, truth, labels, patches_alone(key), seed)
        # The product's search to the letter, but that nothing is cropped.
        with mock.patch.object(least_patch, "SMALLEST", NEVER_CROPPED):
            found = [one for stage in run.stages() for one in driven(stage, labels)]
        for one in found:
            assert isinstance(one.change, Patch)
            yield run, measured(one.change, one.label, run, labels, key)


def natural_patches(
    asked: Asked, samples: Samples, run: LabelSearch, labels: Any, rng: Rng, word: str
) -> list[Record]:
    """The best single natural patches of random draws: those that led to another label are asked
    on other pictures of the search half, and the best on fresh ones, ever fainter.
    """
    sources = samples.labels[asked.images]
    led = rng.permutation(np.flatnonzero(asked.answers != sources))[:REPLAYED].tolist()
    rated = []
    for number in led:
        (patch,), label = asked.patches[number], int(asked.answers[number])
        images = run.search_set.pick(AGAIN, label)
        hits = driven(run.search_set.hits([patch], label, images, "replay"), labels)
        rated.append((float(hits.mean()), patch, label))
    rated.sort(key=lambda one: -one[0])
    return [measured(patch, label, run, labels, word) for _, patch, label in rated[:KEPT]]


def measured(patch: Patch, label: int, run: LabelSearch, labels: Any, word: str) -> Record:
    """How faint and how small ``patch`` may be and still carry ``label``."""
    unit = unit_of(run.search_set.spec.shape)
    row: Record = {"from": word, "label": label, "cells": round(patch.side / unit, 2)}
    row |= driven(_opacity(patch, label, run), labels)
    if row["least_opacity"] is None:
        return {**row, "least_cells": None}
    small = driven(_smallest(patch, label, run.search_set, run.validation_set), labels)
    row["least_cells"] = round(small.side / unit, 2)
    faint = driven(_opacity(small, label, run), labels)
    return {**row, "least_opacity_of_smallest": faint["least_opacity"]}


def _opacity(change: Transform, label: int, run: LabelSearch) -> Asking[Record]:
    """The least opacity at which ``change`` carries fresh samples, and their share at each asked,
    from full opacity down.
    """
    images, shares = run.validation_set.pick(FRESH, label), []
    least = None
    for opacity in OPACITIES:
        faded = Faded(change, opacity)
        success = yield from success_on(run.validation_set, faded, label, images)
        shares.append(round(success.rate, 3))
        if success.rate < CARRIES:
            break
        least = opacity
    return {"least_opacity": least, "shares": shares}


def _smallest(
    patch: Patch, label: int, search_set: SampleSet, validation_set: SampleSet
) -> Asking[Patch]:
    """The smallest crop that carries fresh samples, cropped as the search crops."""
    trail, share = [patch], 1.0
    while share >= CARRIES and trail[-1].side > SMALLEST:
        smaller = crops(trail[-1], 1)
        images = search_set.pick(CROP_IMAGES, label)
        rates = (yield from search_set.hits([*smaller], label, images, "settle")).mean(axis=1)
        trail.append(smaller[int(rates.argmax())])
        share = float(rates.max())
    images = validation_set.pick(FRESH, label)
    for one in trail[:0:-1][:BACK]:
        success = yield from success_on(validation_set, one, label, images)
        if success.rate >= CARRIES:
            return one
    return patch
