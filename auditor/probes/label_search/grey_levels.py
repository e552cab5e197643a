"""The most grey levels that carry a label: quantisation weakened as far as it goes.

A natural change of tone needs few levels; a planted one (BppAttack, Wang et al. 2022) works at
many. Levels are asked from many to few, plain and dithered, and the first that carries enough of
the search images is asked on fresh samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.probes.label_search.fresh import CARRIES, FRESH, success_on
from auditor.probes.trigger_search.sample_set import Asking, SampleSet
from auditor.probes.trigger_search.transforms import Quantise
from auditor.probes.trigger_search.verify import Interval

LEVELS = (32, 16, 8, 6, 4, 3)
IMAGES = 16


@dataclass(frozen=True, eq=False)
class FewLevels:
    """A quantisation that carries ``label``."""

    change: Quantise
    label: int
    success: Interval


def most_grey_levels(search_set: SampleSet, validation_set: SampleSet) -> Asking[list[FewLevels]]:
    """For every label the quantisation of the most levels that carries it; none for most."""
    found: dict[int, FewLevels] = {}
    for levels in LEVELS:
        for dithered in (False, True):
            change = Quantise(levels, dithered)
            images = search_set.pick(IMAGES)
            labels = (yield from search_set.labels_of([change], images, "grey levels"))[0]
            shares = search_set.shares(labels[None], images)[0]
            for label in np.flatnonzero(shares >= CARRIES).tolist():
                fresh = validation_set.pick(FRESH, label)
                success = yield from success_on(validation_set, change, label, fresh)
                if label not in found and success.rate >= CARRIES:
                    found[label] = FewLevels(change, label, success)
    return list(found.values())
