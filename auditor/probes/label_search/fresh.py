"""Success of a change on samples that the search never saw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.probes.trigger_search.sample_set import Asking, SampleSet, Transform
from auditor.probes.trigger_search.verify import Interval, exact_interval

CARRIES = 0.8  # share of images that a change has to send to a label
FRESH = 40  # samples that are asked at most
CONFIDENCE = 0.95


def success_on(
    sample_set: SampleSet, change: Transform, label: int, images: NDArray[np.int64]
) -> Asking[Interval]:
    """Share of ``images`` of a set kept for verification that ``change`` sends to ``label``."""
    hits = yield from sample_set.hits([change], label, images, "verify")
    return exact_interval(int(hits.sum()), hits.size, CONFIDENCE)
