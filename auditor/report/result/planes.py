"""The planes of a report, and the labels that their scores rest on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import WithJsonSchema, model_validator

from auditor.report.result.base import (
    AS_GIVEN,
    Amount,
    Count,
    Fraction,
    Label,
    Many,
    Pair,
    Part,
    SampleRef,
    Shares,
    Triple,
    text,
)

LabelRows = Annotated[
    Many[Many[Label]],
    AS_GIVEN,
    WithJsonSchema(
        {
            "type": "array",
            "items": {
                "type": "array",
                "description": "One row: the labels of S nodes along e2.",
                "items": {"type": "integer", "minimum": 0, "maximum": 65534},
                "minItems": 2,
            },
            "minItems": 2,
        }
    ),
]


class BoundsPart(Part):
    """A rectangle of a plane."""

    e1: Pair[float]
    """Lowest and highest coordinate along e1, of the first and the last row."""
    e2: Pair[float]
    """Lowest and highest coordinate along e2, of the first and the last column."""


class PointLabels(Part):
    """Labels at scattered points of a plane."""

    at: Annotated[Many[Pair[Fraction]], AS_GIVEN]
    """Places, as shares of the sides of bounds along e1 and e2."""
    labels: Annotated[Many[Label], AS_GIVEN]
    """Hard label of each point, in the net's own order."""

    @property
    def places(self) -> object:
        """Equal for labels at the same points of a plane."""
        return self.at


@dataclass(frozen=True, eq=False)
class GridLabels:
    """Labels on a plane's grid.

    Attributes:
        nodes: row and column of the node nearest to each of the three samples.
        labels: ``(S, S)``, row i along e1 and column j along e2.
        asked: ``(S, S)``; false if a node was filled instead of asked.
    """

    nodes: tuple[tuple[int, int], ...]
    labels: NDArray[np.int64]
    asked: NDArray[np.bool_]

    @property
    def places(self) -> object:
        """Equal for labels at the same points of a plane."""
        return self.labels.shape


class AgreementPart(Part):
    """Share of a filled label map that agrees with the complete one."""

    rate: Fraction
    """The estimate."""
    low: Fraction
    """Lower end of the interval."""
    high: Fraction
    """Upper end of the interval."""


class PicturePart(Part):
    """Refinement by which label_map was drawn; missing if every node was asked."""

    asked: Many[Annotated[str, text("^[01]+$")]]
    """One text per row of label_map: 1 for a node that was asked, 0 for one that was filled."""
    queries: Count
    """Nodes asked."""
    rechecked: Count
    """Filled nodes, drawn at random, that were asked in the end to check the filling."""
    wrong: Count
    """Number of those that had been filled with another label; the map holds the model's."""
    agreement: AgreementPart | None
    """Share of the map that agrees with one of all nodes asked, estimated from the re-check with
    its exact 95 % interval; null if nothing was left to re-check."""


class PlanePart(Part):
    """One completely answered plane. Asked on a grid (settings.sampler is paper): with m =
    label_map, S = len(m), t = settings.ats_threshold, a = settings.alpha and c =
    triplet_classes: shares[k] is the number of nodes of m equal to k over S*S; re = log2(sum of
    shares[k]^a over shares above 0) / (1 - a), the Shannon entropy where a = 1; ats = sum over
    the three samples of the share of the 8-connected region of label c[k] that holds nodes[k],
    counting 0 where m at nodes[k] is not c[k] or where that share is t or more; ats_by_label =
    sum of shares[c[k]], counting 0 where it is t or more. Asked at scattered points (frugal):
    shares are those of points.labels; with x the score of all points and h the mean of the
    scores of the first and the second half of them, re and ats_by_label are x + (x - h) /
    (2^1.5 - 1), re at least 0, and a share of exactly t counts half of itself in ats_by_label;
    ats is null unless the plane was also drawn as a picture, and then that of its label_map.
    """

    index: Count
    """Number of the plane in the plan, from 0."""
    triplet: Triple[SampleRef]
    """The three clean samples x1, x2 and x3 that span the plane."""
    triplet_classes: Triple[Label]
    """True class of each of the three samples; all different."""
    coordinates: Triple[Pair[float]]
    """Coordinates of the three samples along (e1, e2), in model input units. x1 is the origin."""
    nodes: Triple[Pair[Count]] | None
    """Grid node nearest to each of the three samples; null without a label_map."""
    bounds: BoundsPart
    """Rectangle that the grid covers, end points included, in model input units."""
    re: Amount
    """Rényi entropy of the shares in bits, 0 to log2(classes). Low: few labels fill the plane."""
    ats: Fraction | None
    """Areas dominated by the triple samples, by connected region: share of the plane, 0 to 1."""
    ats_by_label: float
    """The same counted by whole label share, 0 to 1; of a single plane's scattered points it can
    come out beyond either end, and the mean over planes is the estimate."""
    shares: Shares
    """Share of each label in this plane, by label index."""
    label_map: LabelRows | None
    """Hard labels on the grid, S rows of S: row i along e1, column j along e2; null if only
    scattered points were asked. With picture, some are filled instead of asked."""
    points: PointLabels | None = None
    """The scattered points asked, and their labels; null on a grid."""
    picture: PicturePart | None = None
    """Refinement that drew label_map; missing if every node was asked."""

    @cached_property
    def grid(self) -> GridLabels | None:
        """The label map; None if only scattered points were asked."""
        if self.label_map is None:
            return None
        labels = np.array(self.label_map, dtype=np.int64)
        asked = np.ones(labels.shape, dtype=bool)
        if self.picture is not None:
            asked = np.array([[node == "1" for node in row] for row in self.picture.asked])
        return GridLabels(self.nodes or (), labels, asked)

    @property
    def asked(self) -> GridLabels | PointLabels:
        """The labels that RE and ATS by label are computed from."""
        held = self.points or self.grid
        assert held is not None, "as it was read"
        return held

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Refuse labels that do not lie on one grid, or at points of their own.

        Raises:
            ValueError: says which.
        """
        rows, points, picture = self.label_map, self.points, self.picture
        if rows is None and points is None:
            raise ValueError("neither points nor a label_map")
        if rows is not None and any(len(row) != len(rows) for row in rows):
            raise ValueError("label_map is not square")
        if points is not None and len(points.at) != len(points.labels):
            raise ValueError("points without labels, or labels without points")
        if picture is not None and [len(row) for row in picture.asked] != [*map(len, rows or ())]:
            raise ValueError("picture.asked is not of label_map's shape")
        return self

    def score(self, name: str) -> float | None:
        """One of its scores; None if it has none of that name."""
        return {"re": self.re, "ats": self.ats, "ats_by_label": self.ats_by_label}.get(name)
