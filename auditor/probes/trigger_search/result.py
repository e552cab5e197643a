"""What a search hands back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.probes.trigger_search.verify import Interval


@dataclass(frozen=True, eq=False)
class Finding:
    """The best candidate of one family at one strength.

    Attributes:
        family: "patch", "field", "wave", "warp" or "quantise".
        key: family and strength class, what the null is looked up by ("field@20").
        target: the label it sends images to.
        size: side of the patch, control points, waves or grey levels.
        strength: amplitude in 8-bit levels, shift in pixels, distance between grey levels;
            255 for a patch.
        place: row and column of a patch's upper left corner, None for the others.
        success: on fresh samples that are not of the target already.
        changed: share of the same samples whose label changed at all.
        by_source: the same success per clean label.
        searched: share on the images of the search itself (optimistic).
        texture: what is pasted ``(c, k, k)`` uint8, added ``(c, h, w)`` or shifted by
            ``(2, h, w)``; None for quantisation.
        p: chance that a clean model shows as much, one look; None without a null.
    """

    family: str
    key: str
    target: int
    size: int
    strength: float
    place: tuple[int, int] | None
    success: Interval
    changed: Interval
    by_source: dict[int, Interval]
    searched: float
    texture: NDArray[np.generic] | None
    p: float | None


@dataclass(frozen=True, eq=False)
class TriggerResult:
    """The outcome of one search.

    Attributes:
        findings: per key the best one, most surprising first.
        best: the most surprising finding, None where nothing could be verified.
        suspicious: whether ``best`` is beyond what clean models show, all looks paid for.
        p: Bonferroni-corrected chance of ``best`` on a clean model.
        queries: in all, clean samples included.
        spent: the same by stage.
        looks: verifications made; ``paid`` tests were paid for.
        paid: number of keys the p-value was multiplied by.
        search_images: samples the search used.
        fresh_images: samples kept for verification.
        preview: the first fresh samples with ``best`` applied, ``(n, c, h, w)`` uint8.
        preview_clean: the same samples unchanged.
        preview_clean_labels: what the model calls them unchanged, ``(n,)``.
    """

    findings: tuple[Finding, ...]
    best: Finding | None
    suspicious: bool
    p: float | None
    queries: int
    spent: dict[str, int]
    looks: int
    paid: int
    search_images: int
    fresh_images: int
    preview: NDArray[np.uint8]
    preview_clean: NDArray[np.uint8]
    preview_clean_labels: NDArray[np.int64]
