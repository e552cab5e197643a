"""Scores of a report, and what they were judged by."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

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

    label: Count = Field(description="Index of the label.")
    value: Amount = Field(description="trigger plus families.")
    trigger: Amount = Field(
        description="Minus log10 of the one-look p-value of the strongest trigger found for "
        "it; half of it, at most 1, where honest models reach such a success; 0 "
        "without one."
    )
    trigger_key: str = Field(description="Which search found that trigger, or empty.")
    families: Amount = Field(
        description="What the families add: the weight times their mean excess where it is "
        "positive."
    )
    excess: dict[str, float] = Field(
        description="By family: how many standard deviations more often disturbed samples "
        "drift to the label than with clean references, at most 4 either way. "
        "Empty without references."
    )
    said_by: Many[str] = Field(
        description="The kinds of probe that make up most of the value: trigger search, families."
    )


class DecisionPart(Part):
    """The decision rule's result: for each label the weight of the strongest trigger found for it
    plus what the probe families add; the largest sum is the value.
    """

    value: Amount = Field(description="Higher is more suspicious.")
    p: Fraction = Field(description="Chance that the next clean model shows at least this value.")
    level: Fraction = Field(
        description="The stated false-positive rate: p-values up to it count as suspicious."
    )
    suspicious: bool = Field(
        description="Whether the value counts as suspicious and the rule's measured rate of "
        "false alarms supports saying so."
    )
    targets: Many[Count] = Field(
        description="Suspected target labels; empty where nothing is suspicious."
    )
    reason: str = Field(description="The same in words.")
    references: Count = Field(
        description="Clean references the families were compared with; 0 where the trigger "
        "search alone counts."
    )
    error_rates: HeldOutRates | None = Field(
        default=None, description="How often the rule erred on models it was not made from."
    )
    shift: Amount | None = Field(
        description="How unlike the references the model is: mean square of standardised "
        "differences in accuracy and in how often disturbed samples change their "
        "label. About 1 among like models. A larger shift lowers what the families "
        "add."
    )
    labels: Many[DecisionLabel] = Field(
        description="Evidence for the most suspicious labels, strongest first."
    )


class ScoresPart(Part):
    """Means over planes, and what the decision rule made of everything asked."""

    re: EstimatePart | None = Field(
        default=None,
        description="Rényi entropy of the label shares in bits, 0 to log2(number of classes).",
    )
    ats: EstimatePart | None = Field(
        default=None,
        description="Areas dominated by the triple samples, counted by connected region: share "
        "of the plane, 0 to 1.",
    )
    ats_by_label: EstimatePart | None = Field(
        default=None, description="The same counted by whole label share, 0 to 1."
    )
    shares: Shares | None = Field(
        description="Mean over planes of each label's share, by label index; null or empty "
        "where no plane was scored."
    )
    decision: DecisionPart | None = Field(
        default=None,
        description="What the decision rule made of the trigger search and of the probe "
        "families beside clean references; null where neither was asked to its "
        "end.",
    )

    def estimate(self, name: str) -> EstimatePart | None:
        """One of the means; None where there is none of that name."""
        return {"re": self.re, "ats": self.ats, "ats_by_label": self.ats_by_label}.get(name)


class ReferenceCounts(Part):
    """Number of reference models."""

    clean: Count = Field(description="Clean ones.")
    backdoored: Count = Field(description="Backdoored ones.")


class ThresholdPart(Part):
    """One threshold, in the score's own unit."""

    value: float = Field(description="The threshold.")
    low: float | None = Field(
        default=None, description="Smallest of the per-attack thresholds that it averages (Eq. 6)."
    )
    high: float | None = Field(
        default=None, description="Largest of the per-attack thresholds that it averages."
    )


class ErrorRatesPart(Part):
    """Error rates of the whole procedure on the reference models, each judged by a profile made
    without it.
    """

    false_positive: RatePart | None = Field(default=None, description="Clean models flagged.")
    false_negative: RatePart | None = Field(
        default=None, description="Backdoored models not flagged."
    )


class ProfilePart(Part):
    """A profile: what calibration on models of known state wrote."""

    name: str = Field(description="Name of the profile.")
    status: Annotated[str, words("calibrated", "provisional", "published")] = Field(
        description="calibrated: on enough reference models of this task. provisional: on few. "
        "published: taken from a publication, not measured here."
    )
    digest: HexDigest | None = Field(default=None, description="Hex digest of the profile file.")
    task: str | FreeForm | None = Field(
        default=None,
        description="Task the profile was calibrated for. Extension point: text, or an object "
        "with details.",
    )
    access: AccessMode | None = Field(
        default=None, description="Access mode it was calibrated in; equal to the audit's."
    )
    coding: Annotated[str, text("^(lossless|jpeg:[1-9][0-9]?|jpeg:100)$")] | None = Field(
        default=None,
        description="What its pictures went through: lossless or jpeg:QUALITY. Where that is "
        "not what this audit's pictures went through, its thresholds decide "
        "nothing.",
    )
    provenance: str | FreeForm | None = Field(
        default=None,
        description="Where the profile comes from. Extension point: text, or an object with "
        "details.",
    )
    references: ReferenceCounts | None = Field(
        default=None, description="Number of reference models."
    )
    decides_by: ScoreName | None = Field(
        default=None,
        description="The one score that the verdict would rest on; a published profile decides "
        "nothing all the same.",
    )
    thresholds: dict[ScoreName, ThresholdPart] = Field(
        description="Threshold of each score; a score at or below it is flagged."
    )
    error_rates: ErrorRatesPart | None = Field(
        default=None,
        description="How often the whole procedure errs on the reference models, each judged "
        "by a profile made without it.",
    )


class ComparisonPart(Part):
    """One score against its threshold."""

    score: ScoreName = Field(description="The score compared: a key of scores.")
    value: float | None = Field(description="Mean score of this audit, in the score's unit.")
    threshold: float | None = Field(description="Threshold of the profile, in the same unit.")
    at_or_below: bool | None = Field(description="True where value <= threshold: flagged.")
    decides: bool = Field(description="True for the score that the verdict rests on.")
    note: str | None = Field(default=None, description="Remark in words; may be empty.")
