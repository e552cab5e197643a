"""How many queries a score needs, by sampler: ``make bench-queries``.

    python -m examples.benchmarks.queries

It asks nothing: ``queries_ask`` and ``score_zoo`` did. Audits are simulated on the label maps in
``dense/`` (200 planes of 32 x 32 points per model): planes are drawn with replacement, points are
looked up at the nearest grid point, and the reference is the mean over all 200 planes. Writes
``queries.md`` and ``queries.png``. Counts and seeded draws, so exact on any machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from scipy import stats

from auditor.measured import queries as measured_queries
from auditor.probes.net_points import scrambled_net
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.scores.ats import ats_by_label
from auditor.scores.entropy import renyi_entropy
from auditor.scores.intervals import binomial_rate, mean_over_planes
from auditor.scores.planes import HALVES_GAIN
from auditor.verdict.profile import auroc_interval
from auditor.verdict.thresholds import auroc
from examples.benchmarks.queries_stop import PRESENT_SCORINGS

mpl.use("agg")
HERE = Path(__file__).parent
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
    sides = np.array(json.loads((HERE / "dense" / "geometry.json").read_text())[model.dataset])
    apart = np.sort(np.log(sides), axis=1)
    return _controlled((apart - apart.mean(axis=0)) / apart.std(axis=0), planes, drawn, ridge=3.0)


def _controlled(controls: Scores, planes: NDArray[np.int64], drawn: Scores, ridge: float) -> Scores:
    """Means over planes less what their ``controls`` (mean 0 over all planes) explain."""
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
    """One model's maps ``(200, 1024)``, the classes of its triplets and what is known of it."""

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


def models() -> list[Model]:
    """Every model of the study."""
    index = json.loads((HERE.parent / "zoo" / "index.json").read_text())["models"]
    found = []
    for entry in index:
        path = HERE / "dense" / f"{entry['name']}.npz"
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
    """Every plane's scores by ``row``, with several point sets where they are drawn.

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
    """What a row's audits of one model gave: means ``(audits, 2)``, targets ``(audits,)``, the
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


def main() -> None:
    """Simulate, and write the tables and the plot."""
    held = models()
    truths = {model.entry["name"]: truth_of(model) for model in held}
    rows = [*PAPER, *FRUGAL, *OTHERS]
    done = {
        row: {m.entry["name"]: simulate(m, row, truths[m.entry["name"]]) for m in held}
        for row in rows
    }
    spent = searches()
    (HERE / "queries.md").write_text(report(held, done, spent) + "\n", encoding="utf-8")
    module = measured_module(present_searches())
    Path(measured_queries.__file__).write_text(module, encoding="utf-8")
    plot(held, done)


Done = dict[Row, dict[str, Simulated]]


def report(held: list[Model], done: Done, spent: list[dict[str, Any]]) -> str:
    """``queries.md``."""
    lines = [
        "# How many queries a score needs",
        "",
        f"Made by `make bench-queries`: {len(held)} models of the zoo (calibration split, and the "
        f"vision transformers), access `float`, η = 5, α = 10, t = 0.5; {AUDITS} audits per model "
        "and row, simulated on the label maps of 200 planes in `dense/` (32 × 32 points a plane, "
        "planes drawn with replacement). *Error* is the root mean square difference from the mean "
        "over all 200 planes, averaged over models, and in brackets the models for which it is "
        "larger than that of `paper` with 20 whole planes. Which 20 planes are drawn is all of "
        "that row's error, so it stands for the paper's 200,000 queries (S = 100) too. Queries "
        "are points on planes; an audit adds its samples and repeats. *AUROC* and *target hit* are "
        "means over the simulated audits; their 95 % intervals (DeLong; exact binomial) are over "
        "the models, which is where nearly all of the doubt is.",
    ]
    for dataset in ("fashion-mnist", "cifar10", "gtsrb"):
        group = [m for m in held if m.entry["dataset"] == dataset]
        if group:
            lines += ["", f"## {dataset}", "", *table(group, done)]
    lines += ["", "## By architecture: `paper` with 20 whole planes against `frugal`", ""]
    lines += by_architecture(held, done)
    lines += ["", "## Other designs at the same cost", "", *negative(held, done)]
    lines += ["", "## Do the intervals hold?", "", *coverage(held, done)]
    lines += ["", "## Is the reference dense enough?", "", *fine()]
    lines += ["", "## Pictures", "", *pictures()]
    lines += ["", "## Queries to a verdict", "", *to_a_verdict(spent)]
    return "\n".join(lines)


def errors(group: list[Model], results: dict[str, Simulated]) -> NDArray[np.float64]:
    """Root mean square error of each model's RE and ATS: ``(models, 2)``."""
    each = [results[m.entry["name"]] for m in group]
    return np.array([np.sqrt(((one.means - one.truth) ** 2).mean(axis=0)) for one in each])


def table(group: list[Model], done: Done) -> list[str]:
    """One data set: every row."""
    bad = [m for m in group if m.entry["attack"] != "clean"]
    clean = [m for m in group if m.entry["attack"] == "clean"]
    truths = np.array([done[PAPER[0]][m.entry["name"]].truth for m in group])
    lines = [
        f"{len(clean)} clean, {len(bad)} backdoored models. Target hits count all-to-one "
        "backdoors.",
        "",
        "| sampler | planes × points | queries | error of RE | error of ATS by label | rank "
        "correlation of RE | AUROC of RE | target hit |",
        "|---|---|---|---|---|---|---|---|",
    ]
    whole = errors(group, done[PAPER[-1]])
    for row, results in done.items():
        error = errors(group, results)
        worse = (error > whole).sum(axis=0)
        means = np.array([results[m.entry["name"]].means[:, 0] for m in group])
        rank = np.mean([stats.spearmanr(truths[:, 0], audit).statistic for audit in means.T])
        shown = "20 whole planes" if row == PAPER[-1] else f"{row.planes} × {row.points}"
        asked = "20,480 (and 200,000)" if row == PAPER[-1] else f"{row.queries:,}"
        of = "" if row == PAPER[-1] else f" ({worse[0]} of {len(group)})"
        of_ats = "" if row == PAPER[-1] else f" ({worse[1]} of {len(group)})"
        lines.append(
            f"| {row.name} | {shown} | {asked} | {error[:, 0].mean():.3f}{of} | "
            f"{error[:, 1].mean():.3f}{of_ats} | {rank:.3f} | {separation(group, means)} | "
            f"{hits(bad, results)} |"
        )
    lines.append(
        "| mean over all 200 planes | 200 whole planes | 204,800 | 0 | 0 | 1 | "
        f"{separation(group, truths[:, :1])} | |"
    )
    return lines


def sides(
    group: list[Model], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores of clean and of backdoored models."""
    bad = np.array([m.entry["attack"] != "clean" for m in group])
    return values[~bad], values[bad]


def separation(group: list[Model], means: NDArray[np.float64]) -> str:
    """AUROC, averaged over audits, and so its interval over models."""
    found = [(auroc(*one), *auroc_interval(*one)) for one in (sides(group, a) for a in means.T)]
    value, low, high = np.mean(found, axis=0)
    return f"{value:.3f} [{low:.2f}, {high:.2f}]"


def hits(bad: list[Model], results: dict[str, Simulated]) -> str:
    """How often the most frequent label is the target, with the interval over models."""
    known = [m for m in bad if m.entry["label_map"] == "all-to-one" and m.entry["mapping"]]
    if not known:
        return "–"
    rates = [(results[m.entry["name"]].targets == int(m.entry["mapping"][0])).mean() for m in known]
    rate = binomial_rate(round(float(np.sum(rates))), len(known))
    return f"{np.mean(rates):.2f} [{rate.low:.2f}, {rate.high:.2f}] ({len(known)})"


def by_architecture(held: list[Model], done: Done) -> list[str]:
    """The goal of the frugal sampler, kind by kind."""
    chosen = next(row for row in FRUGAL if row.planes == 62)
    lines = [
        "| data set | architecture | models | RE: paper | RE: frugal, 992 | ATS: paper | "
        "ATS: frugal, 992 | frugal larger for RE / ATS |",
        "|---|---|---|---|---|---|---|---|",
    ]
    kinds = sorted({(m.entry["dataset"], m.entry["architecture"]) for m in held})
    for dataset, kind in kinds:
        group = [
            m for m in held if (m.entry["dataset"], m.entry["architecture"]) == (dataset, kind)
        ]
        paper, frugal = errors(group, done[PAPER[-1]]), errors(group, done[chosen])
        worse = (frugal > paper).sum(axis=0)
        p, f = paper.mean(axis=0), frugal.mean(axis=0)
        lines.append(
            f"| {dataset} | {kind} | {len(group)} | {p[0]:.3f} | {f[0]:.3f} | {p[1]:.3f} | "
            f"{f[1]:.3f} | {worse[0]} / {worse[1]} |"
        )
    return lines


def negative(held: list[Model], done: Done) -> list[str]:
    """What each other design does to the error, at the same number of queries."""
    base = next(row for row in FRUGAL if row.planes == 62)
    first = errors(held, done[base])
    lines = [
        f"Root mean square error over that of `frugal` with the same {base.queries} queries, over "
        "all models, with a 95 % bootstrap interval over models. Below 1 is better.",
        "",
        "| design | RE | ATS by label |",
        "|---|---|---|",
    ]
    rng = np.random.default_rng(1)
    picks = rng.integers(len(held), size=(2000, len(held)))
    for row in OTHERS:
        if abs(row.queries - base.queries) > 10:
            continue
        other = errors(held, done[row])
        ratio = other.mean(axis=0) / first.mean(axis=0)
        drawn = other[picks].mean(axis=1) / first[picks].mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        cells = [f"{r:.2f} [{a:.2f}, {b:.2f}]" for r, a, b in zip(ratio, low, high, strict=True)]
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    return lines


def coverage(held: list[Model], done: Done) -> list[str]:
    """How often the 95 % intervals hold the reference."""
    lines = [
        "Share of simulated audits whose own 95 % interval (Student over planes after Hall's "
        "transformation, each plane's estimate from its points) holds the mean over all planes; "
        "mean over models, in brackets the lowest of any model and how many of the "
        f"{len(held)} lie between 93 and 97 % (a model's own share is known to 1.5 points). "
        "With a thousand planes and more the small bias of 16 points becomes as large as the "
        "interval; 64 points take it away (last row).",
        "",
        "| sampler | planes × points | RE | ATS by label |",
        "|---|---|---|---|",
    ]
    for row in COVERED:
        shares = np.array([done[row][m.entry["name"]].covered for m in held])
        cells = [
            f"{one.mean():.3f} ({one.min():.2f}; {((one >= 0.93) & (one <= 0.97)).sum()})"
            for one in shares.T
        ]
        lines.append(f"| {row.name} | {row.planes} × {row.points} | {' | '.join(cells)} |")
    return lines


def fine() -> list[str]:
    """Whole planes at 100 x 100 points beside the same planes at 32 x 32."""
    path = HERE / "dense" / "fine.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    known = {m.entry["name"]: m for m in models()}
    lines = [
        "The same 200 planes asked at 100 × 100 points each, two million queries a model "
        "(`queries_fine`), beside the 32 × 32 points that serve as the reference above. The last "
        "column is the error of `paper`'s 20 planes, which the difference of the references has "
        "to be small against.",
        "",
        "| model | RE, S = 32 | RE, S = 100 | difference | ATS by label, S = 32 | S = 100 | "
        "difference | planes' RE: correlation, rms | error of 20 planes: RE, ATS |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in found.items():
        model = known[name]
        fines = [
            plain(np.array(counts), classes)
            for counts, classes in zip(row["counts"], row["classes"], strict=True)
        ]
        coarse = [
            plain(np.bincount(labels, minlength=model.count), classes.tolist())
            for labels, classes in zip(model.maps, model.classes, strict=True)
        ]
        one, two = np.array(coarse), np.array(fines)
        apart = (two - one).mean(axis=0)
        together = float(np.corrcoef(one[:, 0], two[:, 0])[0, 1])
        rms = float(np.sqrt(((two - one)[:, 0] ** 2).mean()))
        error = two.std(axis=0, ddof=1) / np.sqrt(20)
        lines.append(
            f"| {name} | {one[:, 0].mean():.3f} | {two[:, 0].mean():.3f} | {apart[0]:+.4f} | "
            f"{one[:, 1].mean():.3f} | {two[:, 1].mean():.3f} | {apart[1]:+.4f} | "
            f"{together:.4f}, {rms:.3f} | {error[0]:.3f}, {error[1]:.3f} |"
        )
    return lines


def pictures() -> list[str]:
    """Agreement of refined maps with dense ones."""
    path = HERE / "dense" / "pictures.json"
    if not path.exists():
        return ["Not asked yet."]
    curves = json.loads(path.read_text())
    lines = [
        f"{len(curves)} models, {sum(map(len, curves.values()))} planes of 100 × 100 points. "
        "Agreement with the map of all 10,000 points; checks and re-check included in the queries.",
        "",
        "| at most | queries, mean | agreement, mean | agreement, lowest | at least 99 % |",
        "|---|---|---|---|---|",
    ]
    flat = [curve for planes in curves.values() for curve in planes]
    for column in zip(*flat, strict=True):
        agreement = np.array([point["agreement"] for point in column])
        lines.append(
            f"| {column[0]['share']:.0%} | {np.mean([p['queries'] for p in column]):,.0f} | "
            f"{agreement.mean():.2%} | {agreement.min():.2%} | "
            f"{(agreement >= 0.99).sum()} of {len(agreement)} |"
        )
    return lines


def present_searches() -> list[dict[str, Any]]:
    """Searches of the development models with the present settings."""
    rows: list[dict[str, Any]] = json.loads((HERE / "trigger_search.json").read_text())["rows"]
    return rows


def searches() -> list[dict[str, Any]]:
    """The held-out models' trigger searches with the present settings, one each."""
    return [row["search"] for row in scored()]


def scored() -> list[dict[str, Any]]:
    """The held-out models that the present tool was scored on."""
    return [row for path in PRESENT_SCORINGS for row in json.loads(path.read_text())]


def measured_module(spent: list[dict[str, Any]]) -> str:
    """Source text of what ``xray-audit plan`` expects of a search."""
    source = Path(measured_queries.__file__).read_text(encoding="utf-8")
    head = source[: source.index("BUDGET = ")]
    doc = (
        '"""Budget of those searches: what they asked says nothing about searches with another '
        'one."""'
    )
    lines = [f"BUDGET = {TriggerSettings().budget}", doc]
    for name, found in (("FOUND", True), ("NOT_FOUND", False)):
        asked = [row["queries"] for row in spent if row["suspicious"] is found]
        low, high = np.quantile(asked, [0.05, 0.95]).round().astype(int).tolist()
        lines.append(f"{name} = Asked({len(asked)}, {np.mean(asked):.1f}, {low}, {high})")
    return head + "\n".join(lines) + "\n"


OPENING, PLANES_ALL, DISTURBED = 460, 970, 1120
"""Queries of an audit apart from its search, about: the first two rounds of planes with their
samples and 150 repeats; all planes with theirs; all families with the samples they disturb."""


def to_a_verdict(spent: list[dict[str, Any]]) -> list[str]:
    """What an audit with sequential stopping asks on held-out models, and how often it errs."""
    path = HERE / "dense" / "stopping.json"
    cheapest = min(row["queries"] for row in spent if row["suspicious"])
    present = {
        found: [row["queries"] for row in present_searches() if row["suspicious"] is found]
        for found in (True, False)
    }
    now = [f(present[found]) for found in (True, False) for f in (np.median, len)]
    stops = json.loads(path.read_text()) if path.exists() else {}
    verdicts = {row["name"]: row for row in scored()}
    lines = [
        "An audit asks two rounds of planes (256 points, their samples), then the trigger search. "
        "Where that convinces, it repeats 150 inputs and ends: families and the other 28 planes "
        "could take nothing back. Else the families follow in five rounds and end when the "
        "decision rule would say the same of 300 completions of the answers; if the rule suspects "
        "the model, the audit ends there too, else it asks its other planes: an all-clear rests on "
        "everything. Counted on the held-out models, whose answers and verdicts are those of "
        "`decision_third_and_fourth`, made by the present search and rule; nothing was scored "
        "anew. On the development models the search takes a median of "
        f"{now[0]:,.0f} queries in {now[1]} searches that found a trigger and {now[2]:,.0f} in "
        f"{now[3]} that did not.",
        "",
        "| models | audits | suspected | queries of those: median | 95th percentile | before: "
        "median | queries of the others: median | before |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows = [_verdict_cost(row, stops, verdicts) for row in spent if row["name"] in verdicts]
    attacks = {"all-to-one backdoors": "all-to-one", "clean": "none"}
    for name, kind in attacks.items():
        group = [row for row in rows if row["label_map"] == kind]
        lines.append(_cost_row(name, group))
    lines += [
        "",
        "The goal of a median of 600 queries is not reached. What stands in the way is the "
        f"search: the cheapest one that found anything asked {cheapest:,}, their "
        "median is in the table, and nothing cheaper decides: planes alone separate at the AUROC "
        "above, families alone little better. An all-clear needs the search to its end.",
        "",
        "### Does looking after every round raise the error?",
        "",
        *peeking(stops),
    ]
    return lines


def _verdict_cost(
    row: dict[str, Any], stops: dict[str, Any], verdicts: dict[str, Any]
) -> dict[str, Any]:
    """Queries of one held-out model's audit, with and without stopping."""
    stop = stops.get(row["name"])
    beside = verdicts[row["name"]]["cross"]
    # A search that convinced while the rule beside references does not ended with a patch that
    # they show too.
    flagged = bool(beside["flagged"] if beside else row["suspicious"])
    families = DISTURBED if stop is None else DISTURBED - 1000 + float(np.mean(stop["asked"]))
    asked = OPENING + row["queries"]
    if not (row["suspicious"] and flagged):
        asked += families
    if not flagged:
        asked += PLANES_ALL - OPENING
    before = PLANES_ALL + DISTURBED + row["queries"]
    return {"label_map": row["label_map"], "flagged": flagged, "asked": asked, "before": before}


def _quantile(group: list[dict[str, Any]], key: str, at: float) -> str:
    return f"{np.quantile([row[key] for row in group], at):,.0f}" if group else "–"


def _cost_row(name: str, group: list[dict[str, Any]]) -> str:
    flagged = [row for row in group if row["flagged"]]
    others = [row for row in group if not row["flagged"]]
    rate = binomial_rate(len(flagged), len(group))
    cells = [
        name,
        f"{len(group)}",
        f"{rate.rate:.0%} [{rate.low:.0%}, {rate.high:.0%}]",
        _quantile(flagged, "asked", 0.5),
        _quantile(flagged, "asked", 0.95),
        _quantile(flagged, "before", 0.5),
        _quantile(others, "asked", 0.5),
        _quantile(others, "before", 0.5),
    ]
    return f"| {' | '.join(cells)} |"


def peeking(stops: dict[str, Any]) -> list[str]:
    """What families that end early say, beside what all of them say."""
    lines = [
        "The early end of the families states that at most 1 % of audits would say something else "
        "after all 1,000 inputs. Every model below was judged in several random orders of asking "
        "(`queries_stop`), looking after each of five rounds.",
        "",
        "| models | audits | said something else | wrongly suspected: all inputs | early | missed: "
        "all inputs | early | inputs asked: median | mean |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for split in ("held-out", "development"):
        group = [row for row in stops.values() if row["split"] == split]
        if group:
            lines.append(_peeking_row(split, group))
    lines += ["", "![Families that end early](queries_stop.png)"]
    return lines


def _peeking_row(split: str, group: list[dict[str, Any]]) -> str:
    said = [(row, word) for row in group for word in row["said"]]
    other = binomial_rate(sum(word is not row["all"] for row, word in said), len(said))
    clean = [row for row in group if row["group"] == "clean"]
    bad = [row for row in group if row["group"] not in NOT_ALL_TO_ONE]
    asked = [count for row in group for count in row["asked"]]
    cells = [
        f"{split}: {len(clean)} clean, {len(group) - len(clean)} backdoored",
        f"{len(said)}",
        f"{other.rate:.1%} [{other.low:.1%}, {other.high:.1%}]",
        f"{np.mean([row['all'] for row in clean]):.1%}",
        f"{np.mean([word for row in clean for word in row['said']]):.1%}",
        f"{np.mean([not row['all'] for row in bad]):.1%} ({len(bad)})",
        f"{np.mean([not word for row in bad for word in row['said']]):.1%}",
        f"{np.median(asked):,.0f}",
        f"{np.mean(asked):,.0f}",
    ]
    return f"| {' | '.join(cells)} |"


NOT_ALL_TO_ONE = ("clean", "x-to-one", "one-to-one", "x-to-x", "all-to-all")


def plot_stops(stops: dict[str, Any]) -> None:
    """When families end, and how often their word is another one then."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6))
    rounds = [200, 400, 600, 800, 1000]
    kinds = {"clean": True, "backdoored": False}
    for number, (name, clean) in enumerate(kinds.items()):
        group = [row for row in stops.values() if (row["group"] == "clean") is clean]
        asked = [count for row in group for count in row["asked"]]
        shares = [np.mean([one == count for one in asked]) if asked else 0.0 for count in rounds]
        left.bar(np.array(rounds) + 70 * (number - 0.5), shares, 60, label=name)
        pairs = [
            (count, word is not row["all"])
            for row in group
            for count, word in zip(row["asked"], row["said"], strict=True)
        ]
        wrong = [
            np.mean([other and count <= r for count, other in pairs]) if pairs else 0.0
            for r in rounds
        ]
        right.plot(rounds, wrong, "o-", label=name)
    right.axhline(0.01, color="black", ls=":", label="stated")
    left.set(xlabel="disturbed samples asked", ylabel="share of audits that end")
    right.set(
        xlabel="disturbed samples asked", ylabel="audits that said something else", ylim=(0, 0.02)
    )
    left.legend()
    right.legend()
    figure.tight_layout()
    figure.savefig(HERE / "queries_stop.png", format="png", dpi=110)


def plot(held: list[Model], done: Done) -> None:
    """Error of RE against queries, and agreement of pictures against queries."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    for dataset, marker in (("fashion-mnist", "o"), ("cifar10", "s"), ("gtsrb", "^")):
        group = [m for m in held if m.entry["dataset"] == dataset]
        for rows, style in ((PAPER, "--"), (FRUGAL, "-")):
            points = [(row.queries, errors(group, done[row])[:, 0].mean()) for row in rows]
            left.plot(
                *zip(*points, strict=True), style + marker, label=f"{rows[0].name}, {dataset}"
            )
    left.set(xscale="log", yscale="log", xlabel="queries on planes", ylabel="error of RE (bits)")
    left.legend(fontsize=7)
    path = HERE / "dense" / "pictures.json"
    curves = json.loads(path.read_text()) if path.exists() else {}
    for planes in curves.values():
        for curve in planes:
            right.plot([p["queries"] for p in curve], [p["agreement"] for p in curve], lw=0.8)
    right.axhline(0.99, color="black", ls=":")
    right.set(xlabel="queries of 10,000", ylabel="agreement with the dense map")
    figure.tight_layout()
    figure.savefig(HERE / "queries.png", format="png", dpi=110)
    stopping = HERE / "dense" / "stopping.json"
    plot_stops(json.loads(stopping.read_text()) if stopping.exists() else {})


if __name__ == "__main__":
    main()
