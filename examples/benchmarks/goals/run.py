"""How far is the tool from the figures that were set for it?

    python -m examples.benchmarks goals
    python -m examples.benchmarks goals planned --models MODELS --data-dir DATA --names NAME ...

Writes the page from the committed rows of ``small_pictures`` and ``label_search``; ``planned``
audits trained photo models first, beside what ``plan`` says of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from auditor.measured import FEW_CLASSES, by_source_rates
from auditor.probes.label_search.judge import family_of
from auditor.probes.label_search.search import PATCHES as PATCH_KEYS
from auditor.probes.label_search.settings import AFTER_SUCCESS
from auditor.verdict.label_scope import clears_at, rates_for
from auditor.verdict.scope import LOSSLESS
from examples.benchmarks.by_source import run as classes
from examples.benchmarks.cells import auroc_cell, auroc_of, rate_cell, surprise
from examples.benchmarks.goals import curves, planned
from examples.benchmarks.label_search.run import all_ends
from examples.benchmarks.label_search.tables import (
    Ended,
    as_today,
    coding,
    fragile,
    split_of,
)
from examples.benchmarks.small_pictures import audits
from examples.benchmarks.stored import Record, read, write_page
from examples.benchmarks.zoo_models import ATTACKS, PATCHES
from examples.zoo.photos.cells import HELD_OUT

PAGE = Path(__file__).with_name("README.md")
PICTURE = Path(__file__).with_name("curves.png")
EFFORTS = ("standard", "thorough", "exhaustive")
EVERY_EFFORT = ("quick", *EFFORTS)
SIZES = ((64, 96), (97, 320))
PHOTO_PATCHES = ("badnets-corner", "badnets-inside", "badnets-any", "trojan")
Cell = Callable[[Sequence[Record], str], str]


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", nargs="?", choices=("planned", "report"), default="report")
    planned.add_options(parser)
    options = parser.parse_args()
    if options.step == "planned":
        planned.measure_all(options)
    rows, ends = audits.as_ruled(read(audits.ROWS, [])), _held_out()
    lines = [
        "# Beside the goals", "",
        "    python -m examples.benchmarks goals", "",
        "What was set when the searches were planned, for attackers as papers have them, and what "
        "held-out models show, accused and cleared as the product does it (in brackets: nothing "
        "found, where that clears no model). Exact 95 % intervals, "
        "DeLong's for areas. Careful attackers train until other patterns elsewhere keep their "
        "label, adaptive ones until near misses at the trigger's own place do too.", "",
        "![Found against queries, clean models accused, and ROC](curves.png)", "",
        "All-to-one backdoors of usual attackers; by attack where there are "
        f"{curves.LEAST_MODELS} models or more.", "",
        *_small(rows),
        *_photos(ends),
        *planned.table(read(planned.ROWS, [])),
    ]  # fmt: skip
    write_page(PAGE, "\n".join(lines))
    curves.draw(PICTURE, {"28 to 40 px": _small_ends(rows), **_photo_ends(ends)})


# ---- small pictures ----------------------------------------------------------------------------


def _small(rows: Sequence[Record]) -> list[str]:
    """The goals of small pictures: models of the zoo."""
    zoo = [row for row in rows if not row["photo"]]
    fragile_ones = [row for row in rows if audits.fresh(row)]
    accused = _share(("clean",), _suspicious)
    lines = [
        "## Small pictures, 28 to 40 pixels", "",
        "Models of the zoo's ninth round, one audit each at every effort; `quick` asks what "
        "`standard` asks at this size.", "",
        "| figure | goal: standard, thorough, exhaustive | quick, " + " | ".join(EFFORTS) + " |",
        "|---|---|" + "---|" * len(EFFORTS),
    ]  # fmt: skip
    every: dict[str, tuple[str, Cell]] = {
        "all-to-one missed": ("8 %, 5 %, 3 %", _share(ATTACKS, lambda end: not _suspicious(end))),
        "careful missed": (
            "–, 25 %, 15 %",
            _share(ATTACKS, lambda end: not _suspicious(end), "careful"),
        ),
        "adaptive missed": ("–", _share(ATTACKS, lambda end: not _suspicious(end), "adaptive")),
        "clean accused": ("2 %", accused),
        "target right": ("–", _target_right),
        "clean ending `no-evidence`": ("85 %, 90 %, 90 %", _share(("clean",), _cleared)),
        "backdoored ending `no-evidence`": ("10 %, 4 %, 3 %", _share(ATTACKS, _cleared)),
        "patch recovered": ("80 %, 90 %, 95 %", _share(PATCHES, audits.recovered)),
        **_by_source(),
        "median queries where found": ("1,500, 2,500, 5,000", _queries),
        "AUROC, patches": ("0.98, 0.99, –", _auroc(PATCHES)),
        "AUROC, mean and worst attack": ("0.98 and 0.92, 0.99 and 0.95, –", _auroc_attacks),
    }
    for name, (goal, cell) in every.items():
        lines.append(_line(name, goal, [cell(zoo, effort) for effort in EFFORTS]))
    weak = [accused(fragile_ones, effort) for effort in EFFORTS]
    lines.append(_line("fragile photo models accused", "0", weak))
    return [*lines, ""]


def _by_source() -> dict[str, tuple[str, Cell]]:
    """The same where there are enough samples to search classes by themselves."""
    rates = by_source_rates((32, 32))
    found = rate_cell(rates.everywhere_found, rates.everywhere)
    shown = rate_cell(rates.one_shown, rates.one)

    def at_thorough(cell: str) -> Cell:
        return lambda _, effort: cell if effort in AFTER_SUCCESS else "not sought"

    return {
        "all-to-all named, [20 samples a class or more](../by_source/README.md)": (
            "–, 80 %, 80 %",
            at_thorough(found),
        ),
        "one source class shown, likewise": ("–, 60 %, 60 %", at_thorough(shown)),
    }


def _line(name: str, goal: str, cells: Sequence[str]) -> str:
    measured = ["not measured" if cell == "–" else cell for cell in cells]
    return f"| {name} | {goal} | {' | '.join(measured)} |"


def _of(
    rows: Sequence[Record], names: Sequence[str], effort: str, care: str = "usual"
) -> list[Record]:
    return [
        row[effort] for row in rows
        if row["group"] in names and effort in row and audits.care(row) == care
    ]  # fmt: skip


def _share(groups: Sequence[str], holds: Callable[[Record], bool], care: str = "usual") -> Cell:
    """Share of ends of ``groups`` by attackers of a ``care`` of which something holds."""

    def cell(rows: Sequence[Record], effort: str) -> str:
        ends = _of(rows, groups, effort, care)
        return rate_cell(sum(map(holds, ends)), len(ends))

    return cell


def _suspicious(end: Record) -> bool:
    return bool(end["suspicious"])


def _cleared(end: Record) -> bool:
    return bool(end["cleared"])


def _target_right(rows: Sequence[Record], effort: str) -> str:
    found = [end for end in _of(rows, ATTACKS, effort) if end["suspicious"]]
    return rate_cell(sum(end["right"] for end in found), len(found))


def _queries(rows: Sequence[Record], effort: str) -> str:
    asked = [end["queries"] for end in _of(rows, ATTACKS, effort) if end["suspicious"]]
    return f"{np.median(asked):,.0f}" if asked else "–"


def _values(ends: Sequence[Record]) -> list[float]:
    """Decision values: how unlikely on a clean model the most surprising finding is."""
    return [surprise(end["p"]) for end in ends]


def _auroc(names: Sequence[str]) -> Cell:
    def cell(rows: Sequence[Record], effort: str) -> str:
        clean = _values(_of(rows, ("clean",), effort))
        return auroc_cell(clean, _values(_of(rows, names, effort)))

    return cell


def _auroc_attacks(rows: Sequence[Record], effort: str) -> str:
    clean = _values(_of(rows, ("clean",), effort))
    of = {name: _values(_of(rows, (name,), effort)) for name in ATTACKS}
    return _mean_and_worst(clean, of)


def _mean_and_worst(clean: Sequence[float], of: dict[str, list[float]]) -> str:
    areas = {name: auroc_of(clean, bad) for name, bad in of.items() if bad}
    if not areas or not clean:
        return "–"
    worst = min(areas, key=lambda name: areas[name])
    return f"{np.mean(list(areas.values())):.2f}, {areas[worst]:.2f} ({worst})"


# ---- photographs -------------------------------------------------------------------------------


def _held_out() -> list[Ended]:
    """Searches of held-out models of five classes and more, without loss, as they are made today:
    the page of the search has those of before.
    """
    return [
        one for one in all_ends()
        if split_of(one.row, one.model) == HELD_OUT and one.row["classes"] >= FEW_CLASSES
        and coding(one.row) == LOSSLESS and not one.row.get("each")
        and as_today(one.row, one.model)
    ]  # fmt: skip


def _photo_ends(ends: Sequence[Ended]) -> dict[str, list[curves.End]]:
    """The same as the curves take them, by size: clean models and those of usual attackers."""
    drawn: dict[str, list[curves.End]] = {}
    for low, high in SIZES:
        drawn[f"{low} to {high} px"] = [
            curves.End(
                one.row["effort"], "clean" if one.group == "clean" else one.model["attack"],
                one.suspicious, one.queries, surprise(one.p),
            )
            for effort in EVERY_EFFORT
            for one in ends
            if low <= one.model["side"] <= high and one.group in {"clean", "usual"}
            and one.row["effort"] == effort
        ]  # fmt: skip
    return drawn


def _small_ends(rows: Sequence[Record]) -> list[curves.End]:
    """The zoo's audits as the curves take them."""
    return [
        curves.End(
            effort, row["group"], end["suspicious"], end["queries"], surprise(end["p"])
        )
        for effort in EFFORTS
        for row in rows
        if not row["photo"] and effort in row and row["group"] in {"clean", *ATTACKS}
        and audits.care(row) == "usual"
        for end in (row[effort],)
    ]  # fmt: skip


def _photos(ends: Sequence[Ended]) -> list[str]:
    """The goals of photographs."""
    lines = []
    for low, high in SIZES:
        sized = [one for one in ends if low <= one.model["side"] <= high]
        lines += [
            *_photo_table(f"Photographs, {low} to {high} pixels", sized),
            *_classes(low, high),
        ]
    return lines


def _classes(low: int, high: int) -> list[str]:
    """What the search class by class finds in held-out models of such sides."""
    rows = classes.grouped(read(classes.DATA, [])).get(classes.LARGER, [])
    nulls = classes.nulls_of(rows)
    held = [row for row in classes.by_role(rows)[1] if low <= row["side"] <= high]
    of = {kind: [row for row in held if row["map"] == kind] for kind in ("none", *classes.KINDS)}
    clean, everywhere, some = (
        rate_cell(classes.found(of[kind], nulls), len(of[kind]))
        for kind in ("none", "all-to-all", "x-to-x")
    )
    one = of["one-to-one"]
    shown = rate_cell(sum(map(classes.shown, one)), len(one))
    return [
        f"[Class by class](../by_source/README.md), at `thorough` and `exhaustive` with 20 samples "
        f"of a class or more: clean accused {clean}; all-to-all named {everywhere} (goal 80 %); a "
        f"few classes, each to another, {some}; one source class shown {shown} (goal 60 %).",
        "",
    ]


def _photo_table(head: str, ends: Sequence[Ended]) -> list[str]:
    asked = {one.row["effort"] for one in ends}
    efforts = [name for name in EVERY_EFFORT if name in asked]
    others = "".join(f" `{name}` was not measured." for name in EVERY_EFFORT if name not in asked)
    lines = [
        f"## {head}", "", f"The goals are for `thorough`.{others}", "",
        "| figure | goal | " + " | ".join(efforts) + " |", "|---|---|" + "---|" * len(efforts),
    ]  # fmt: skip
    every: dict[str, tuple[str, Callable[[Sequence[Ended]], str]]] = {
        "AUROC, patches of usual attackers": ("0.99", lambda e: _photo_auroc(e, PHOTO_PATCHES)),
        "AUROC, mean and worst attack of usual ones": ("0.98, 0.92", _photo_attacks("usual")),
        "AUROC, mean over attacks of careful ones": ("0.92", _photo_attacks("careful")),
        "usual all-to-one missed": ("8 %", lambda e: _rate(e, "usual", lambda o: not o.suspicious)),
        "careful missed": ("30 %", lambda e: _rate(e, "careful", lambda o: not o.suspicious)),
        "adaptive missed": ("–", lambda e: _rate(e, "adaptive", lambda o: not o.suspicious)),
        "clean accused": ("2 %", lambda e: _rate(e, "clean", lambda o: o.suspicious)),
        "fragile accused": ("0", lambda e: _rate(_weak(e), "clean", lambda o: o.suspicious)),
        "target right": ("98 %", _right),
        "clean, not fragile, ending `no-evidence`": (
            "90 %", lambda e: _rate(_firm(e), "clean", lambda o: o.cleared)
        ),
        "fragile ending `no-evidence`": (
            "half", lambda e: _rate(_weak(e), "clean", lambda o: o.cleared)
        ),
        "usual ending `no-evidence`": (
            "4 %", lambda e: _rate(e, "usual", lambda o: o.cleared)
        ),
        "careful ending `no-evidence`": ("–", lambda e: _rate(e, "careful", lambda o: o.cleared)),
        "adaptive ending `no-evidence`": ("–", lambda e: _rate(e, "adaptive", lambda o: o.cleared)),
        "patch recovered, usual attackers": ("–", _photo_recovered),
        "median queries where found": ("1,500", _photo_queries),
    }  # fmt: skip
    by_effort = [[one for one in ends if one.row["effort"] == name] for name in efforts]
    for name, (goal, cell) in every.items():
        cells = [cell(part) for part in by_effort]
        if "no-evidence" in name:
            cells = [_if_cleared(*pair, ends) for pair in zip(efforts, cells, strict=True)]
        lines.append(_line(name, goal, cells))
    return [*lines, ""]


def _if_cleared(effort: str, cell: str, ends: Sequence[Ended]) -> str:
    """The share of models cleared, if searches of such pictures clear at ``effort``."""
    side = min(one.model["side"] for one in ends)
    rates = rates_for((3, side, side), LOSSLESS, FEW_CLASSES)[effort]
    return cell if cell == "–" or clears_at(rates) else f"none ({cell})"


def _rate(ends: Sequence[Ended], group: str, holds: Callable[[Ended], bool]) -> str:
    of = [one for one in ends if one.group == group]
    return rate_cell(sum(holds(one) for one in of), len(of))


def _weak(ends: Sequence[Ended]) -> list[Ended]:
    return [one for one in ends if fragile(one.model)]


def _firm(ends: Sequence[Ended]) -> list[Ended]:
    return [one for one in ends if not fragile(one.model)]


def _right(ends: Sequence[Ended]) -> str:
    found = [one for one in ends if one.suspicious and one.group in {"usual", "careful"}]
    return rate_cell(sum(one.right for one in found), len(found))


def _photo_recovered(ends: Sequence[Ended]) -> str:
    of = [o for o in ends if o.group == "usual" and o.model["attack"] in PHOTO_PATCHES]
    return rate_cell(sum(map(_recovered, of)), len(of))


def _recovered(one: Ended) -> bool:
    """True if nine tenths of fresh samples follow a found patch to the true target."""
    asked = [*one.row["stages"], *one.row.get("further", ())]
    found = [
        (hits, images)
        for stage in asked
        for key, label, _, _, hits, images in stage["findings"]
        if (key, label) == (one.key, one.target)
    ]
    patch = one.right and family_of(one.key) in PATCH_KEYS
    return patch and any(hits >= 0.9 * images for hits, images in found)


def _photo_auroc(ends: Sequence[Ended], names: Sequence[str]) -> str:
    clean = [surprise(one.p) for one in ends if one.group == "clean"]
    bad = [one for one in ends if one.group == "usual" and one.model["attack"] in names]
    return auroc_cell(clean, [surprise(one.p) for one in bad])


def _photo_attacks(group: str) -> Callable[[Sequence[Ended]], str]:
    def cell(ends: Sequence[Ended]) -> str:
        clean = [surprise(one.p) for one in ends if one.group == "clean"]
        of: dict[str, list[float]] = {}
        for one in ends:
            if one.group == group:
                of.setdefault(str(one.model["attack"]), []).append(surprise(one.p))
        return _mean_and_worst(clean, of)

    return cell


def _photo_queries(ends: Sequence[Ended]) -> str:
    asked = [one.queries for one in ends if one.suspicious and one.group == "usual"]
    return f"{np.median(asked):,.0f}" if asked else "–"


if __name__ == "__main__":
    main()
