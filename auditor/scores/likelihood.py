"""Weight of an end of an audit, from two counts. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.scores.intervals import binomial_rate


@dataclass(frozen=True, slots=True)
class Weight:
    """The weight of an end for one kind of model against another.

    Attributes:
        ratio: of the two rates; with half a model added to each count, so that none is 0.
        low: of the lower end of the one rate to the upper end of the other (95 % each).
    """

    ratio: float
    low: float


def likelihood_ratio(hits: int, n: int, other_hits: int, other_n: int) -> Weight:
    """The likelihood ratio of an end that ``hits`` of ``n`` models and ``other_hits`` of
    ``other_n`` models of the other kind came to.

    Raises:
        ValueError: no models of a kind.
    """
    one, other = binomial_rate(hits, n), binomial_rate(other_hits, other_n)
    ratio = (hits + 0.5) / (n + 1) / ((other_hits + 0.5) / (other_n + 1))
    return Weight(ratio, one.low / other.high)
