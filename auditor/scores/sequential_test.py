"""A test that may be repeated after every value without erring more often. Pure.

A fixed-sample interval that is compared after every round errs far more often than stated. Here
no comparison costs anything: the evidence is a bet against "the mean is exactly the threshold", a
nonnegative martingale that starts at 1. By Ville's inequality it ever reaches ``2 / error`` with
probability at most ``error / 2``, however often and whenever it is compared (Waudby-Smith and
Ramdas 2024, "Estimating means of bounded random variables by betting", hedged capital).

The caller asks :func:`decide_side` after each round and stops at the first side it names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Side = Literal["above", "below"]

MAX_BET = 0.75
"""Largest share of the capital that is put on one value."""
TYPICAL_VALUES = 24
"""Number of values that the stakes are best for; any number is valid."""


@dataclass(frozen=True, slots=True)
class EarlyRule:
    """A decision that may be made early, and its error.

    Attributes:
        threshold: value that the mean is compared with.
        low, high: the values lie between these.
        error: probability that a mean that is at the threshold, or on its other side, is ever
            called wrongly, at any number of comparisons; in (0, 1).
    """

    threshold: float
    low: float
    high: float
    error: float = 0.01

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"values from {self.low} to {self.high} leave nothing to decide")
        if not 0.0 < self.error < 1.0:
            raise ValueError(f"the error is {self.error}, it must lie between 0 and 1")


def decide_side(values: Sequence[float], rule: EarlyRule) -> Side | None:
    """Side of the threshold that the mean of the values' distribution lies on; None if open.

    ``values`` are in the order they arrived. Their conditional mean, given those before, must be
    the one mean that is asked about: independent values, or means of independent blocks. Values
    beyond the rule's ends are moved to the end, which can only hide a difference.
    """
    middle = (rule.threshold - rule.low) / (rule.high - rule.low)
    if middle <= 0.0 or middle >= 1.0:
        # No distribution on the ends has a mean beyond them.
        return None
    scaled = np.clip((np.asarray(values) - rule.low) / (rule.high - rule.low), 0.0, 1.0)
    needed = np.log(2.0 / rule.error)
    sides: tuple[tuple[Side, float, float], ...] = (
        ("above", 1.0, middle),
        ("below", -1.0, 1.0 - middle),
    )
    wealth: dict[Side, float] = {"above": 0.0, "below": 0.0}
    bets = _bets(scaled, rule.error)
    for value, bet in zip(scaled, bets, strict=True):
        for side, sign, room in sides:
            stake = min(bet, MAX_BET / room)
            wealth[side] += float(np.log1p(sign * stake * (value - middle)))
            if wealth[side] >= needed:
                return side
    return None


def _bets(scaled: NDArray[np.float64], error: float) -> list[float]:
    """The stake on each value, from the values before it alone: large if they vary little."""
    bets = []
    total, squares = 0.5, 0.25
    for number, value in enumerate(scaled, 1):
        variance = squares / number
        bets.append(float(np.sqrt(2.0 * np.log(2.0 / error) / (variance * TYPICAL_VALUES))))
        total += float(value)
        squares += (float(value) - total / (number + 1)) ** 2
    return bets
