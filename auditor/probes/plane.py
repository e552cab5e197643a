"""The paper's probe: the plane through three clean samples, enlarged and asked on a grid
(Section 3.1). Everything is computed in float64 and cast to float32 once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from auditor.errors import EvidenceError
from auditor.probes.base import RecordedProbe, array_digest, digest_of

EXACT_ROUNDS, MOST_EXPONENT = 12, 1000
MIN_RELATIVE_SPAN = 1e-6
"""Below this share of the triangle's size a side or height counts as zero: no plane. Samples on
one line leave it by about 1e-7 once they are rounded to float32, and then noise would span the
plane; in 8-bit images up to 1000 pixels wide one step of one channel is still larger."""
CACHED_VALUES = 16384
"""Float64 values of inputs worked on at once, so that they stay in the processor's cache."""
AT_ONCE = 8
"""Planes that a plan asks together at most, so as many stay spanned."""


class NoPlaneError(ValueError):
    """The three samples do not span a plane: two are equal, or all lie on one line."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """The rectangle of one plane, in coordinates along e1 and e2 (model input units)."""

    low1: float
    high1: float
    low2: float
    high2: float


Triplet = NDArray[np.floating] | Sequence[NDArray[np.floating]]
"""Three samples ``(c, h, w)``, in one array or three."""


@dataclass(frozen=True, eq=False)
class Plane:
    """The affine plane through three samples.

    Attributes:
        triplet: the samples x1, x2 and x3.
        along: length of x2 - x1; part of x3 - x1 along it, and what rounding left of that; height.
        coordinates: of x1, x2 and x3 along (e1, e2), ``(3, 2)`` float64.
    """

    triplet: Triplet
    along: tuple[float, float, float, float]
    coordinates: NDArray[np.float64]

    def points(self, coordinates: NDArray[np.float64]) -> NDArray[np.float32]:
        """Inputs ``(n, c, h, w)`` at plane ``coordinates`` ``(n, 2)``: x1 + a e1 + b e2.

        A point does not depend on the points built with it, to the last bit: BLAS rounds one
        row and many rows differently, so there is no matrix product here.
        """
        origin, basis = spanned(self)
        size = len(origin)
        inputs = np.empty((len(coordinates), size), dtype=np.float32)
        # The float64 values of a whole batch would not fit the cache.
        step = max(1, CACHED_VALUES // size)
        for start in range(0, len(coordinates), step):
            part = coordinates[start : start + step]
            flat = part[:, :1] * basis[0]
            flat += part[:, 1:] * basis[1]
            flat += origin
            inputs[start : start + step] = flat
        return inputs.reshape(-1, *self.triplet[0].shape)


@lru_cache(maxsize=AT_ONCE)
def spanned(plane: Plane) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Origin x1 ``(d,)`` and basis e1, e2 ``(2, d)`` of ``plane``, too large to be kept for all."""
    x1, x2, x3 = (np.asarray(one, dtype=np.float64).reshape(-1) for one in plane.triplet)
    length, along, rest, height = plane.along
    basis = np.empty((2, len(x1)))
    e1 = np.divide(x2 - x1, length, out=basis[0])
    np.divide((x3 - x1) - along * e1 - rest * e1, height, out=basis[1])
    return x1, basis


def plane_through(triplet: Triplet) -> Plane:
    """Span the plane of ``triplet``: origin x1, e1 along x2 - x1, e2 by
    Gram-Schmidt from x3 - x1.

    Raises:
        NoPlaneError: the samples do not span a plane.
    """
    flat = np.asarray(triplet, dtype=np.float64).reshape(3, -1)
    v1, v2 = flat[1] - flat[0], flat[2] - flat[0]
    length1 = math.sqrt(_dot(v1, v1))
    size = max(length1, math.sqrt(_dot(v2, v2)))
    if size == 0.0 or length1 <= MIN_RELATIVE_SPAN * size:
        raise NoPlaneError("the first two samples are identical")
    e1 = v1 / length1
    along = _dot(v2, e1)
    beta2 = v2 - along * e1
    # A second pass removes what rounding left along e1 when the triangle is almost flat.
    rest = _dot(beta2, e1)
    beta2 -= rest * e1
    height = math.sqrt(_dot(beta2, beta2))
    if height <= MIN_RELATIVE_SPAN * size:
        raise NoPlaneError("the three samples lie on one line, or two of them are identical")
    coordinates = np.array([[0.0, 0.0], [length1, 0.0], [along, height]])
    return Plane(triplet, (length1, along, rest, height), coordinates)


def _dot(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """Inner product, summed exactly and rounded once: BLAS rounds differently on every
    processor, and an audit that is verified elsewhere must ask these very inputs.
    """
    return exact_sum(one * two)


def exact_sum(values: NDArray[np.float64]) -> float:
    """``math.fsum`` of ``(n,)`` values, some ten times faster.

    Each round takes from every value its leading bits, down to one place for all: the sum of those
    needs no rounding in any order. The rest is exact too, and goes into the next round.
    """
    parts: list[float] = []
    rest = np.array(values, dtype=np.float64)
    for _ in range(EXACT_ROUNDS):
        most = float(np.abs(rest).max(initial=0.0))
        if most == 0.0:
            return math.fsum(parts)
        exponent = math.frexp(most)[1] + len(rest).bit_length() + 1
        if not math.isfinite(most) or exponent > MOST_EXPONENT:
            break
        place = math.ldexp(1.0, exponent)
        leading = (rest + place) - place
        rest -= leading
        parts.append(float(leading.sum()))
    return math.fsum([*parts, *rest.tolist()])


def bounds_of(plane: Plane, expansion: float) -> Rectangle:
    """The bounding box of the three samples, enlarged on each side by ``expansion`` (the
    paper's eta) times its own length: ``2 * expansion + 1`` box lengths per axis.
    """
    low, high = plane.coordinates.min(axis=0), plane.coordinates.max(axis=0)
    margin = expansion * (high - low)
    (low1, low2), (high1, high2) = low - margin, high + margin
    return Rectangle(float(low1), float(high1), float(low2), float(high2))


def grid_axes(bounds: Rectangle, density: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of the grid's rows (along e1) and columns (along e2): ``density`` (the
    paper's S) values each, end points included.
    """
    rows = np.linspace(bounds.low1, bounds.high1, density)
    return rows, np.linspace(bounds.low2, bounds.high2, density)


def nearest_nodes(plane: Plane, bounds: Rectangle, density: int) -> NDArray[np.int64]:
    """Row and column ``(3, 2)`` of the grid node nearest to each of the three samples; of two
    equally near ones the lower index.
    """
    axes = grid_axes(bounds, density)
    nodes = [
        [int(np.abs(axis - value).argmin()) for axis, value in zip(axes, point, strict=True)]
        for point in plane.coordinates
    ]
    return np.array(nodes, dtype=np.int64)


@dataclass(frozen=True)
class OnPlane(RecordedProbe):
    """Base of the probes of one plane: the triplet, its plane and the enlarged rectangle.

    Attributes:
        samples: the triplet, float32 in model units.
        expansion: eta, at least 0.
        recorded_coordinates: ``(3, 2)`` coordinates of the triplet on record, or None.
    """

    samples: Triplet
    expansion: float
    recorded_coordinates: NDArray[np.float64] | None = field(default=None, kw_only=True)

    def as_recorded(self, record: Mapping[str, Any]) -> Self:
        """This probe, but everything that depends on its images is as ``record`` states.

        Raises:
            EvidenceError: the record holds no coordinates.
        """
        coordinates = np.array(record["coordinates"], dtype=np.float64)
        # Distances between float32 pictures are far below their largest value squared.
        if coordinates.shape != (3, 2) or not (abs(coordinates) < np.finfo(np.float32).max).all():
            raise EvidenceError("plan.json holds a plane without coordinates")
        return replace(super().as_recorded(record), recorded_coordinates=coordinates)

    def as_record(self) -> dict[str, Any]:
        """The JSON-able record that :meth:`as_recorded` reads."""
        return {"digest": self.digest, "coordinates": self.plane.coordinates.tolist()}

    @cached_property
    def plane(self) -> Plane:
        """Geometry of the plane."""
        plane = plane_through(self.samples)
        if self.recorded_coordinates is None:
            return plane
        return replace(plane, coordinates=self.recorded_coordinates)

    @cached_property
    def bounds(self) -> Rectangle:
        """Rectangle that the inputs lie in."""
        return bounds_of(self.plane, self.expansion)


@dataclass(frozen=True)
class PlaneProbe(OnPlane):
    """One plane asked on the paper's S x S grid, S being ``density``, at least 2.

    Input number ``i * density + j`` is the node in row i (along e1) and column j (along e2).
    """

    density: int
    kind: str = "plane"
    repeat: bool = False

    def _digest(self) -> str:
        images = [array_digest(sample) for sample in self.samples]
        return digest_of("plane/1", *images, repr(float(self.expansion)), str(self.density))

    @property
    def size(self) -> int:
        """``density ** 2`` inputs."""
        return self.density**2

    @cached_property
    def _axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return grid_axes(self.bounds, self.density)

    def inputs(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Grid nodes number ``indices``, ``(n, c, h, w)``."""
        rows, columns = np.divmod(indices, self.density)
        along1, along2 = self._axes
        return self.plane.points(np.stack([along1[rows], along2[columns]], axis=1))

    def nodes(self) -> NDArray[np.int64]:
        """Grid nodes ``(3, 2)`` nearest to the three samples."""
        return nearest_nodes(self.plane, self.bounds, self.density)
