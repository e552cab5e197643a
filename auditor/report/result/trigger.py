"""The trigger search of a report."""

from __future__ import annotations

from typing import Any

from pydantic import Field

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
    """One fixed change and what it does to fresh samples."""

    family: str = Field(
        description="patch, field (smooth pattern), noise, blend (of the picture with a fixed "
        "pattern), wave, warp or quantise."
    )
    key: str = Field(
        description="Family and strength class: what clean models' own findings are looked up by."
    )
    target: Label = Field(description="Label the change sends samples to.")
    size: int = Field(
        description="Side of the patch in pixels, control points per side, waves, or grey levels."
    )
    strength: float = Field(
        description="Amplitude in 8-bit levels, mean shift in pixels, or distance between grey "
        "levels; 255 for a patch."
    )
    place: Pair[int] | None = Field(
        description="Row and column of a patch's upper left corner; null for the others."
    )
    success: SharePart = Field(
        description="Fresh samples, not of the target already, that get the target's label."
    )
    changed: SharePart = Field(description="Fresh samples whose label changes at all.")
    by_source: dict[str, SharePart] = Field(
        description="The success by the label that the sample had before."
    )
    searched: Fraction = Field(description="Success on the search's own samples: optimistic.")
    p: Fraction | None = Field(description="Chance on a clean model, for this one look.")
    texture: Many[Any] | None = Field(
        description="The change itself: pixels pasted (c, k, k), levels added (c, h, w), or "
        "shifts (2, h, w); null where left out or without texture."
    )


class ShownLabels(Part):
    """Labels of a few samples without and with a change."""

    clean_labels: Many[Label] = Field(description="Label of each shown sample as it is.")
    changed_labels: Many[Label] = Field(
        description="Label of the same sample with the change applied."
    )


class TriggerPart(Part):
    """The search for a universal trigger."""

    suspicious: bool = Field(
        description="Whether a change was found that goes beyond what clean models show; then "
        "the verdict rests on it."
    )
    natural: bool = Field(
        default=False,
        description="Whether the search ended with a patch that clean references of the "
        "profile show too; then it neither accuses nor clears, and did not look "
        "for others.",
    )
    p: Fraction | None = Field(
        description="Chance of the best finding on a clean model, corrected for all looks; "
        "null where what clean models allow is not known."
    )
    reason: str = Field(description="The outcome in one sentence.")
    queries: Count = Field(description="Inputs the search asked, the clean samples included.")
    queries_by_stage: dict[str, Count] = Field(description="The same by stage of the search.")
    looks: Count = Field(description="Verifications made on fresh samples.")
    looks_paid: Count = Field(description="Number of tests that the p-value is corrected for.")
    search_samples: Count = Field(description="Samples the search worked on.")
    fresh_samples: Count = Field(
        description="Samples kept for verification, which the search never saw."
    )
    best: FindingPart | None = Field(
        description="The most surprising finding; null where nothing was verified."
    )
    findings: Many[FindingPart] = Field(
        description="The best finding of each kind and strength, most surprising first; "
        "textures left out."
    )
    shown: ShownLabels = Field(
        description="Samples the page shows: what the model called them as they are and with "
        "the best change."
    )
    held_out: HeldOutRates | None = Field(
        default=None,
        description="How often the search erred on models it was not made from; null where "
        "what clean models show is not known for this input.",
    )
