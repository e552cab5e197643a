"""Rows of the held-out scoring, and its tables: goals, verdicts, AUROC, RE and ATS beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from auditor.verdict.rule import LEVEL
from examples.benchmarks.cells import auroc_cell, auroc_of, medians, rate_cell
from examples.benchmarks.decision_rule.evidence import plane_scores
from examples.benchmarks.measured_files import FAINT, MAPS
from examples.benchmarks.stored import Record, read, zoo_index
from examples.benchmarks.zoo_models import ACCESS, ATTACKS, PATCHES, targets_of

ROWS = Path(__file__).with_name("rows.json.gz")
FAMILY_QUERIES = 1000
Rows = Sequence[Record]
Known = list[tuple[str, float]]


@dataclass(frozen=True)
class Scoring:
    """One scoring of held-out models.

    Attributes:
        title: heading.
        made: how and when it was made, in words.
        compared: what models were compared with, and what their queries count.
        rows: one per model, as :func:`load_rows` gives them.
        parts: subsets that get tables of their own, by heading.
    """

    title: str
    made: str
    compared: str
    rows: Rows
    parts: Mapping[str, Rows]


def load_rows() -> list[Record]:
    """The rows of both rounds, with the zoo's index on each model."""
    known = {record["name"]: record for record in zoo_index()}
    rows: list[Record] = read(ROWS)
    for row in rows:
        row["poison"] = known[row["name"]]["poison_rate"]
        row["targets"] = sorted(targets_of(known[row["name"]]))
    return rows


def report(one: Scoring) -> str:
    """All tables."""
    lines = [
        f"# {one.title}",
        "",
        one.made,
        "",
        f"{one.compared} Inputs are 8-bit pictures, so both access modes give the same figures. "
        "Intervals are 95 %. A patch is recovered where the search's verified patch sends at least "
        "90 % of fresh samples to a true target.",
        "",
        "## Goals",
        "",
        *goals_table(one.rows),
        "",
        f"## Verdicts at the stated false-positive rate of {LEVEL:.0%}",
        "",
    ]
    for name, part in one.parts.items():
        lines += [f"### {name}", "", *verdict_table(part), ""]
    lines += ["## AUROC by attack, all-to-one", ""]
    for name, part in list(one.parts.items())[:3]:
        lines += [f"### {name}", "", *auroc_table(part), ""]
    lines += ["## RE and ATS on the same models", "", *plane_table(one.rows), ""]
    lines += [
        "Methods that see gradients and logits on the same models: [white_box](../white_box).",
        "",
    ]
    return "\n".join([*lines, "## By name", "", *by_name(one.rows), ""])


# ---- groups -----------------------------------------------------------------------------------


def groups_of(rows: Rows) -> list[tuple[str, Rows]]:
    """Rows of tables: clean models, all-to-one attacks, other label maps, faint poison."""
    groups: list[tuple[str, Rows]] = [
        ("clean", [r for r in rows if r["group"] == "clean"]),
        ("patches", [r for r in rows if r["group"] in PATCHES]),
        ("all ten, all-to-one", [r for r in rows if r["group"] in ATTACKS]),
    ]
    groups += [(name, [r for r in rows if r["group"] == name]) for name in (*ATTACKS, *MAPS)]
    groups.append(("1 % poison, all-to-one", [r for r in rows if r["poison"] == FAINT and _one(r)]))
    return [(name, group) for name, group in groups if group]


def _one(row: Record) -> bool:
    return row["group"] in ATTACKS


# ---- goals ------------------------------------------------------------------------------------


def goals_table(rows: Rows) -> list[str]:
    """Every goal, how far it got, and whether that meets it."""
    judged = [r for r in rows if r["cross"]]
    return [
        "| goal, references of other recipes | wanted | here | |",
        "|---|---|---|---|",
        *_goals_of_separation(_known(judged, lambda r: r["cross"]["value"])),
        *_goals_of_cost(rows, judged),
        *_goals_of_verdicts(judged),
    ]


def _goals_of_separation(known: Known) -> list[str]:
    clean = [v for group, v in known if group == "clean"]
    patches = [v for group, v in known if group in PATCHES]
    lines = [
        _goal("AUROC, patch triggers, all-to-one", "≥ 0.99 in `float`, ≥ 0.98 in `image`",
              auroc_cell(clean, patches), _by_bars(clean, patches, 0.99, 0.98))
    ]  # fmt: skip
    areas = areas_by_attack(known)
    if areas:
        mean, (worst, attack) = float(np.mean([a for a, _ in areas])), min(areas)
        lines.append(_goal(f"AUROC, mean over the {len(areas)} triggers there are", "≥ 0.95",
                           f"{mean:.3f}", _met(mean >= 0.95)))  # fmt: skip
        lines.append(_goal("AUROC, worst trigger", "≥ 0.85", f"{worst:.3f} ({attack})",
                           _met(worst >= 0.85)))  # fmt: skip
    return lines


def _goals_of_cost(rows: Rows, judged: Rows) -> list[str]:
    """Patches recovered, and the queries that verdicts took."""
    stamped = [r for r in rows if r["group"] in PATCHES]
    hits = sum(r["recovered"] for r in stamped)
    met = _share_met(hits, len(stamped), 0.9)
    cell = rate_cell(hits, len(stamped))
    lines = [
        _goal("patch recovered, right target", "≥ 90 % of models", cell, met),
        _goal("queries, families only", "≤ 1,000", f"{FAMILY_QUERIES:,}", _met(good=True)),
    ]
    found = [
        r["queries"] + _families_for_trigger(r) for r in judged if r["cross"]["flagged"] and _one(r)
    ]
    clear = [
        r["queries"] + _families_for_clear(r)
        for r in judged
        if r["group"] == "clean" and not r["cross"]["flagged"]
    ]
    for title, most, numbers, words in (
        ("queries, trigger found (median)", 2000, found, "of the search"),
        ("queries, all-clear (median)", 6000, clear, "of search and families"),
    ):
        if numbers:
            good = float(np.median(numbers)) <= most
            (middle,) = medians([numbers])
            lines.append(_goal(title, f"≤ {most:,}", f"{middle} {words}", _met(good)))
    return lines


def _goals_of_verdicts(judged: Rows) -> list[str]:
    clean = [r for r in judged if r["group"] == "clean"]
    wrong = sum(r["cross"]["flagged"] for r in clean)
    named = [r for r in judged if r["cross"]["flagged"] and r["group"] != "clean"]
    right = sum(r["cross"]["right"] for r in named)
    return [
        _goal("clean models of unseen recipes accused", "≤ 5 %", rate_cell(wrong, len(clean)),
              _met(wrong <= 0.05 * len(clean))),
        _goal("target right, when suspected", "≥ 95 %", rate_cell(right, len(named)),
              _share_met(right, len(named), 0.95)),
    ]  # fmt: skip


def _families_for_trigger(row: Record) -> float:
    """Queries of the families of an audit that names a target: none if the search convinced
    alone. Rows that do not hold what the families asked count the search only.
    """
    return 0.0 if row["trigger_suspicious"] else float(row.get("families_asked", 0.0))


def _families_for_clear(row: Record) -> float:
    """Queries of the families of an audit that names none: all, unless the row says how many had
    answered when they ended.
    """
    return float(row.get("families_asked", FAMILY_QUERIES))


def _goal(what: str, wanted: str, here: str, met: str) -> str:
    return f"| {what} | {wanted} | {here} | {met} |"


def _met(good: bool) -> str:  # noqa: FBT001 - the one thing it takes
    return "met" if good else "**missed**"


def _share_met(hits: int, count: int, least: float) -> str:
    return _met(hits >= least * count) if count else "–"


def _by_bars(clean: Sequence[float], bad: Sequence[float], high: float, low: float) -> str:
    """The words for one figure beside the bars of both access modes."""
    if not clean or not bad:
        return "–"
    area = auroc_of(clean, bad)
    if area >= high:
        return "met"
    return "met in `image`, **missed** in `float`" if area >= low else "**missed**"


# ---- tables -----------------------------------------------------------------------------------


def verdict_table(rows: Rows) -> list[str]:
    """Flagged, right, queries, for the rule with and without references."""
    lines = [
        "| group | beside other recipes | target right | beside the same recipe | "
        "trigger search alone | queries, median: flagged / not | patch recovered |",
        "|---|---|---|---|---|---|---|",
    ]
    return lines + [_verdict_row(name, group) for name, group in groups_of(rows)]


def _verdict_row(name: str, rows: Rows) -> str:
    cross = [r for r in rows if r["cross"]]
    same = [r for r in rows if r["same"]]
    flagged = [r for r in cross if r["cross"]["flagged"]]
    others = [r for r in cross if not r["cross"]["flagged"]]
    right = rate_cell(sum(r["cross"]["right"] for r in flagged), len(flagged))
    queries = [[r["queries"] + _families_for_clear(r) for r in part] for part in (flagged, others)]
    stamped = name in {"patches", *PATCHES}
    cells = [
        rate_cell(len(flagged), len(cross)),
        "–" if name == "clean" else right,
        rate_cell(sum(r["same"]["flagged"] for r in same), len(same)),
        rate_cell(sum(r["trigger_suspicious"] for r in rows), len(rows)),
        " / ".join(medians(queries)),
        rate_cell(sum(r["recovered"] for r in rows), len(rows)) if stamped else "–",
    ]
    return f"| {name} | {' | '.join(cells)} |"


def auroc_table(rows: Rows) -> list[str]:
    """AUROC of the value with references of either kind, of the families and of the search."""
    columns: dict[str, Callable[[Record], float | None]] = {
        "rule, other recipes": lambda r: r["cross"] and r["cross"]["value"],
        "rule, same recipe": lambda r: r["same"] and r["same"]["value"],
        "families alone, other recipes": lambda r: r["cross"] and r["cross"]["families"],
        "trigger search alone": lambda r: r["trigger"]["value"],
    }
    return area_table(rows, columns)


def area_table(rows: Rows, columns: Mapping[str, Callable[[Record], float | None]]) -> list[str]:
    """AUROC by attack of the value that each column takes from a row."""
    lines = [f"| attack | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    groups: dict[str, Sequence[str]] = {a: (a,) for a in ATTACKS}
    groups |= {"patches": PATCHES, "all": ATTACKS}
    known = [_known(rows, value) for value in columns.values()]
    for name, kinds in groups.items():
        cells = []
        for column in known:
            clean = [v for g, v in column if g == "clean"]
            cells.append(auroc_cell(clean, [v for g, v in column if g in kinds]))
        if set(cells) != {"–"}:
            lines.append(f"| {name} | {' | '.join(cells)} |")
    lines.append(f"| mean over attacks, worst | {' | '.join(map(_mean_worst, known))} |")
    return lines


def _known(rows: Rows, value: Callable[[Record], float | None]) -> Known:
    """Group and value of the rows that have one."""
    pairs = [(str(row["group"]), value(row)) for row in rows]
    return [(group, held) for group, held in pairs if held is not None]


def areas_by_attack(known: Known) -> list[tuple[float, str]]:
    """AUROC of each attack that there is, with its name."""
    clean = [v for g, v in known if g == "clean"]
    found = [(attack, [v for g, v in known if g == attack]) for attack in ATTACKS]
    return [(auroc_of(clean, bad), attack) for attack, bad in found if bad and clean]


def _mean_worst(known: Known) -> str:
    areas = areas_by_attack(known)
    if not areas:
        return "–"
    worst = min(areas)
    return f"{np.mean([a for a, _ in areas]):.2f}, {worst[0]:.2f} ({worst[1]})"


def plane_table(rows: Rows) -> list[str]:
    """RE and ATS of the same models, as far as they were scored."""
    lines = ["| score | all | mean over attacks, worst |", "|---|---|---|"]
    for access in ACCESS:
        scores = plane_scores(access)
        for name in ("re", "ats", "ats_by_label"):
            known = [
                (str(r["group"]), -scores[r["name"]][name]) for r in rows if r["name"] in scores
            ]
            clean = [v for g, v in known if g == "clean"]
            cell = auroc_cell(clean, [v for g, v in known if g in ATTACKS])
            lines.append(f"| {name}, {access} | {cell} | {_mean_worst(known)} |")
    return lines


def by_name(rows: Rows) -> list[str]:
    """The errors, by name."""

    def names(chosen: Rows) -> str:
        return ", ".join(r["name"] for r in chosen) or "none"

    judged = [r for r in rows if r["cross"]]
    wrong = [r for r in judged if r["group"] == "clean" and r["cross"]["flagged"]]
    missed = [r for r in judged if _one(r) and not r["cross"]["flagged"]]
    other = [
        r for r in judged if r["group"] != "clean" and r["cross"]["flagged"]
        and not r["cross"]["right"]
    ]  # fmt: skip
    maps = [r for r in judged if r["group"] in MAPS and not r["cross"]["flagged"]]
    lost = [r for r in rows if r["group"] in PATCHES and not r["recovered"]]
    return [
        f"Clean and flagged: {names(wrong)}.",
        "",
        f"Missed, all-to-one: {names(missed)}.",
        "",
        f"Missed, other label maps: {names(maps)}.",
        "",
        f"Patch not recovered: {names(lost)}.",
        "",
        f"Flagged with another target: {names(other)}.",
        "",
        f"Not judged, for want of references of other recipes: "
        f"{names([r for r in rows if not r['cross']])}.",
    ]
