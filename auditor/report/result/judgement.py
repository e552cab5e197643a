"""Scores of a report, the thresholds and the references that they were judged by."""

from __future__ import annotations

from typing import Annotated

from auditor.report.result.base import (
    AccessMode,
    Amount,
    Count,
    EstimatePart,
    Fraction,
    FreeForm,
    HeldOutRates,
    HexDigest,
    Many,
    Part,
    RatePart,
    ScoreName,
    Shares,
    text,
    words,
)


class DecisionLabel(Part):
    """Evidence for one label being a backdoor's target."""

    label: Count
    """Index of the label."""
    value: Amount
    """trigger plus families."""
    trigger: Amount
    """Minus log10 of the single-comparison p-value of the strongest trigger found for it; half of
    it, at most 1, if clean models reach such a success; 0 without one."""
    trigger_key: str
    """Kind and strength of that trigger, or empty."""
    families: Amount
    """Share of the probe families: their weight times their mean excess, if positive."""
    excess: dict[str, float]
    """By family: excess of perturbed samples that get the label over clean references, in standard
    deviations, at most 4 either way. Empty without references."""
    said_by: Many[str]
    """Kinds of probe that make up most of the value: trigger search, families."""


class DecisionPart(Part):
    """The decision rule's result: for each label the weight of the strongest trigger found for it
    plus what the probe families add; the largest sum is the value.
    """

    value: Amount
    """Higher is more suspicious."""
    p: Fraction
    """Chance that the next clean model shows at least this value."""
    level: Fraction
    """The stated false-positive rate: p-values up to it count as suspicious."""
    suspicious: bool
    """True if the value counts as suspicious and the rule's measured rate of false alarms supports
    saying so."""
    targets: Many[Count]
    """Suspected target labels; empty if nothing is suspicious."""
    reason: str
    """The same in words."""
    references: Count
    """Clean references the families were compared with; 0 if the trigger search alone counts."""
    error_rates: HeldOutRates | None = None
    """Error rates of the rule on models it was not made from."""
    shift: Amount | None
    """Distance from the references: mean square of the standardised differences in accuracy and in
    the share of perturbed samples that change their label. About 1 among like models; a larger
    shift lowers the families' weight."""
    labels: Many[DecisionLabel]
    """Evidence for the most suspicious labels, strongest first."""


class ScoresPart(Part):
    """Means over planes, and the decision rule's result."""

    re: EstimatePart | None = None
    """Rényi entropy of the label shares in bits, 0 to log2(number of classes)."""
    ats: EstimatePart | None = None
    """Areas dominated by the triple samples, counted by connected region: share of the plane, 0 to
    1."""
    ats_by_label: EstimatePart | None = None
    """The same counted by whole label share, 0 to 1."""
    shares: Shares | None
    """Mean over planes of each label's share, by label index; null or empty if no plane was
    scored."""
    decision: DecisionPart | None = None
    """The decision rule's result from trigger search and probe families beside clean references;
    null if neither was asked to its end."""

    def estimate(self, name: str) -> EstimatePart | None:
        """One of the means; None if there is none of that name."""
        return {"re": self.re, "ats": self.ats, "ats_by_label": self.ats_by_label}.get(name)


class ReferenceCounts(Part):
    """Number of reference models."""

    clean: Count
    """Clean ones."""
    backdoored: Count
    """Backdoored ones."""


class ThresholdPart(Part):
    """One threshold, in the score's own unit."""

    value: float
    """The threshold."""
    low: float | None = None
    """Smallest of the per-attack thresholds that it averages (Eq. 6)."""
    high: float | None = None
    """Largest of the per-attack thresholds that it averages."""


class ErrorRatesPart(Part):
    """Error rates of the whole procedure on the references, each judged by a profile without it."""

    false_positive: RatePart | None = None
    """Clean models flagged."""
    false_negative: RatePart | None = None
    """Backdoored models not flagged."""


class ProfilePart(Part):
    """A reference profile, written by calibration on models of known state."""

    name: str
    """Name of the profile."""
    status: Annotated[str, words("calibrated", "provisional", "published")]
    """calibrated: on enough reference models of this task. provisional: on few. published: taken
    from a publication, not measured here."""
    digest: HexDigest | None = None
    """Hex digest of the profile file."""
    task: str | FreeForm | None = None
    """Task the profile was calibrated for. Extension point: text, or an object with details."""
    access: AccessMode | None = None
    """Access mode it was calibrated in; equal to the audit's."""
    coding: Annotated[str, text("^(lossless|jpeg:([1-9][0-9]?|100)(/444)?)$")] | None = None
    """Coding of its pictures: lossless, or jpeg:QUALITY. Its thresholds decide nothing if this
    audit's pictures were coded otherwise."""
    provenance: str | FreeForm | None = None
    """Source of the profile. Extension point: text, or an object with details."""
    references: ReferenceCounts | None = None
    """Number of reference models."""
    decides_by: ScoreName | None = None
    """The one score that the verdict would rest on; a published profile decides nothing."""
    thresholds: dict[ScoreName, ThresholdPart]
    """Threshold of each score; a score at or below it is flagged."""
    error_rates: ErrorRatesPart | None = None
    """Error rates of the whole procedure on the references, each judged without itself."""


class ComparisonPart(Part):
    """One score against its threshold."""

    score: ScoreName
    """The score compared: a key of scores."""
    value: float | None
    """Mean score of this audit, in the score's unit."""
    threshold: float | None
    """Threshold of the profile, in the same unit."""
    at_or_below: bool | None
    """True if value <= threshold: flagged."""
    decides: bool
    """True if the verdict rests on this score."""
    note: str | None = None
    """Remark in words; may be empty."""
