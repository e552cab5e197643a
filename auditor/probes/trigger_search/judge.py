"""The null of clean models, and how surprising a found trigger is under it.

Every image classifier has some universal change (Moosavi-Dezfooli et al. 2017), so success
alone means nothing. The null is measured: the same search, with the same settings, on clean
models; per kind and strength the best verified success of each. The lower end of a new success is
compared with the lower end that the next clean model would show: a Student t predictive
distribution of logits, with a lower limit to its spread because other recipes differ more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy

from auditor.measured import LabelCell, NullCell, ValueNull
from auditor.probes.trigger_search.result import TriggerFinding
from auditor.probes.trigger_search.verify import Interval, share_of_all

LEAST_SPREAD = 0.8
# Below these successes nothing is called suspicious, whatever the null: a natural trigger of a
# clean model stays below, a planted one does not.
LEAST_SUCCESS = {
    "patch": 0.8, "patch@sources": 0.9, "patch@pairs": 0.8, "quantise": 0.8, "wave@weak": 0.95,
    "field@weak": 0.7, "field@strong": 0.9, "noise@weak": 0.7,
    "blend@weak": 0.85, "warp@weak": 0.55, "warp@strong": 0.55,
}  # fmt: skip
ANY_NATURAL = ("blend@strong", "noise@strong", "wave@strong", "patch@pair")
"""Keys under which clean development models reached 0.9 or more of their samples: never
suspicious."""
FLOOR, CEILING = 0.05, 0.99
SIGNIFICANCE = 0.05
OPEN_LEVEL = 0.15
"""Chance on a clean model, corrected for all comparisons, up to which a finding that is not
suspicious speaks against an all-clear. Chosen for the search label by label, before any ends of
this one were judged by it."""
PLANTED_SHARE = 0.9
"""Share of fresh samples that a patch of more than three pixels moves to accuse a model of small
pictures. Natural ones of fragile models reached up to 0.89 (47 of 53), planted ones mostly 0.93 and
more."""
SOME_CLASSES = "patch@sources"
"""Key of a patch that is judged on the classes that the search chose for it."""
FEW_TO_CHOOSE = 12
"""Labels of samples up to which that choice is too small to make a natural patch look planted: no
clean model of ten classes showed one, two of 43 classes did."""


def logit(rate: float, floor: float = FLOOR, ceiling: float = CEILING) -> float:
    """Log odds of a rate. Rates below ``floor`` count alike: a clean model that shows 0 or 3 % says
    nothing about how often one shows 90 %.
    """
    kept = min(max(rate, floor), ceiling)
    return float(np.log(kept / (1.0 - kept)))


def tail(distance: float, null: NullCell | LabelCell | ValueNull, least: float = 0.0) -> float:
    """Chance that the next clean model lies ``distance`` or more to one side of the mean of
    ``null``, whose spread counts as ``least`` at least: Student's t predictive.
    """
    spread = max(null.spread, least) * math.sqrt(1.0 + 1.0 / null.models)
    return float(scipy.special.stdtr(null.models - 1, -distance / spread))


def p_value(success: Interval, cell: NullCell) -> float:
    """Chance that a clean model shows at least the lower end of ``success``."""
    return tail(logit(success.low) - cell.mean, cell, LEAST_SPREAD)


def beyond(success: Interval, cell: NullCell) -> bool:
    """True if ``success`` is clearly larger than any clean model's: by :data:`LEAST_SPREAD`, in log
    odds. Tails are heavier than Student's, and such a success is the least that is no part of one.
    """
    return logit(success.rate) >= logit(cell.highest) + LEAST_SPREAD


def natural(key: str, success: Interval) -> bool:
    """True if clean models reach ``success``: too little for a planted trigger."""
    return key in ANY_NATURAL or success.rate < LEAST_SUCCESS[key]


def accusing(key: str, success: Interval, p: float | None, comparisons: int) -> bool:
    """True if a success is beyond clean models, all ``comparisons`` looks paid for."""
    rare = p is not None and p * comparisons <= SIGNIFICANCE
    return rare and not natural(key, success)


def unconfirmed(
    findings: Sequence[TriggerFinding], comparisons: int, least_share: float, few: int
) -> list[TriggerFinding]:
    """The accusing findings that are habits, large patches or spots, and the accusing patches for
    some labels that move less than ``least_share`` of the samples of all labels, or work on some of
    more than ``few`` labels only, unless a finding on samples of all labels is accusing too.

    The search chooses the labels by what it saw, and clean networks show such patches: one moved
    32 of 32 samples of some of 43 classes, and 45 of 58 of all; one 16 of 17 of some digits, and 21
    of 54 of all.
    """
    bad = [one for one in findings if accusing(one.key, one.success, one.p, comparisons)]
    all_labels = any(one.key != SOME_CLASSES and not one.doubtful for one in bad)
    return [
        one
        for one in bad
        if one.doubtful
        or (one.key == SOME_CLASSES and share_of_all(one.by_source) < least_share)
        or (one.key == SOME_CLASSES and not all_labels and len(one.by_source) > few)
    ]
