"""Evidence for the verdict, computed from the labels. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from auditor.engine.store import NOT_ASKED
from auditor.labels.answers import Answers
from auditor.plan.plan import AuditPlan
from auditor.probes.plane import PlaneProbe
from auditor.scores.intervals import Estimate, mean_over_planes
from auditor.scores.planes import PlaneScore, score_plane, score_points


def score_planes(
    plan: AuditPlan, answers: Answers, classes: NDArray[np.int64], count: int
) -> dict[int, PlaneScore]:
    """Scores of every plane whose map is complete, by plane number."""
    return {
        number: _score(plan, number, label_map, classes[plan.triplets[number]], count)
        for number, label_map in enumerate(answers.maps)
        if not (label_map == NOT_ASKED).any()
    }


def _score(
    plan: AuditPlan,
    number: int,
    labels: NDArray[np.uint16],
    triplet_classes: NDArray[np.int64],
    count: int,
) -> PlaneScore:
    settings, probe = plan.settings, plan.planes[number]
    classes = [int(name) for name in triplet_classes]
    numbers = (count, settings.alpha, settings.ats_threshold)
    if isinstance(probe, PlaneProbe):
        return score_plane(labels, probe.nodes(), classes, *numbers)
    return score_points(labels, classes, *numbers)


def estimates(scores: Mapping[int, PlaneScore]) -> dict[str, Estimate]:
    """Mean over planes of RE, ATS and ATS by label; empty where no plane is complete."""
    if not scores:
        return {}
    columns = {
        "re": [plane.re for plane in scores.values()],
        "ats": [plane.ats for plane in scores.values() if plane.ats is not None],
        "ats_by_label": [plane.ats_by_label for plane in scores.values()],
    }
    return {name: mean_over_planes(values) for name, values in columns.items() if values}


def mean_shares(scores: Mapping[int, PlaneScore]) -> NDArray[np.float64] | None:
    """Mean share of each label over the complete planes."""
    return np.mean([plane.shares for plane in scores.values()], axis=0) if scores else None
