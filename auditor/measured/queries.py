"""What trigger searches of reference models asked: what ``xray-audit plan`` expects.

Written by examples/benchmarks/queries.py: searches of the zoo's development models with the
shipped settings, two of each.
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


BUDGET = 5200
"""Budget of those searches: what they asked says nothing about searches with another one."""
FOUND = Asked(243, 2006.8, 567, 6063)
NOT_FOUND = Asked(241, 5724.2, 5306, 6618)
