"""The result of a search."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.probes.label_search.settings import Effort
from auditor.probes.trigger_search.verify import Interval


@dataclass(frozen=True, eq=False)
class TriggerFinding:
    """The best candidate of one kind at one strength.

    Attributes:
        kind: "patch", "field", "noise", "blend", "wave", "warp" or "quantise".
        key: kind and strength class, the key of the null ("field@weak").
        target: the label it sends images to.
        size: side of the patch, control points, waves or grey levels.
        strength: amplitude in 8-bit levels, shift in pixels, distance between grey levels;
            255 for a patch.
        place: row and column of a patch's upper left corner, None for the others.
        success, changed, by_source, searched: those of :class:`~.verify.Verified`.
        texture: values pasted ``(c, k, k)`` uint8, added ``(c, h, w)`` or shifted by
            ``(2, h, w)``; None for quantisation.
        p: chance that a clean model shows as much in one comparison; None without a null.
        habit: True if a plain change does as much (:mod:`.controls`).
        large: True if it is a patch of which no small part does it, or that moves too few samples
            to be a planted one.
        spot: True if it is a patch of which a plain spot nearby does much.
        unconfirmed: True if it would accuse, and is a habit, a large patch or a spot, moves too few
            samples of all labels or was searched for again in vain.
    """

    kind: str
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
    habit: bool = False
    large: bool = False
    unconfirmed: bool = False
    spot: bool = False

    @property
    def doubtful(self) -> bool:
        """True if clean models show such changes however successful they are."""
        return self.habit or self.large or self.spot


@dataclass(frozen=True, slots=True)
class ByLabel:
    """Terms of a search label by label.

    Attributes:
        effort: of the search.
        classes: number of classes of the samples.
        weakness: True if something was found that is not suspicious, but that too few clean models
            show to call the model free of a trigger.
        earlier: efforts of earlier searches of the same model.
        looks: searches that the p-value pays for: this one, and the earlier ones that could accuse.
        habits: labels that the model falls back on, which random noise leads to.
    """

    effort: Effort
    classes: int
    weakness: bool
    earlier: tuple[Effort, ...] = ()
    looks: int = 1
    habits: AbstractSet[int] = frozenset()


@dataclass(frozen=True, eq=False)
class TriggerResult:
    """The outcome of one search.

    Attributes:
        findings: per key the best one, most surprising first.
        best: the most surprising finding, None if nothing could be verified.
        suspicious: True if clean models do not show ``best``, corrected for all comparisons.
        p: Bonferroni-corrected chance of ``best`` on a clean model.
        queries, spent: queries in all, clean samples included, and by stage.
        verifications: number of verifications.
        comparisons: factor of the p-value: the number of keys, for every search of the model.
        search_images, validation_images: samples used by the search, and kept for verification.
        preview: the first validation samples with ``best`` applied, ``(n, c, h, w)`` uint8.
        preview_clean: the same samples unchanged.
        preview_clean_labels: the model's labels of the unchanged samples, ``(n,)``.
        by_label: if it was searched label by label for the least change, the search's terms.
        other: outcome of the other search of small pictures, where both were made; ``queries`` and
            ``spent`` are those of both.
        alone: labels whose samples were searched by themselves, by plans since version 11.
        alone_judged: True if those were of larger pictures, and clean models to judge them by were
            measured.
    """

    findings: tuple[TriggerFinding, ...]
    best: TriggerFinding | None
    suspicious: bool
    p: float | None
    queries: int
    spent: dict[str, int]
    verifications: int
    comparisons: int
    search_images: int
    validation_images: int
    preview: NDArray[np.uint8]
    preview_clean: NDArray[np.uint8]
    preview_clean_labels: NDArray[np.int64]
    by_label: ByLabel | None = None
    other: TriggerResult | None = None
    alone: int = 0
    alone_judged: bool = False

    @property
    def of_success(self) -> TriggerResult | None:
        """The outcome of the search for the most successful change; None if there was none."""
        return self if self.by_label is None else self.other
