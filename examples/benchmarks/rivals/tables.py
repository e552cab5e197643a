"""The tables and the curve of the page on rivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from examples.benchmarks.cells import auroc_cell, auroc_of, rate_cell, steps_of
from examples.benchmarks.rivals.scores import Column, Scored
from examples.benchmarks.stored import Record
from examples.benchmarks.zoo_models import ATTACKS, PATCHES


def efforts_table(columns: Sequence[Column]) -> list[str]:
    """Each method at each effort: areas, accusations, targets and queries."""
    lines = [
        "| method | reads | queries allowed | AUROC, all-to-one | AUROC, patches | clean accused "
        "| backdoors accused | its target right | queries where accused, median | accuses above |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    return [*lines, *map(_effort_row, columns), ""]


def _effort_row(one: Column) -> str:
    clean, bad = one.accused(_clean), one.accused(_bad)
    named = [model for model in bad if model.right is not None]
    asked = [model.queries for model in bad]
    cells = [
        one.method,
        one.access,
        one.effort,
        _area(one, ATTACKS),
        _area(one, PATCHES),
        rate_cell(len(clean), sum(map(_clean, one.models))),
        rate_cell(len(bad), sum(map(_bad, one.models))),
        f"{sum(bool(model.right) for model in named)} of {len(named)}" if named else "–",
        f"{np.median(asked):,.0f}" if asked else "–",
        one.source if one.method == "this tool" else f"{one.bar:.3f}, {one.source}",
    ]
    return f"| {' | '.join(cells)} |"


def _area(one: Column, kinds: Sequence[str]) -> str:
    clean = [model.score for model in one.models if model.group == "clean"]
    return auroc_cell(clean, [model.score for model in one.models if model.group in kinds])


def _clean(model: Scored) -> bool:
    return model.group == "clean"


def _bad(model: Scored) -> bool:
    return model.group in ATTACKS


def attacks_table(columns: Sequence[Column]) -> list[str]:
    """Accused of each attack and its AUROC, by each method's last column."""
    columns = list({(one.method, one.access): one for one in columns}.values())
    heads = [f"{one.method}, {one.access}, {one.effort}" for one in columns]
    lines = [f"| attack | models | {' | '.join(heads)} |", f"|---|---|{'---|' * len(heads)}"]
    for attack in ATTACKS:
        count = sum(model.group == attack for model in columns[0].models)
        if count:
            cells = [f"{_accused(one, attack)}; {_area_of(one, attack):.2f}" for one in columns]
            lines.append(f"| {attack} | {count} | {' | '.join(cells)} |")
    return [*lines, ""]


def _accused(one: Column, attack: str) -> int:
    return len(one.accused(lambda model: model.group == attack))


def _area_of(one: Column, attack: str) -> float:
    clean = [model.score for model in one.models if model.group == "clean"]
    return auroc_of(clean, [model.score for model in one.models if model.group == attack])


def kinds_table(rows: Mapping[str, Record], budget: int) -> list[str]:
    """Which template the best trigger of a search is of, and how far it carries."""
    lines = ["| models | patch | blend | filter | warp | success on its samples, median |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for part, clean in (("development", True), ("held-out", True), ("held-out", False)):
        bests = [
            row["best"][str(budget)]
            for row in rows.values()
            if row["part"] == part and (row["group"] == "clean") == clean
        ]
        if bests:
            counts = [
                str(sum(best["template"] == kind for best in bests))
                for kind in ("patch", "blend", "filter", "warp")
            ]
            middle = np.median([best["success"] for best in bests])
            name = f"{part}, {'clean' if clean else 'backdoored'}"
            lines.append(f"| {name} | {' | '.join(counts)} | {middle:.2f} |")
    return [*lines, ""]


def training_table(kept: Mapping[str, Record]) -> list[str]:
    """What each of MNTD's meta-classifiers was trained on, and how it separates."""
    lines = [
        "| data set | shadows: clean, backdoored | development models: clean, backdoored | "
        "shadows' accuracy, attack success (median) | AUROC of the folds left out | "
        "AUROC, held-out |",
        "|---|---|---|---|---|---|",
    ]
    for name, part in kept.items():
        trained = part["trained"].values()
        shadows = [row for row in trained if "backdoored" in row]
        models = [row for row in trained if "backdoored" not in row]
        bad = [row for row in shadows if row["backdoored"]]
        clean = sum(row["group"] == "clean" for row in models)
        held = part["held_out"].values()
        area = auroc_cell([row["score"] for row in held if row["group"] == "clean"],
                          [row["score"] for row in held if row["group"] != "clean"])  # fmt: skip
        cells = [
            name,
            f"{len(shadows) - len(bad)}, {len(bad)}",
            f"{clean}, {len(models) - clean}",
            f"{_median(shadows, 'accuracy')}, {_median(bad, 'success')}",
            ", ".join("–" if value is None else f"{value:.2f}" for value in part["folds"]),
            area,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _median(rows: Sequence[Record], key: str) -> str:
    return f"{np.median([row[key] for row in rows]):.2f}" if rows else "–"


def draw(path: Path, lines: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Draw the share found against queries: one line a method, a lone point as a mark."""
    import matplotlib as mpl  # noqa: PLC0415 - slow to load, and no test needs it

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "rivals", "svg.fonttype": "none"})
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for name, points in lines.items():
        style = "steps-post" if name.startswith("this tool") else "default"
        axis.plot(*zip(*points, strict=True), marker=".", drawstyle=style, label=name)
    axis.set_xscale("log")
    axis.set_ylim(0, 1)
    axis.set_xlabel("queries")
    axis.set_ylabel("all-to-one backdoors accused")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None})


def found_against_queries(columns: Sequence[Column]) -> dict[str, list[tuple[float, float]]]:
    """Points of :func:`draw`: the budgets of a rival, and each accusation of the tool's audits."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for one in columns:
        count = max(1, sum(map(_bad, one.models)))
        found = one.accused(_bad)
        if one.method != "this tool":
            at = float(one.effort.replace(",", ""))
            lines.setdefault(f"{one.method}, {one.access}", []).append((at, len(found) / count))
        elif one.effort == "thorough":
            asked = [model.queries for model in found]
            lines[f"{one.method}, {one.access}"] = steps_of(asked, count)
    return lines
