"""Course of an audit: its target's input, settings, samples, queries and times."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

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

    name: str = Field(description="Program name.")
    version: str = Field(description="Program version.")


class InputPart(Part):
    """One input of the model."""

    shape: Triple[Positive] = Field(description="Channels, height, width.")
    low: Many[float] = Field(
        json_schema_extra={"minItems": 1}, description="Input value of a black pixel, per channel."
    )
    high: Many[float] = Field(
        json_schema_extra={"minItems": 1}, description="Input value of a white pixel, per channel."
    )
    encoding: str = Field(description="How one input travels: float32, uint8, png or jpeg:QUALITY.")
    origin: str = Field(description="Where low and high came from, in words.")
    space: str = Field(description="Space that coordinates and bounds are in.")


class SettingsPart(Part):
    """Settings of an audit; further ones are added as they are invented."""

    model_config = ConfigDict(extra="allow", json_schema_extra=also_required("sampler"))

    sampler: str = Field(
        default="paper",
        description="Rule that draws planes and picks their points: paper means the S x S "
        "grid, frugal a few points of a scrambled net on more planes.",
    )
    planes: Count = Field(description="Number of planes planned.")
    points: Count | None = Field(
        default=None, description="Scattered points a plane; null on a grid."
    )
    density: Annotated[int, number("integer", minimum=2)] = Field(
        description="S: grid nodes per side."
    )
    pictures: Count | None = Field(
        default=None,
        description="Planes drawn as pictures; S is of those alone where points are scattered.",
    )
    expansion: Amount = Field(
        description="Eta: enlargement of the samples' bounding box on each side, in box lengths."
    )
    alpha: Annotated[float, number("number", minimum=1)] = Field(
        description="Order of the Rényi entropy, at least 1."
    )
    ats_threshold: Fraction = Field(
        description="t: a region or label whose share reaches it counts 0 in ATS. 0 to 1."
    )
    families: bool | None = Field(
        default=None, description="Whether the decision rule's probe families were asked."
    )
    seed: Count = Field(description="Seed of the plan.")
    canaries: Count | None = Field(
        default=None, description="Number of queries asked twice to catch drift."
    )


class WrongSample(Part):
    """A sample that the model labels differently from its true class."""

    ref: SampleRef = Field(description="Where the sample came from.")
    true: Label = Field(description="Its true class.")
    label: Label = Field(description="The label that the model gave.")


class SamplesPart(Part):
    """Clean samples, and what the model made of them."""

    count: Count = Field(description="Samples given.")
    used: Count = Field(description="Different samples used in planes.")
    digest: HexDigest = Field(
        description="Hex digest over references, classes and pixels of all samples."
    )
    classes_matched_by: str = Field(
        description="How the samples' class names were matched with the model's labels."
    )
    accuracy: Fraction | None = Field(
        description="Share of the used samples that the model labels correctly, 0 to 1. Null "
        "where they were not asked."
    )
    wrong: Many[WrongSample] = Field(
        description="Used samples that the model labels differently from their true class."
    )


class CanariesPart(Part):
    """Queries asked twice to catch drift and chance in the answers; null where none was asked."""

    model_config = ConfigDict(json_schema_extra=also_required("low"))

    asked: Count = Field(description="Canaries asked again.")
    flipped: Count = Field(description="Canaries whose second label differed.")
    rate: Fraction | None = Field(description="flipped / asked, 0 to 1.")
    low: Fraction | None = Field(
        default=None, description="Lower end of the rate's exact 95% interval, 0 to 1."
    )
    high: Fraction | None = Field(description="Upper end of the rate's exact 95% interval, 0 to 1.")


class TrustFinding(Part):
    """One reason against a verdict that lies in the answers."""

    code: Annotated[
        str, words("sender", "constant", "shuffled", "swapped", "unsteady", "growing")
    ] = Field(description="Kind of the finding.")
    reason: str = Field(description="The finding in words.")
    p: Fraction | None = Field(
        description="Chance of seeing this from one steady model, where it can be computed."
    )


class LostRequest(Part):
    """One request whose outcome is unknown."""

    queries: Positive = Field(description="Inputs it carried.")
    started: str = Field(description="When it was sent, ISO 8601 in UTC.")
    why: str = Field(description="How its outcome was lost.")


class TrustPart(Part):
    """Consistency of the answers with one model. Any finding makes the verdict inconclusive."""

    tolerated_flips: Fraction = Field(
        description="Share of repeated inputs that may get another label on a steady model."
    )
    least_caught: Annotated[float, number("number", minimum=0, maximum=0.5)] | None = Field(
        default=None,
        description="Share of all answers that a second model must have changed (share of the "
        "queries it answered times share of the inputs it disagrees on) for the "
        "repeats to find it with 95% chance; null where none would have been found "
        "so surely. 0 to 0.5.",
    )
    findings: Many[TrustFinding] = Field(
        description="Every reason against a verdict that lies in the answers, the strongest first."
    )
    senders: dict[str, Many[str]] = Field(
        description="What the answers said about their sender (certificate, version headers, "
        "model version): values by name, oldest first, over all runs."
    )
    unknown_requests: Many[LostRequest] = Field(
        description="Requests that may have been answered and billed unseen, oldest first, at "
        "most 10,000."
    )


class QueriesPart(Part):
    """Counts of queries. A query is one input sent; a request carries many."""

    planned: Count = Field(description="Queries in the plan.")
    sent: Count = Field(description="Queries sent in this run, retries included.")
    cached: Count = Field(description="Answers taken from the store of an earlier run.")
    deduplicated: Count = Field(
        description="Queries saved because an equal input was asked anyway."
    )
    spared: Count | None = Field(
        default=None, description="Inputs left out because the verdict was decided without them."
    )
    retried: Count = Field(description="Queries sent again after a failure.")
    unknown: Count = Field(
        description="Queries in flight when a run was killed: perhaps answered and charged, "
        "never seen."
    )
    sent_all_runs: Count = Field(description="Queries sent over all runs of this plan.")
    requests: Count = Field(description="Requests sent in this run.")
    bytes_sent: Count = Field(description="Bytes put on the wire in this run; 0 for a local model.")
    throttled: Count | None = Field(
        default=None, description="Times the target asked to slow down in this run."
    )
    bytes_received: Count | None = Field(
        default=None, description="Bytes taken off the wire in this run; 0 for a local model."
    )
    budget_reached: bool = Field(
        default=False, description="True where the query budget ended the run before the plan did."
    )
    by_status: dict[str, Count] = Field(
        default_factory=dict,
        description="Requests of this run by how they ended: the HTTP status, what gRPC calls "
        "it, ok of a target without either, or the kind of error where nothing "
        "came back.",
    )
    by_probe: dict[str, Count] = Field(description="Queries planned by probe family.")


class NotAskedPart(Part):
    """Questions skipped because they could not change the verdict; null if nothing
    was.
    """

    because: Annotated[str, words("suspected", "decided")] = Field(
        description="suspected: the model was suspected without it, and nothing could take "
        "that back. decided: planes or probe families had decided at the stated "
        "error before their last round."
    )
    planes: Count = Field(description="Planes left out.")
    family_queries: Count = Field(description="Inputs of the probe families left out.")


class TimingPart(Part):
    """Times of a run."""

    started: str = Field(description="Start of the run, ISO 8601.")
    finished: str = Field(description="End of the run, ISO 8601.")
    seconds: Amount = Field(description="Duration of the run in seconds.")
    queries_per_second: Amount | None = Field(
        description="Queries answered per second of the run; null where none was sent."
    )
