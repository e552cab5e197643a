"""Several models of one task, scored and ranked against each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auditor.engine.contract import EngineLimits
from auditor.engine.progress import Progress
from auditor.plan.settings import AuditSettings
from auditor.samples.samples import Samples
from auditor.verdict.cohort import Rank, check_cohort, rank_cohort
from auditor.workflows.calibrate import same_task, score_all
from auditor.workflows.references import ReferenceModel


async def run_cohort(
    models: Sequence[ReferenceModel],
    samples: Samples,
    settings: AuditSettings,
    folder: Path,
    *,
    error_rate: float,
    limits: EngineLimits | None = None,
    progress: Progress | None = None,
) -> tuple[Sequence[Rank], dict[str, str]]:
    """Score every model and rank them; labels are kept per model, below ``folder``.

    Returns:
        The models, the most suspicious first, and those not scored, each with the reason.

    Raises:
        ProfileError: the models are not of one task.
        UsageError: too few of them could be scored, or an error rate outside (0, 1).
    """
    check_cohort(len(models), error_rate)
    scored, skipped = await score_all(models, samples, settings, folder, limits, progress)
    same_task(scored)
    return rank_cohort([one.reference for one in scored], error_rate), skipped
