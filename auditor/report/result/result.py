"""The typed result of an audit: the content of ``report.json``, and its schema's source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, PrivateAttr, WithJsonSchema

from auditor.report.result.base import (
    AccessMode,
    FreeForm,
    Label,
    Many,
    Part,
    Sha256,
    also_required,
    text,
    words,
)
from auditor.report.result.course import (
    CanariesPart,
    InputPart,
    NotAskedPart,
    QueriesPart,
    SamplesPart,
    SettingsPart,
    TimingPart,
    ToolPart,
    TrustFinding,
    TrustPart,
)
from auditor.report.result.judgement import ComparisonPart, ProfilePart, ScoresPart
from auditor.report.result.planes import PlanePart
from auditor.report.result.trigger import TriggerPart

LabelNames = Annotated[
    dict[str, str],
    WithJsonSchema(
        {
            "type": "object",
            "patternProperties": {
                "^(0|[1-9][0-9]{0,4})$": {
                    "type": "string",
                    "description": "Name of the label, as the model gave it.",
                }
            },
            "additionalProperties": False,
        }
    ),
]


class Result(Part):
    """Result of one black-box audit: does an image classifier carry a backdoor, judged from hard
    labels alone. Objects are closed except model, settings, profile.task and
    profile.provenance, which are extension points. Scores are recomputed from
    planes[].label_map as the description of a plane says; scores.*.mean is the plain mean over
    planes.
    """

    model_config = ConfigDict(
        title="xray-audit report", json_schema_extra=also_required("trigger", "trust", "not_asked")
    )

    schema_version: Annotated[str, text("^1\\.[0-9]+$")]
    """Version of this shape, major.minor. Readers of 1.0 can read every 1.x."""
    tool: ToolPart
    """The program that wrote the report."""
    verdict: Annotated[str, words("backdoor-suspected", "no-evidence", "inconclusive")]
    """backdoor-suspected: a trigger was found that clean models do not show, or the deciding score
    lies at or below its threshold. no-evidence: it lies above, and no trigger was found.
    inconclusive: no applicable profile, or the answers were partial, drifting or degenerate. None
    of them is a proof."""
    verdict_reason: str
    """The reason for the verdict, in one or two sentences."""
    target_label: Label | None
    """The target that the trigger search or the decision rule suspects. If neither suspects any,
    the label with the largest mean share: the likely target if the model is backdoored all-to-one,
    and nothing else. Null if no plane was scored either."""
    partial: bool
    """True if not every planned query was answered; planes and scores then leave out unfinished
    planes."""
    access: AccessMode
    """float: inputs reach the model as numbers, unclipped. image: they are uploaded as pictures, so
    clipped and rounded to 8 bits."""
    model: FreeForm
    """The target's account of itself, without secrets. Extension point: every adapter adds its own
    keys."""
    fingerprint: Sha256
    """Digest of everything that makes two answers of the model comparable."""
    input: InputPart
    """Form of one input of the model."""
    settings: SettingsPart
    """Settings of the audit as they took effect. Extension point: later versions add settings."""
    plan_digest: Sha256
    """Digest of the plan, which was complete before the first query."""
    samples: SamplesPart
    """The clean samples."""
    labels: LabelNames
    """Name of each label the model can give or was seen to give; the key is the label's index as a
    decimal string. Names come from the model, or from the samples if it only numbers its classes:
    treat them as hostile text."""
    scores: ScoresPart
    """Means over planes: the score of each plane first, then the mean. A score that no plane has is
    left out or null."""
    profile: ProfilePart | None
    """The reference profile that the scores were compared with; null if none applies."""
    trigger: TriggerPart | None = None
    """Outcome of the search for a universal trigger; null if none was made or it was cut off."""
    comparisons: Many[ComparisonPart]
    """Every score against its threshold."""
    canaries: CanariesPart | None
    """Queries asked twice to catch drift and chance in the answers; null if none was asked."""
    trust: TrustPart | None = None
    """Consistency of the answers with one model. Any finding makes the verdict inconclusive."""
    queries: QueriesPart
    """The ledger. A query is one input sent; a request carries many."""
    planes: Many[PlanePart]
    """Every completely answered plane, with its label map: all scores can be recomputed from here
    without the model."""
    not_asked: NotAskedPart | None = None
    """Planned questions left out because they could not change the verdict; null if there were
    none."""
    limits: Many[str]
    """Possibilities that this audit cannot exclude, one sentence each."""
    timing: TimingPart
    """Start, end and duration of the audit."""

    _content: Mapping[str, Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def of(cls, content: Mapping[str, Any], *, later: bool = False) -> Result:
        """The result that ``content`` holds.

        Args:
            content: the content of ``report.json``; kept, and not to be changed.
            later: take keys that this version does not know: a later minor version added them.

        Raises:
            pydantic.ValidationError: names or types are not as the schema describes.
        """
        made = cls.model_validate(content, extra="allow" if later else None)
        made._content = content  # noqa: SLF001 - its own
        return made

    @property
    def content(self) -> Mapping[str, Any]:
        """The content of ``report.json``: with the keys, their order and the numbers that were
        given, so that what is written again is the same to the byte.
        """
        return self._content

    @property
    def contradictions(self) -> tuple[TrustFinding, ...]:
        """Reasons against one model behind the answers; empty if none was found or looked for."""
        return () if self.trust is None else self.trust.findings
