"""The trigger search of a report."""

from __future__ import annotations

from typing import Any

from auditor.report.result.base import (
    Count,
    Fraction,
    HeldOutRates,
    Label,
    Many,
    Pair,
    Part,
    SharePart,
)


class FindingPart(Part):
    """One fixed change and its effect on fresh samples."""

    family: str
    """patch, field (smooth pattern), noise, blend (with a fixed pattern), wave, warp or
    quantise."""
    key: str
    """Family and strength class, by which clean models' own findings are looked up."""
    target: Label
    """Label the change sends samples to."""
    size: int
    """Side of the patch in pixels, control points per side, waves, or grey levels."""
    strength: float
    """Amplitude in 8-bit levels, mean shift in pixels, or distance between grey levels; 255 for a
    patch."""
    place: Pair[int] | None
    """Row and column of a patch's upper left corner; null for the others."""
    success: SharePart
    """Fresh samples, not of the target already, that get the target's label."""
    changed: SharePart
    """Fresh samples whose label changes at all."""
    by_source: dict[str, SharePart]
    """The success by the label that the sample had before."""
    searched: Fraction
    """Success on the search's own samples: optimistic."""
    p: Fraction | None
    """Chance on a clean model in a single comparison."""
    texture: Many[Any] | None
    """The change itself: pixels pasted (c, k, k), levels added (c, h, w), or shifts (2, h, w); null
    if left out or without texture."""

    @property
    def of_some(self) -> bool:
        """True if ``success`` counts only samples of labels that the search chose."""
        return self.key == "patch@sources"

    @property
    def of_several(self) -> bool:
        """True if it is one of several pairs of labels that one patch moves; ``success`` counts the
        samples of one of them.
        """
        return self.key == "patch@several"

    @property
    def of_all(self) -> tuple[int, int]:
        """Samples of every label before that the change moves, and their number."""
        if not self.of_some:
            return self.success.hits, self.success.samples
        parts = self.by_source.values()
        return sum(one.hits for one in parts), sum(one.samples for one in parts)


class ShownLabels(Part):
    """Labels of a few samples without and with a change."""

    clean_labels: Many[Label]
    """Label of each shown sample as it is."""
    changed_labels: Many[Label]
    """Label of the same sample with the change applied."""

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Label of each shown sample as it is and with the change."""
        return list(zip(self.clean_labels, self.changed_labels, strict=True))


class OtherSearchPart(Part):
    """The other of two searches of small pictures, which speaks less against the model."""

    by_label: bool
    """True if it sought the least change that carries a label, False if the most successful."""
    kinds: Count
    """Kinds of change that it tried."""
    p: Fraction | None
    """As in the search that is shown."""
    best: FindingPart | None
    """Its most surprising finding, without texture."""


class TriggerPart(Part):
    """Outcome of the search for a universal trigger."""

    suspicious: bool
    """True if a found change goes beyond those of clean models; the verdict then rests on it."""
    natural: bool = False
    """True if the search ended with a patch that clean references of the profile show too; it then
    neither accuses nor clears, and sought no others."""
    p: Fraction | None
    """Chance of the best finding on a clean model, corrected for all comparisons; null if the
    findings of clean models are not known."""
    reason: str
    """The outcome in one sentence."""
    queries: Count
    """Inputs the search asked, the clean samples included."""
    queries_by_stage: dict[str, Count]
    """The same by stage of the search."""
    looks: Count
    """Verifications made on fresh samples."""
    looks_paid: Count
    """Number of comparisons that the p-value is corrected for."""
    search_samples: Count
    """Samples the search worked on."""
    fresh_samples: Count
    """Samples kept for verification, which the search never saw."""
    best: FindingPart | None
    """The most surprising finding; null if nothing was verified."""
    findings: Many[FindingPart]
    """The best finding of each kind and strength, most surprising first; textures left out."""
    shown: ShownLabels
    """Samples shown on the page: their labels as they are and with the best change."""
    held_out: HeldOutRates | None = None
    """Error rates of the search on models it was not made from; null if they are not known for this
    kind of input."""
    other: OtherSearchPart | None = None
    """The other search, if small pictures were searched in both ways; queries are those of both."""
    alone: Count = 0
    """Labels whose samples were searched by themselves, by audits since plan version 11."""
    alone_judged: bool = False
    """True if those were of pictures of more than 40 pixels, and clean models to judge them by were
    measured, by audits since plan version 12."""
