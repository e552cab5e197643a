"""Neural Cleanse's anomaly index and MM-BD's p-value from the statistics of ``methods``.

No torch here: the statistics are committed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONSISTENCY = 1.4826
"""Standard deviations per median absolute deviation of a normal distribution."""
ANOMALOUS = 2.0
"""Neural Cleanse's published bar on the anomaly index."""
SIGNIFICANT = 0.05
"""MM-BD's published bar on the p-value."""


@dataclass(frozen=True)
class WhiteBox:
    """The scores of both methods for one model.

    Attributes:
        index: Neural Cleanse's anomaly index of the smallest mask, higher is more suspicious.
        cleanse_target: the class of that mask.
        surprise: minus log10 of MM-BD's p-value.
        margin_target: the class with the largest margin.
    """

    index: float
    cleanse_target: int
    surprise: float
    margin_target: int

    @property
    def cleanse_flags(self) -> bool:
        """True if Neural Cleanse calls it backdoored."""
        return self.index > ANOMALOUS

    @property
    def margin_flags(self) -> bool:
        """True if MM-BD calls it backdoored."""
        return self.surprise >= -math.log10(SIGNIFICANT)


def score(norms: Sequence[float], margins: Sequence[float]) -> WhiteBox:
    """Both scores from per-class statistics."""
    sizes = np.asarray(norms, dtype=np.float64)
    tops = np.asarray(margins, dtype=np.float64)
    return WhiteBox(
        anomaly_index(sizes), int(sizes.argmin()), margin_surprise(tops), int(tops.argmax())
    )


def anomaly_index(norms: NDArray[np.float64]) -> float:
    """How far the smallest mask norm lies below the median, in normalised median deviations."""
    median = float(np.median(norms))
    spread = CONSISTENCY * float(np.median(np.abs(norms - median)))
    return (median - float(norms.min())) / max(spread, 1e-9)


def margin_surprise(margins: NDArray[np.float64]) -> float:
    """Minus log10 of MM-BD's p-value: a gamma distribution fitted to all margins but the
    largest, and the chance that the largest of as many draws as classes exceeds that.
    """
    top = int(margins.argmax())
    if np.ptp(margins) == 0:
        return 0.0
    shape, loc, scale = stats.gamma.fit(np.delete(margins, top))
    one = float(stats.gamma.logsf(margins[top], shape, loc=loc, scale=scale))
    # 1 - (1 - q) ** K, of which K q is the limit for the smallest q.
    every = np.log(len(margins)) + one
    if one > -20.0:
        every = float(np.log(max(-np.expm1(len(margins) * np.log1p(-np.exp(one))), 1e-300)))
    return float(min(300.0, -every / np.log(10.0)))
