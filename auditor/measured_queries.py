"""What trigger searches of reference models asked: what ``xray-audit plan`` expects.

Written by examples/benchmarks/queries.py: the zoo's held-out models, one search each.
"""

from __future__ import annotations

from typing import NamedTuple


class Asked(NamedTuple):
    """Queries of the searches that ended alike.

    Attributes:
        searches: how many.
        mean: of their queries.
        low, high: their 5th and 95th percentile.
    """

    searches: int
    mean: float
    low: int
    high: int


BUDGET = 5400
"""Budget of those searches: what they asked says nothing about searches with another one."""
FOUND = Asked(59, 3200.0, 800, 7350)
NOT_FOUND = Asked(49, 6050.0, 5858, 6323)
