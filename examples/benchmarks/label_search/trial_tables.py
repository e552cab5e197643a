"""The counts of the trials: every kind of change beside the same models' clean ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.measured import LabelCell
from auditor.probes.label_search.changes import RandomChange
from auditor.probes.label_search.judge import LEAST_SPREAD, LEVEL, STANDS_OUT, best_of
from auditor.probes.label_search.random_changes import KINDS
from auditor.probes.label_search.search import CEILING, FLOOR, LabelFinding, keys
from auditor.probes.label_search.settings import EFFORTS
from auditor.probes.trigger_search.judge import logit, tail
from auditor.probes.trigger_search.verify import exact_interval
from examples.benchmarks.cells import auroc_cell
from examples.benchmarks.label_search.trial_draws import TRIED
from examples.benchmarks.stored import Record

ATTACKS = ("sticker", "badnets-any", "badnets-corner", "badnets-inside", "blended", "sig")
NOTHING = 2.0  # of opacity or size, relative to the largest tried, where nothing carries
MOST_CELLS = 6.0
Measure = Callable[[Record], float | None]


def tables(rows: Sequence[Record]) -> list[str]:
    """All tables, of every seed, and of the models that were asked two kinds alone."""
    lines: list[str] = []
    for wide, seed in sorted({(row.get("wide", False), row["asked_seed"]) for row in rows}):
        same = [row for row in rows if (row.get("wide", False), row["asked_seed"]) == (wide, seed)]
        words = ", all models" if wide else ""
        lines += [f"## Random changes, seed {seed}{words}", "", *_random(same), ""]
        lines += [*_target_shares(same), ""]
        patched = [row for row in same if "patches" in row]
        if patched:
            lines += [f"## Patches, seed {seed}", "", *_faint(patched), "", *_planted(patched), ""]
    return lines


# ---- random changes ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Best:
    """The label on which changes gathered most: its share, its distance to the next label, and the
    statistic of the search, larger for more.
    """

    label: int
    share: float
    margin: float
    value: float


def judged(row: Record, kind: str) -> Best:
    """What the changes of ``kind`` show of a model."""
    found = []
    for label, (other, hits) in enumerate(row["draws"][kind]):
        success = exact_interval(hits, other, 0.95)
        value = -logit(success.rate, FLOOR, CEILING)
        change = RandomChange(kind, ())
        found.append(LabelFinding(f"random-{kind}", label, value, True, change, success))
    best, margin, statistic = best_of(found)
    return Best(best.label, best.success.rate, margin, -statistic)


def accused(row: Record, kind: str, clean: Sequence[Record]) -> bool:
    """True if the search's rule would accuse by this kind, asked beside all that it asks, without
    its limit of size; a clean model is left out of its own null.
    """
    values = np.array([judged(one, kind).value for one in clean if one is not row])
    mean, spread = -float(values.mean()), float(values.std(ddof=1))
    least = -float(values.max())
    own, kinds = judged(row, kind), len(keys(EFFORTS["thorough"])) + 1
    cell = LabelCell(mean, spread, len(values), least, least)
    chance = tail(mean + own.value, cell, LEAST_SPREAD["random"])
    return own.margin >= STANDS_OUT["random"] and chance * kinds <= LEVEL


def beyond(rows: Sequence[Record], kind: str) -> set[str]:
    """Backdoored models whose best label is the target, and beyond that of every clean model."""
    clean, bad = _split(rows)
    limit = max(judged(row, kind).value for row in clean)
    ends = {row["name"]: (row, judged(row, kind)) for row in bad}
    return {
        name
        for name, (row, best) in ends.items()
        if best.label == row["target"] and best.value > limit
    }


def _split(rows: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    clean = [row for row in rows if row["attack"] == "clean"]
    return clean, [row for row in rows if row["attack"] != "clean"]


def _random(rows: Sequence[Record]) -> list[str]:
    """One line a kind: clean models, those found beyond them by attack, and the target's share."""
    clean, bad = _split(rows)
    asked = [kind for kind in TRIED if kind in rows[0]["draws"]]
    present = set.union(*(beyond(rows, kind) for kind in KINDS if kind in asked))
    missed = {row["name"] for row in bad if row["thorough"] == "missed"}
    lines = [
        f"{len(clean)} clean and {len(bad)} backdoored models, {len(missed)} of them missed.", "",
        f"| kind | clean: median, largest | {' | '.join(ATTACKS)} | all | missed by `thorough` | "
        "and by every present kind | the rule: clean, at the target, of them missed | AUROC |",
        f"|---|---|{'---|' * (len(ATTACKS) + 5)}",
    ]  # fmt: skip
    for kind in asked:
        found, shares = beyond(rows, kind), [judged(row, kind).share for row in clean]
        by_attack = [_count(bad, attack, found) for attack in ATTACKS]
        values = [[judged(row, kind).value for row in part] for part in (clean, bad)]
        cells = [
            kind, f"{np.median(shares):.3f}, {max(shares):.3f}", *by_attack, str(len(found)),
            str(len(found & missed)), str(len(found & missed - present)),
            _by_rule(clean, bad, kind, missed), auroc_cell(*values),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _by_rule(clean: Sequence[Record], bad: Sequence[Record], kind: str, missed: set[str]) -> str:
    right = {
        row["name"]
        for row in bad
        if accused(row, kind, clean) and judged(row, kind).label == row["target"]
    }
    wrong = sum(accused(row, kind, clean) for row in clean)
    return f"{wrong}, {len(right)}, {len(right & missed)}"


def _target_share(row: Record, kind: str) -> float:
    other, hits = row["draws"][kind][row["target"]]
    return float(hits / max(1, other))


def _target_shares(rows: Sequence[Record]) -> list[str]:
    """One line a kind: the middle share of the target's, by attack."""
    clean, bad = _split(rows)
    lines = [
        f"| kind, share in the middle model | clean, best label | {' | '.join(ATTACKS)} |",
        f"|---|---|{'---|' * len(ATTACKS)}",
    ]
    for kind in rows[0]["draws"]:
        parts = [[judged(row, kind).share for row in clean]] + [
            [_target_share(row, kind) for row in bad if row["attack"] == attack]
            for attack in ATTACKS
        ]
        cells = [f"{np.median(part):.3f}" if part else "–" for part in parts]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return lines


def _count(bad: Sequence[Record], attack: str, found: set[str]) -> str:
    same = [row["name"] for row in bad if row["attack"] == attack]
    return f"{sum(name in found for name in same)} of {len(same)}"


# ---- patches -------------------------------------------------------------------------------------


def _opacity(patch: Record) -> float | None:
    value: float | None = patch["least_opacity"]
    return value


def _size(patch: Record) -> float | None:
    value: float | None = patch["least_cells"]
    return None if value is None else value / MOST_CELLS


def _both(patch: Record) -> float | None:
    """Least size times the opacity of that patch, 1 where other fresh samples are not carried."""
    size = _size(patch)
    return None if size is None else size * float(patch["least_opacity_of_smallest"] or 1.0)


def _sum(patch: Record) -> float | None:
    """Least opacity of the whole times least size."""
    size, opacity = _size(patch), _opacity(patch)
    return None if size is None or opacity is None else size * opacity


MEASURES: dict[str, Measure] = {
    "least size": _size, "least opacity": _opacity, "opacity × size": _sum,
    "size × opacity of the smallest": _both,
}  # fmt: skip
SOURCES = {
    "patches of 4 cells": ("small-patch4",), "patches of 6 cells": ("small-patch6",),
    "both": ("small-patch4", "small-patch6"),
}  # fmt: skip


def best(row: Record, measure: Measure, sources: Sequence[str]) -> tuple[float, int | None]:
    """The least value of a model's patches of ``sources``, and its label."""
    known = [
        (value, one["label"])
        for one in row["patches"]
        if one["from"] in sources and (value := measure(one)) is not None
    ]
    return min(known, default=(NOTHING, None))


def _faint(rows: Sequence[Record]) -> list[str]:
    """Patches that the search found, by how small and how faint they may be."""
    clean, bad = _split(rows)
    lines = [
        "| patches | measure | clean that carry | least of clean | carry the target | below every "
        f"clean model | {' | '.join(ATTACKS[:4])} | AUROC |",
        f"|---|---|{'---|' * 9}",
    ]
    for words, sources in SOURCES.items():
        for name, measure in MEASURES.items():
            of_clean = [best(row, measure, sources)[0] for row in clean]
            ends = [(row, *best(row, measure, sources)) for row in bad]
            right = [(row, value) for row, value, label in ends if label == row["target"]]
            below = {row["name"] for row, value in right if value < min(of_clean)}
            values = [[-v for v in of_clean], [-value for _, value, _ in ends]]
            cells = [
                words, name, f"{sum(v < NOTHING for v in of_clean)} of {len(clean)}",
                f"{min(of_clean):.2f}", f"{len(right)} of {len(bad)}", str(len(below)),
                *(_count(bad, attack, below) for attack in ATTACKS[:4]), auroc_cell(*values),
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def _planted(rows: Sequence[Record]) -> list[str]:
    """Least opacities: of the planted triggers by attack, and of natural patches."""
    clean, bad = _split(rows)
    parts = {
        f"planted trigger, {attack}": [
            one for row in bad if row["attack"] == attack for one in row["patches"]
            if one["from"] == "planted"
        ]
        for attack in ATTACKS[:4]
    }  # fmt: skip
    for words, sources in {**SOURCES, "crops": ("crop",), "textures": ("texture",)}.items():
        of_clean = [one for row in clean for one in row["patches"] if one["from"] in sources]
        parts[f"clean models, {words}"] = of_clean
    lines = [
        "| | patches | carry 80 % | least opacity: least, median, largest |",
        "|---|---|---|---|",
    ]
    for words, patches in parts.items():
        known = [one["least_opacity"] for one in patches if one["least_opacity"] is not None]
        spread = "–"
        if known:
            spread = f"{min(known):.2f}, {np.median(known):.2f}, {max(known):.2f}"
        lines.append(f"| {words} | {len(patches)} | {len(known)} | {spread} |")
    return lines
