"""Tables of the simulated audits: error, rank and separation of every sampler."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from auditor.scores.intervals import binomial_rate
from auditor.verdict.thresholds import auroc
from examples.benchmarks.cells import auroc_interval
from examples.benchmarks.queries.simulation import (
    COVERED,
    FRUGAL,
    OTHERS,
    PAPER,
    Model,
    Row,
    Simulated,
    plain,
    stored,
)

Done = dict[Row, dict[str, Simulated]]


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


def fine(held: list[Model]) -> list[str]:
    """Whole planes at 100 x 100 points beside the same planes at 32 x 32."""
    known = {m.entry["name"]: m for m in held}
    lines = [
        "The same 200 planes asked at 100 × 100 points each, two million queries a model "
        "(`queries fine`), beside the 32 × 32 points that serve as the reference above. The last "
        "column is the error of `paper`'s 20 planes, which the difference of the references has "
        "to be small against.",
        "",
        "| model | RE, S = 32 | RE, S = 100 | difference | ATS by label, S = 32 | S = 100 | "
        "difference | planes' RE: correlation, rms | error of 20 planes: RE, ATS |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in stored()["fine"].items():
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
    curves = stored()["pictures"]
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
