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


BUDGET = 4400
"""Budget of those searches: what they asked says nothing about searches with another one."""
FOUND = Asked(137, 1820.9, 564, 5515)
NOT_FOUND = Asked(133, 4939.0, 4369, 6186)
