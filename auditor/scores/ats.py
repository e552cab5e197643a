"""Areas dominated by the triple samples (ATS), section 4.3 of the paper. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=np.int64)


def ats_by_region(
    label_map: NDArray[np.integer],
    nodes: NDArray[np.int64],
    classes: Sequence[int],
    threshold: float,
) -> float:
    """Areas dominated by triple samples, Eq. 4 and Figure 5, as the paper's code counts them.

    Args:
        label_map: ``(S, S)``.
        nodes: ``(3, 2)``, row and column of the grid node nearest to each sample.
        classes: true class of each sample.
        threshold: t; a region whose share reaches it counts 0.

    Returns:
        Sum over the samples of the share of the 8-connected region of the sample's true class
        that holds its node; 0 for a sample whose node carries another label.
    """
    labels = np.asarray(label_map)
    total = 0.0
    for (row, column), true_class in zip(nodes, classes, strict=True):
        if labels[row, column] != true_class:
            continue
        regions, _ = scipy.ndimage.label(labels == true_class, structure=EIGHT_NEIGHBOURS)
        share = float(np.count_nonzero(regions == regions[row, column])) / labels.size
        total += share if share < threshold else 0.0
    return total


def ats_by_label(
    shares: NDArray[np.float64], classes: Sequence[int], threshold: float, tie: float = 0.0
) -> float:
    """Sum of the whole shares of the three true ``classes``, each 0 if it reaches ``threshold``:
    the part of Eq. 4 that net points can estimate.

    A share of exactly ``threshold`` counts ``tie`` of itself: 0 as in the paper. From a few points
    that share is common, and the area behind it lies on either side as often, so estimates count
    half (see :func:`score_points`).
    """
    picked = np.array([shares[index] for index in classes], dtype=np.float64)
    counted = picked[picked < threshold].sum() + tie * picked[picked == threshold].sum()
    return float(counted)
