"""Verification of a candidate on samples that the search never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import NDArray

from auditor.probes.trigger_search.sample_set import Asking, SampleSet, Transform

PILOT, PASSES = 20, 0.4
"""Validation samples that are asked first, and the share of hits below which no more are asked:
such a success is too low for a planted trigger, whatever the others show."""


@dataclass(frozen=True, slots=True)
class Interval:
    """``hits`` of ``images`` with the exact (Clopper-Pearson) interval of the rate."""

    hits: int
    images: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """Share of hits; 0 if nothing could be asked."""
        return self.hits / self.images if self.images else 0.0


def share_of_all(by_source: Mapping[int, Interval]) -> float:
    """Share of hits on samples of all labels together."""
    images = sum(one.images for one in by_source.values())
    return sum(one.hits for one in by_source.values()) / max(1, images)


def exact_interval(hits: int, images: int, confidence: float) -> Interval:
    """Two-sided Clopper-Pearson interval; (0, 1) if nothing could be asked."""
    tail = (1.0 - confidence) / 2.0
    below, above = images - hits + 1, images - hits
    low = float(scipy.special.betaincinv(hits, below, tail)) if hits else 0.0
    high = float(scipy.special.betaincinv(hits + 1, above, 1.0 - tail)) if above else 1.0
    return Interval(hits, images, low, high)


@dataclass(frozen=True, eq=False)
class Verified:
    """A candidate and its effect on validation samples.

    Attributes:
        transform, target: the candidate and the label it was searched for.
        success: share of validation samples, not of the target already, sent to the target.
        changed: share of all validation samples whose label changed at all.
        by_source: for each clean label among the validation samples: hits and images.
        searched: share on the last search images, for comparison (optimistic).
        habit: True if a plain change does as much (:mod:`.controls`).
        large: True if it is a patch of which no small part does it.
        spot: True if it is a patch of which a plain spot nearby does much.
    """

    transform: Transform
    target: int
    success: Interval
    changed: Interval
    by_source: dict[int, Interval]
    searched: float
    habit: bool = False
    large: bool = False
    spot: bool = False

    @property
    def doubtful(self) -> bool:
        """True if clean models show such changes however successful they are."""
        return self.habit or self.large or self.spot


def verify(
    sample_set: SampleSet,
    transform: Transform,
    target: int,
    searched: float,
    most: int,
    confidence: float,
) -> Asking[Verified]:
    """Ask ``transform`` on at most ``most`` validation samples that are not ``target`` already."""
    images = sample_set.pick(most, target)
    if not len(images):
        nothing = exact_interval(0, 0, confidence)
        return Verified(transform, target, nothing, nothing, {}, searched)
    first, rest = images[:PILOT], images[PILOT:]
    labels = (yield from sample_set.labels_of([transform], first, "verify"))[0]
    if len(rest) and (labels == target).mean() >= PASSES:
        more = (yield from sample_set.labels_of([transform], rest, "verify"))[0]
        labels = np.concatenate([labels, more])
    images = images[: len(labels)]
    clean = sample_set.labels[images]
    sources = {
        int(label): _count((labels == target)[clean == label], confidence)
        for label in np.unique(clean)
    }
    success, changed = _count(labels == target, confidence), _count(labels != clean, confidence)
    return Verified(transform, target, success, changed, sources, searched)


def on_sources(found: Verified, sources: tuple[int, ...], confidence: float) -> Verified:
    """The same answers, but only on samples of the clean labels ``sources``, for attacks on some
    source classes. The labels were chosen on search images, so the validation samples are as
    independent as before.
    """
    counts = [found.by_source[label] for label in sources if label in found.by_source]
    hits, images = sum(one.hits for one in counts), sum(one.images for one in counts)
    return replace(found, success=exact_interval(hits, images, confidence))


def _count(hits: NDArray[np.bool_], confidence: float) -> Interval:
    return exact_interval(int(hits.sum()), len(hits), confidence)
