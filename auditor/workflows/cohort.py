"""``xray-audit cohort``: several models of one task, scored and ranked against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.engine.contract import EngineLimits
from auditor.engine.progress import Progress
from auditor.plan.settings import AuditSettings
from auditor.samples.samples import Samples
from auditor.verdict.cohort import Rank, rank_cohort
from auditor.workflows.calibrate import same_task, score_all
from auditor.workflows.references import ReferenceModel


@dataclass(frozen=True)
class RankedCohort:
    """Models of one task, the most suspicious first.

    Attributes:
        ranking: one place a model.
        skipped: models that could not be scored, each with the reason.
    """

    ranking: Sequence[Rank]
    skipped: Mapping[str, str]


async def run_cohort(
    models: Sequence[ReferenceModel],
    samples: Samples,
    settings: AuditSettings,
    folder: Path,
    *,
    error_rate: float,
    limits: EngineLimits | None = None,
    progress: Progress | None = None,
) -> RankedCohort:
    """Score every model and rank them; labels are kept per model, below ``folder``.

    Raises:
        ProfileError: the models are not of one task.
        UsageError: too few of them could be scored, or an error rate outside (0, 1).
    """
    scored, skipped = await score_all(models, samples, settings, folder, limits, progress)
    same_task(scored)
    return RankedCohort(rank_cohort([one.reference for one in scored], error_rate), skipped)
