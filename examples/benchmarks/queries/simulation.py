"""Audits simulated on label maps: samplers, and the error of each.

Planes are drawn with replacement, points are looked up at the nearest grid point, and the reference
is the mean over all 200 planes. Seeded draws, so exact on any machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.probes.net_points import scrambled_net
from auditor.scores.ats import ats_by_label
from auditor.scores.entropy import renyi_entropy
from auditor.scores.intervals import mean_over_planes
from auditor.scores.planes import HALVES_GAIN
from examples.benchmarks.stored import Record, read, zoo_index

DATA = Path(__file__).with_name("data.json.gz")
SIDE, PLANES, ALPHA, LIMIT = 32, 200, 10.0, 0.5
AUDITS, VARIANTS = 200, 24
"""Audits simulated per model and row; point sets drawn per plane to pick from."""
Points = NDArray[np.float64]
Design = Callable[[np.random.Generator], Points]
Scores = NDArray[np.float64]
Planes = Callable[["Model", tuple[int, int], np.random.Generator], NDArray[np.int64]]
Adjust = Callable[["Model", NDArray[np.int64], Scores], Scores]


@dataclass(frozen=True)
class Row:
    """One sampler at one size. ``paper`` rows ask ``side`` x ``side`` points of 20 planes."""

    name: str
    planes: int
    points: int
    design: Design | None = None
    unbiased: bool = False
    draw: Planes | None = None
    adjust: Adjust | None = None

    @property
    def queries(self) -> int:
        """Points asked, samples and repeats not counted."""
        return self.planes * self.points


def net(points: int) -> Design:
    """The frugal sampler's points."""
    return lambda rng: scrambled_net(points, rng)


def independent(points: int) -> Design:
    """Points drawn one by one."""
    return lambda rng: rng.random((points, 2))


def stratified(side: int) -> Design:
    """One point in each of ``side`` x ``side`` boxes."""
    corners = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)

    def draw(rng: np.random.Generator) -> Points:
        points: Points = (corners + rng.random(corners.shape)) / side
        return points

    return draw


def mirrored(points: int) -> Design:
    """A net of half as many points, and each point mirrored at the middle: antithetic points."""

    def draw(rng: np.random.Generator) -> Points:
        half = scrambled_net(points // 2, rng)
        both = np.stack([half, np.nextafter(1.0, 0.0) - half], axis=1).reshape(-1, 2)
        inside: Points = np.clip(both, 0.0, np.nextafter(1.0, 0.0))
        return inside

    return draw


def antithetic(model: Model, size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int64]:
    """Planes in pairs without a common class: what one class adds to both is left out of one."""
    audits, count = size
    first = rng.integers(PLANES, size=(audits, (count + 1) // 2))
    apart = ~(model.classes[:, None, :, None] == model.classes[None, :, None, :]).any(axis=(2, 3))
    second = np.empty_like(first)
    for plane in np.unique(first):
        where = first == plane
        second[where] = rng.choice(np.flatnonzero(apart[plane]), int(where.sum()))
    return np.stack([first, second], axis=2).reshape(audits, -1)[:, :count]


def by_class(model: Model, planes: NDArray[np.int64], drawn: Scores) -> Scores:
    """Control variates: how often each class is among a plane's three, known over all planes.

    The regression is shrunk (ridge), since a data set may have more classes than planes.
    """
    present = np.zeros((PLANES, model.count))
    for column in model.classes.T:
        present[np.arange(PLANES), column] = 1.0
    known = present[:, present.any(axis=0)]
    return _controlled(known - known.mean(axis=0), planes, drawn, ridge=float(known.shape[1]))


def by_geometry(model: Model, planes: NDArray[np.int64], drawn: Scores) -> Scores:
    """Control variates: the three samples' distances, known over all planes without a query."""
    sides = np.array(stored()["geometry"][model.dataset])
    apart = np.sort(np.log(sides), axis=1)
    return _controlled((apart - apart.mean(axis=0)) / apart.std(axis=0), planes, drawn, ridge=3.0)


def _controlled(controls: Scores, planes: NDArray[np.int64], drawn: Scores, ridge: float) -> Scores:
    """Means over planes less the part that their ``controls`` (mean 0 over all planes) explain."""
    x = controls[planes]
    centred, y = x - x.mean(axis=1, keepdims=True), drawn - drawn.mean(axis=1, keepdims=True)
    gram = np.einsum("ani,anj->aij", centred, centred) + ridge * np.eye(x.shape[2])
    slope = np.linalg.solve(gram, np.einsum("ani,ank->aik", centred, y))
    means: Scores = drawn.mean(axis=1) - np.einsum("ai,aik->ak", x.mean(axis=1), slope)
    return means


def angular(points: int) -> Design:
    """A net in direction and area instead of the two coordinates: what lies far out is nearly a
    function of direction.
    """

    def draw(rng: np.random.Generator) -> Points:
        around, area = scrambled_net(points, rng).T
        side, along = np.divmod(4 * around, 1.0)
        edge = _edge(side.astype(np.int64), along)
        points_at = (edge * np.sqrt(area)[:, None] + 1) / 2
        inside: Points = np.clip(points_at, 0.0, np.nextafter(1.0, 0.0))
        return inside

    return draw


def _edge(side: NDArray[np.int64], along: NDArray[np.float64]) -> Points:
    """Points of the border of [-1, 1] x [-1, 1]: which side, and how far along it."""
    t = 2 * along - 1
    one = np.ones_like(t)
    x = np.select([side == 0, side == 1, side == 2], [one, -t, -one], t)
    y = np.select([side == 0, side == 1, side == 2], [t, one, -t], -one)
    return np.stack([x, y], axis=1)


PAPER = [Row("paper", 20, side**2) for side in (4, 7, 10, 16, 32)]
FRUGAL = [Row("frugal", n, 16, net(16), unbiased=True) for n in (16, 31, 44, 62, 125, 312, 1250)]
OTHERS = [
    Row("frugal, plain shares", 62, 16, net(16)),
    Row("frugal, 8 points", 125, 8, net(8), unbiased=True),
    Row("frugal, 32 points", 31, 32, net(32), unbiased=True),
    Row("independent points, plain shares", 62, 16, independent(16)),
    Row("stratified 4 x 4, plain shares", 62, 16, stratified(4)),
    Row("angular net", 62, 16, angular(16), unbiased=True),
    Row("mirrored points, plain shares", 62, 16, mirrored(16)),
    Row("frugal, antithetic planes", 62, 16, net(16), unbiased=True, draw=antithetic),
    Row("frugal, control variates: classes", 62, 16, net(16), unbiased=True, adjust=by_class),
    Row("frugal, control variates: distances", 62, 16, net(16), unbiased=True, adjust=by_geometry),
    Row("frugal, 64 points", 312, 64, net(64), unbiased=True),
]


COVERED = (PAPER[-1], *FRUGAL, OTHERS[-1])
"""Rows whose intervals are checked."""


@dataclass(frozen=True)
class Model:
    """One model's maps ``(200, 1024)``, the classes of its triplets and its record in the index."""

    entry: dict[str, Any]
    maps: NDArray[np.int64]
    classes: NDArray[np.int64]

    @property
    def dataset(self) -> str:
        """Its data set."""
        return str(self.entry["dataset"])

    @property
    def count(self) -> int:
        """Labels that shares are kept for."""
        return 1 + int(max(self.maps.max(), self.classes.max()))


@cache
def stored() -> Record:
    """The committed results: fine grids, geometry of planes, refined maps, early ends."""
    data: Record = read(DATA)
    return data


@cache
def models(folder: Path) -> list[Model]:
    """Every model of the study, from the label maps in ``folder``."""
    found = []
    for entry in zoo_index():
        path = folder / f"{entry['name']}.npz"
        if path.exists() and not entry["failed"]:
            with np.load(path) as held:
                maps, classes = held["maps"].astype(np.int64), held["classes"].astype(np.int64)
            found.append(Model(entry, maps, classes))
    return found


Pool = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Scores ``(planes, variants, 2)``, RE and ATS by label, and shares ``(planes, variants, k)``."""


@cache
def point_sets(row: Row) -> NDArray[np.int64]:
    """Grid points of every plane's point sets, the same for all models: ``(sets, points)``."""
    variants = 1 if row.design is None else VARIANTS
    rng = np.random.default_rng([row.planes, row.points, 5])
    return np.stack([numbers_of(row, rng) for _ in range(PLANES * variants)])


def pool_of(model: Model, row: Row) -> Pool:
    """Every plane's scores by ``row``, with several point sets if they are drawn.

    The same arithmetic as :func:`auditor.scores.planes.score_points`, for all planes at once.
    """
    variants = 1 if row.design is None else VARIANTS
    numbers = point_sets(row)
    places = np.repeat(np.arange(PLANES), variants)[:, None]
    labels = model.maps[places, numbers].reshape(PLANES, variants, row.points)
    halves = [labels[..., : row.points // 2], labels[..., row.points // 2 :]]
    shares, *parts = (shares_of(one, model.count) for one in (labels, *halves))
    whole = scores_of(shares, model.classes, 0.5 if row.unbiased else 0.0)
    if row.unbiased:
        mean = sum(scores_of(one, model.classes, 0.5) for one in parts) / 2.0
        whole = whole + HALVES_GAIN * (whole - mean)
        whole[..., 0] = np.maximum(whole[..., 0], 0.0)
    return whole, shares


def shares_of(labels: NDArray[np.int64], count: int) -> Scores:
    """Shares of every label: ``(..., m)`` to ``(..., count)``."""
    flat = labels.reshape(-1, labels.shape[-1]) + count * np.arange(labels[..., 0].size)[:, None]
    found = np.bincount(flat.ravel(), minlength=count * len(flat)).reshape(*labels.shape[:-1], -1)
    shares: Scores = found / labels.shape[-1]
    return shares


def scores_of(shares: Scores, classes: NDArray[np.int64], tie: float) -> Scores:
    """RE and ATS by label of shares ``(planes, variants, k)``: ``(planes, variants, 2)``."""
    re = np.log2((shares**ALPHA).sum(axis=-1)) / (1.0 - ALPHA)
    wide = np.broadcast_to(classes[:, None, :], (*shares.shape[:2], 3))
    picked = np.take_along_axis(shares, wide, axis=2)
    counted = np.where(picked < LIMIT, picked, np.where(picked == LIMIT, tie * picked, 0.0))
    return np.stack([re, counted.sum(axis=2)], axis=2)


def numbers_of(row: Row, rng: np.random.Generator) -> NDArray[np.int64]:
    """Grid points that a plane's points fall on."""
    if row.design is None:
        axis = np.linspace(0, SIDE - 1, round(row.points**0.5)).round().astype(np.int64)
        return (axis[:, None] * SIDE + axis).ravel()
    cells = (row.design(rng) * SIDE).astype(np.int64)
    return cells[:, 0] * SIDE + cells[:, 1]


@dataclass(frozen=True)
class Simulated:
    """The results of a row's audits of one model: means ``(audits, 2)``, targets ``(audits,)``, the
    reference ``(2,)`` and how often the 95 % interval of each score held it.
    """

    means: NDArray[np.float64]
    targets: NDArray[np.int64]
    truth: NDArray[np.float64]
    covered: NDArray[np.float64]


def simulate(model: Model, row: Row, truth: NDArray[np.float64]) -> Simulated:
    """Audit ``model`` :data:`AUDITS` times by ``row``."""
    rng = np.random.default_rng([row.planes, row.points, 7])
    scores, shares = pool_of(model, row)
    size = (AUDITS, row.planes)
    planes = rng.integers(PLANES, size=size) if row.draw is None else row.draw(model, size, rng)
    variants = rng.integers(scores.shape[1], size=planes.shape)
    drawn = scores[planes, variants]
    means = drawn.mean(axis=1) if row.adjust is None else row.adjust(model, planes, drawn)
    targets = shares[planes, variants].mean(axis=1).argmax(axis=1)
    told = covered(drawn, truth) if row in COVERED else np.full(2, np.nan)
    return Simulated(means, targets, truth, told)


def covered(drawn: Scores, truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often the audit's own 95 % interval held the reference: ``(2,)``."""
    held = np.zeros(2)
    for audit in drawn:
        for number in range(2):
            found = mean_over_planes(audit[:, number].tolist())
            assert found.low is not None
            assert found.high is not None
            held[number] += found.low <= truth[number] <= found.high
    return held / len(drawn)


def truth_of(model: Model) -> NDArray[np.float64]:
    """RE and ATS by label over all planes, every point."""
    truth: NDArray[np.float64] = np.mean(
        [
            plain(np.bincount(labels, minlength=model.count), classes.tolist())
            for labels, classes in zip(model.maps, model.classes, strict=True)
        ],
        axis=0,
    )
    return truth


def plain(counts: NDArray[np.int64], classes: list[int]) -> tuple[float, float]:
    """RE and ATS by label of one whole plane."""
    shares = counts / counts.sum()
    return renyi_entropy(shares, ALPHA), ats_by_label(shares, classes, LIMIT)
