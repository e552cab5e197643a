"""Course of an audit: its target's input, settings, samples, queries and times."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from adapters.contract import coarser
from auditor.report.result.base import (
    Amount,
    Count,
    Fraction,
    HexDigest,
    Label,
    Many,
    Part,
    Positive,
    SampleRef,
    Triple,
    also_required,
    number,
    words,
)


class ToolPart(Part):
    """A program and its version."""

    name: str
    """Program name."""
    version: str
    """Program version."""


class InputPart(Part):
    """One input of the model."""

    shape: Triple[Positive]
    """Channels, height, width."""
    low: Many[float] = Field(json_schema_extra={"minItems": 1})
    """Input value of a black pixel, per channel."""
    high: Many[float] = Field(json_schema_extra={"minItems": 1})
    """Input value of a white pixel, per channel."""
    encoding: str
    """Form in which one input travels: float32, uint8, png or jpeg:QUALITY."""
    origin: str
    """Source of low and high, in words."""
    space: str
    """Space that coordinates and bounds are in."""
    recoded: str = ""
    """JPEG that the service makes of the pictures, jpeg:QUALITY, as the auditor stated it; empty if
    it makes none."""

    @property
    def coding(self) -> str:
        """Coding that pictures have had when the model sees them."""
        return coarser(self.encoding, self.recoded)


class SettingsPart(Part):
    """Settings of an audit; further ones are added as they are invented."""

    model_config = ConfigDict(extra="allow", json_schema_extra=also_required("sampler"))

    sampler: str = "paper"
    """Rule that picks planes and their points: paper is the S x S grid, frugal a few scattered
    points on more planes."""
    effort: str = "standard"
    """Queries that the trigger search may spend where it finds nothing: quick, standard, thorough
    or exhaustive."""
    planes: Count
    """Number of planes planned."""
    points: Count | None = None
    """Scattered points a plane; null on a grid."""
    density: Annotated[int, number("integer", minimum=2)]
    """S: grid nodes per side."""
    pictures: Count | None = None
    """Planes drawn as label maps; S is of those alone if points are scattered."""
    expansion: Amount
    """Eta: enlargement of the samples' bounding box on each side, in box lengths."""
    alpha: Annotated[float, number("number", minimum=1)]
    """Order of the Rényi entropy, at least 1."""
    ats_threshold: Fraction
    """t: a region or label whose share reaches it counts 0 in ATS. 0 to 1."""
    families: bool | None = None
    """True if the decision rule's probe families were asked."""
    seed: Count
    """Seed of the plan."""
    canaries: Count | None = None
    """Number of queries asked twice to catch drift."""
    plan_version: Count | None = None
    """Version of the plan; null if it is earlier than 14."""


class WrongSample(Part):
    """A sample that the model labels differently from its true class."""

    ref: SampleRef
    """Reference of the sample: its file or index."""
    true: Label
    """Its true class."""
    label: Label
    """The label that the model gave."""


class SamplesPart(Part):
    """Clean samples, and the labels that the model gave them."""

    count: Count
    """Samples given."""
    used: Count
    """Different samples used in planes."""
    digest: HexDigest
    """Hex digest over references, classes and pixels of all samples."""
    classes_matched_by: str
    """Rule that matched the samples' class names with the model's labels."""
    accuracy: Fraction | None
    """Share of the used samples labelled correctly, 0 to 1. Null if they were not asked."""
    wrong: Many[WrongSample]
    """Used samples that the model labels differently from their true class."""


class CanariesPart(Part):
    """Queries asked twice to catch drift and chance in the answers; null if none was asked."""

    model_config = ConfigDict(json_schema_extra=also_required("low"))

    asked: Count
    """Queries asked again."""
    flipped: Count
    """Queries whose second label differed."""
    rate: Fraction | None
    """flipped / asked, 0 to 1."""
    low: Fraction | None = None
    """Lower end of the rate's exact 95 % interval, 0 to 1."""
    high: Fraction | None
    """Upper end of the rate's exact 95 % interval, 0 to 1."""


class TrustFinding(Part):
    """One reason against a verdict that lies in the answers."""

    code: Annotated[str, words("sender", "constant", "shuffled", "swapped", "unsteady", "growing")]
    """Kind of the finding."""
    reason: str
    """The finding in words."""
    p: Fraction | None
    """Chance of seeing this from one steady model; null if it cannot be computed."""


class LostRequest(Part):
    """One request whose outcome is unknown."""

    queries: Positive
    """Inputs it carried."""
    started: str
    """Time of sending, ISO 8601 in UTC."""
    why: str
    """Cause of the loss."""


class TrustPart(Part):
    """Consistency of the answers with one model. Any finding makes the verdict inconclusive."""

    tolerated_flips: Fraction
    """Share of repeated inputs that may get another label on a steady model."""
    least_caught: Annotated[float, number("number", minimum=0, maximum=0.5)] | None = None
    """Share of all answers that a second model must have changed (share of the queries it answered
    times share of the inputs it disagrees on) for the repeats to find it with 95 % chance; null if
    none would have been found so surely. 0 to 0.5."""
    findings: Many[TrustFinding]
    """Every reason against a verdict that lies in the answers, the strongest first."""
    senders: dict[str, Many[str]]
    """Identity of the server as its answers state it (certificate, version headers, model version):
    values by name, oldest first, over all runs."""
    unknown_requests: Many[LostRequest]
    """Requests that may have been answered and billed unseen, oldest first, at most 10,000."""


class QueriesPart(Part):
    """Counts of queries. A query is one input sent; a request carries many."""

    planned: Count
    """Queries in the plan."""
    sent: Count
    """Queries sent in this run, retries included."""
    cached: Count
    """Answers taken from the store of an earlier run."""
    deduplicated: Count
    """Queries saved because an equal input was asked anyway."""
    spared: Count | None = None
    """Inputs left out because the verdict was decided without them."""
    retried: Count
    """Queries sent again after a failure."""
    unknown: Count
    """Queries in flight when a run was killed: perhaps answered and charged, never seen."""
    sent_all_runs: Count
    """Queries sent over all runs of this plan."""
    requests: Count
    """Requests sent in this run."""
    bytes_sent: Count
    """Bytes put on the wire in this run; 0 for a local model."""
    throttled: Count | None = None
    """Times the target asked to slow down in this run."""
    bytes_received: Count | None = None
    """Bytes taken off the wire in this run; 0 for a local model."""
    budget_reached: bool = False
    """True if the query budget ended the run before the plan did."""
    by_status: dict[str, Count] = Field(default_factory=dict)
    """Requests of this run by how they ended: the HTTP status, what gRPC calls it, ok of a target
    without either, or the kind of error if nothing came back."""
    by_probe: dict[str, Count]
    """Queries planned by probe family."""


class NotAskedPart(Part):
    """Questions skipped because they could not change the verdict; null if there were none."""

    because: Annotated[str, words("suspected", "decided")]
    """suspected: the model was suspected without it, and nothing could take that back. decided:
    planes or probe families had decided at the stated error before their last round."""
    planes: Count
    """Planes left out."""
    family_queries: Count
    """Inputs of the probe families left out."""


class TimingPart(Part):
    """Times of a run."""

    started: str
    """Start of the run, ISO 8601."""
    finished: str
    """End of the run, ISO 8601."""
    seconds: Amount
    """Duration of the run in seconds."""
    queries_per_second: Amount | None
    """Queries answered per second of the run; null if none was sent."""
