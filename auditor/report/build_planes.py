"""The planes of a report, from plan, answers and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.labels.answers import Answers
from auditor.plan.plan import AuditPlan
from auditor.probes.label_map import LabelMap
from auditor.probes.net_points import NetPointsProbe
from auditor.probes.plane import PlaneProbe, nearest_nodes
from auditor.samples.samples import Samples
from auditor.scores.ats import ats_by_region
from auditor.scores.intervals import binomial_rate, mean_over_planes
from auditor.scores.planes import PlaneScore


def plane_part(
    samples: Samples, classes: NDArray[np.int64], answers: Answers, number: int, score: PlaneScore
) -> dict[str, Any]:
    """A completely answered plane: its place, its scores, and the labels that they rest on."""
    plan = answers.plan
    probe, triplet = plan.planes[number], plan.triplets[number]
    bounds = probe.bounds
    return {
        "index": number,
        "triplet": [samples.refs[index] for index in triplet],
        "triplet_classes": [int(classes[index]) for index in triplet],
        "coordinates": probe.plane.coordinates.tolist(),
        "bounds": {"e1": [bounds.low1, bounds.high1], "e2": [bounds.low2, bounds.high2]},
        "re": score.re,
        "ats": score.ats,
        "ats_by_label": score.ats_by_label,
        "shares": score.shares.tolist(),
        **_labels_part(probe, answers.planes[number]),
        **_map_part(plan, classes, answers.label_maps, number),
    }


def _labels_part(probe: PlaneProbe | NetPointsProbe, labels: NDArray[np.uint16]) -> dict[str, Any]:
    """The plane's labels: on a grid, or at points given as shares of the rectangle's sides."""
    if isinstance(probe, PlaneProbe):
        return {"nodes": probe.nodes().tolist(), "label_map": labels, "points": None}
    points = {"at": probe.net.tolist(), "labels": labels}
    return {"nodes": None, "label_map": None, "points": points}


def _map_part(
    plan: AuditPlan, classes: NDArray[np.int64], label_maps: Sequence[LabelMap], number: int
) -> dict[str, Any]:
    """The plane's label map if it was drawn by refinement, with the nodes that were asked."""
    if number >= len(label_maps):
        return {}
    label_map = label_maps[number]
    return {
        "nodes": _map_nodes(plan, number).tolist(),
        "label_map": label_map.labels.tolist(),
        "ats": _ats_of_map(plan, classes, number, label_map),
        "picture": {
            "asked": ["".join("1" if node else "0" for node in row) for row in label_map.asked],
            "queries": label_map.queries,
            "rechecked": label_map.rechecked,
            "wrong": label_map.wrong,
            "agreement": _agreement(label_map),
        },
    }


def _agreement(label_map: LabelMap) -> dict[str, float] | None:
    """Share of the map that agrees with the dense one, with the exact 95 % interval."""
    if not label_map.rechecked:
        return None
    rate = binomial_rate(label_map.wrong, label_map.rechecked)
    return {
        "rate": label_map.agreement(rate.rate),
        "low": label_map.agreement(rate.high),
        "high": label_map.agreement(rate.low),
    }


def _ats_of_map(
    plan: AuditPlan, classes: NDArray[np.int64], number: int, label_map: LabelMap
) -> float:
    triplet = [int(classes[index]) for index in plan.triplets[number]]
    nodes = _map_nodes(plan, number)
    return ats_by_region(label_map.labels, nodes, triplet, plan.settings.ats_threshold)


def _map_nodes(plan: AuditPlan, number: int) -> NDArray[np.int64]:
    probe = plan.planes[number]
    return nearest_nodes(probe.plane, probe.bounds, plan.settings.density)


def ats_of_label_maps(
    plan: AuditPlan, classes: NDArray[np.int64], label_maps: Sequence[LabelMap]
) -> dict[str, Any]:
    """ATS by region over the planes that were drawn by refinement; empty without any."""
    if not label_maps:
        return {}
    values = [_ats_of_map(plan, classes, n, label_map) for n, label_map in enumerate(label_maps)]
    mean = mean_over_planes(values)
    high = None if mean.high is None else min(1.0, mean.high)
    return {"ats": asdict(replace(mean, high=high))}
