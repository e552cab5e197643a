"""What clean models allow, and how surprising a found trigger is in that light.

Every image classifier has some universal change (Moosavi-Dezfooli et al. 2017), so success
alone means nothing. The null is measured: the same search, with the same settings, on clean
models; per family and strength the best verified success of each. A new success is compared
with what the next clean model would show: the Student t predictive distribution of the
logit success, with a lower limit to its spread because other recipes differ more than ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from auditor.probes.trigger.verify import Interval


@dataclass(frozen=True, slots=True)
class NullCell:
    """Clean models' best success for one family and strength.

    Attributes:
        mean: of the logit success over clean models.
        spread: its standard deviation.
        models: how many clean models.
        highest: largest success of any of them.
    """

    mean: float
    spread: float
    models: int
    highest: float


LEAST_SPREAD = 0.8
LEAST_SUCCESS = 0.5


def logit(rate: float) -> float:
    """Log odds of a rate, kept off 0 and 1."""
    kept = min(max(rate, 0.005), 0.995)
    return float(np.log(kept / (1.0 - kept)))


def null_cell(successes: list[float]) -> NullCell:
    """Summarise the best success of each of at least two clean models."""
    values = np.array([logit(rate) for rate in successes])
    return NullCell(
        float(values.mean()), float(values.std(ddof=1)), len(values), float(max(successes))
    )


def p_value(success: Interval, cell: NullCell) -> float:
    """Chance that a clean model shows at least the lower end of ``success``."""
    spread = max(cell.spread, LEAST_SPREAD) * np.sqrt(1.0 + 1.0 / cell.models)
    return float(student.sf((logit(success.low) - cell.mean) / spread, cell.models - 1))
