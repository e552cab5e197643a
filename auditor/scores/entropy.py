"""Rényi entropy of label shares, Eq. 3 of the paper. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def renyi_entropy(shares: NDArray[np.float64], alpha: float) -> float:
    """Rényi entropy of order ``alpha`` in bits, Eq. 3: ``log2(sum p^alpha) / (1 - alpha)``.

    ``shares`` sum to 1; shares of zero drop out. ``alpha`` = 1 is the Shannon limit and infinity
    the min-entropy. The result lies between 0 (one label) and ``log2(classes)``.

    Raises:
        ValueError: ``alpha`` below 1.
    """
    if not alpha >= 1.0:
        raise ValueError(f"alpha is {alpha}, it must be at least 1")
    p = np.asarray(shares, dtype=np.float64)
    p = p[p > 0.0]
    top = float(p.max())
    if alpha == 1.0:
        bits = -float((p * np.log2(p)).sum())
    elif np.isinf(alpha):
        bits = -float(np.log2(top))
    elif alpha < 2.0:
        # Near 1 both sides of the quotient vanish; written as 1 + something, they keep digits.
        beyond_one = float((p * np.expm1((alpha - 1.0) * np.log(p))).sum())
        bits = float(np.log1p(beyond_one)) / (np.log(2.0) * (1.0 - alpha))
    else:
        # The largest share is taken out of the sum, so that no power underflows.
        rest = float(np.log2(((p / top) ** alpha).sum()))
        bits = -float(np.log2(top)) * (alpha / (alpha - 1.0)) - rest / (alpha - 1.0)
    return min(max(0.0, bits), float(np.log2(p.size)))
