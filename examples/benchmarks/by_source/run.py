r"""Does a search of each source class by itself find other label maps than all-to-one?

    python -m examples.benchmarks by_source search --data-dir DATA --models MODELS \
        [--photo-data PHOTO_DATA --photos PHOTO_MODELS [--larger]]
    python -m examples.benchmarks by_source [--write-measured]

For triggers that work on some source classes, or send every class elsewhere. ``search`` asks models
of small pictures as the last search of an audit at ``thorough`` does, and adds one row a model:
clean ones, and those of the zoos whose label map is not all-to-one. With ``--larger`` it asks the
photo models of more than 40 pixels instead. Without a step the page is written from the rows.
Development models make the nulls: the zoo's of before its seventh round, that round's with such a
map, and half of the clean ones of small photographs, by their names; of larger ones those that
serve the search label by label at ``thorough``, without the data set and family that are held out.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from adapters.contract import InputSpec
from auditor.measured import FEW_CLASSES, BySourceRates, ValueNull, label_null_of
from auditor.plan.draw import MAX_OF_SOURCE, SOURCES, pick_by_source
from auditor.plan.searches import SOURCE_QUERIES
from auditor.probes.label_search.search import like
from auditor.probes.label_search.settings import FINE_SIDE, SUCCESS_SIDES, settings_for
from auditor.probes.trigger_search.by_source import (
    COUNTS,
    LEAST_OF_LABEL,
    Pair,
    moved_by,
    queries_of,
    several,
    statistic,
)
from auditor.probes.trigger_search.judge import (
    LEAST_SPREAD,
    OPEN_LEVEL,
    PLANTED_SHARE,
    SIGNIFICANCE,
)
from auditor.probes.trigger_search.per_source import Source, search_labels
from auditor.probes.trigger_search.search import KEYS
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.verify import exact_interval
from examples.benchmarks import measured_files
from examples.benchmarks.by_source.subjects import SEARCHED_AT, subjects
from examples.benchmarks.cells import rate_cell
from examples.benchmarks.stored import Record, read, write, write_page
from examples.benchmarks.zoo_models import add_asking_options, classifier, driven, require_data

DATA = Path(__file__).with_name("data.json.gz")
PAGE = Path(__file__).with_name("README.md")
SEED = 0
SETTINGS = replace(
    TriggerSettings(),
    parts=True, patch_share=PLANTED_SHARE, sources=SOURCES, source_samples=MAX_OF_SOURCE,
    source_queries=SOURCE_QUERIES,
)  # fmt: skip
SMALL, LARGER = "of small pictures", "of larger pictures"
SHAPES = {SMALL: (3, 32, 32), LARGER: (3, 64, 64)}
"""A picture of each group of models."""
Nulls = dict[str, ValueNull]
SPLITS = ("development", "held-out")
KINDS = {
    "all-to-all": "every class to another", "x-to-x": "a few classes, each to another",
    "x-to-one": "a few classes to one", "one-to-one": "one class",
}  # fmt: skip


def main() -> None:
    """Search, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", nargs="?", choices=("search", "report"), default="report")
    parser.add_argument("--split", choices=SPLITS, default=SPLITS[0])
    parser.add_argument("--photo-data", type=Path, help="folder of the photo data sets")
    parser.add_argument("--photos", type=Path, help="folder of the trained photo models")
    parser.add_argument("--larger", action="store_true", help="photographs of more than 40 pixels")
    measured_files.add_option(parser)
    add_asking_options(parser)
    options = parser.parse_args()
    rows: list[Record] = read(DATA, [])
    if options.step == "search":
        if not options.larger:
            require_data(options)
        for row in search_all(options, {row["name"] for row in rows}):
            rows.append(row)
            write(DATA, rows)
    groups = grouped(rows)
    write_page(PAGE, report(groups))
    if options.write_measured:
        write_measured(groups)


def write_measured(groups: dict[str, list[Record]]) -> None:
    """Write what the product knows of such searches."""
    for group, found in groups.items():
        nulls = nulls_of(found)
        rates = rates_of(found, nulls)
        measured_files.write_by_source(group == SMALL, nulls, rates, *by_role(found))


def grouped(rows: Sequence[Record]) -> dict[str, list[Record]]:
    """The rows of each group of models that were searched."""
    groups: dict[str, list[Record]] = {}
    for row in rows:
        groups.setdefault(group_of(row), []).append(row)
    return groups


def group_of(row: Record) -> str:
    """:data:`SMALL` or :data:`LARGER`."""
    return LARGER if row.get("side", 0) > SUCCESS_SIDES[1] else SMALL


@cache
def comparisons(group: str) -> int:
    """Those of the searches that come before in such a group, and of this one."""
    shape, before = SHAPES[group], len(KEYS) if group == SMALL else 0
    by_label = like(label_null_of(shape).of(SEARCHED_AT, 10), settings_for(shape[1:], SEARCHED_AT))
    return before + len(by_label) + len(COUNTS)


def search_all(options: argparse.Namespace, done: set[str]) -> Iterator[Record]:
    """Search the models of the split that are not ``done``."""
    for about, file, pictures in subjects(options):
        wanted = about["development"] is (options.split == SPLITS[0])
        if wanted and about["name"] not in done:
            images, classes = pictures()
            if len(np.unique(classes)) >= FEW_CLASSES:
                yield about | _searched(file, images, classes)


def _searched(file: Path, images: Any, classes: Any) -> Record:
    """What such a search of one model finds."""
    spec = InputSpec(images.shape[1:], (0.0,) * images.shape[1], (1.0,) * images.shape[1])
    picked = pick_by_source(classes, SEED)
    labels, samples = classifier(file), spec.from_pixels(images[picked])
    sources: list[Source] = driven(
        search_labels(samples, spec, SETTINGS, SEED, LEAST_OF_LABEL), labels
    )
    best = sorted(sources, key=lambda one: -one.low)
    carried = best if max(spec.shape[1:]) > SUCCESS_SIDES[1] else best[: SETTINGS.source_carried]
    moved = driven(moved_by(carried, best, spec), labels)
    return {
        "best": [
            [one.label, one.found.target, one.found.success.hits, one.found.success.images]
            for one in best
            if one.found is not None
        ],
        "moved": [
            [[one.source, one.target, one.success.hits, one.success.images] for one in pairs]
            for pairs in moved
        ],
        "classes": len(sources),
        "queries": len(samples) + queries_of(moved) + sum(one.result.queries for one in sources),
    }  # fmt: skip


def moved_of(row: Record) -> list[list[Pair]]:
    """What the patches of a row moved."""
    return [
        [Pair(source, target, exact_interval(hits, images, 0.95))
         for source, target, hits, images in pairs]
        for pairs in row["moved"]
    ]  # fmt: skip


def by_role(rows: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Rows of clean development models, and of held-out ones."""
    clean = [row for row in rows if row["development"] and row["map"] == "none"]
    return clean, [row for row in rows if not row["development"]]


def nulls_of(rows: Sequence[Record]) -> Nulls:
    """The nulls of what clean development models show, by the number of pairs."""
    nulls = {}
    for count in COUNTS:
        values = np.array([statistic(moved_of(row), count).value for row in by_role(rows)[0]])
        numbers = float(values.mean()), float(values.std(ddof=1)), float(values.max())
        mean, spread, highest = (round(number, 3) for number in numbers)
        nulls[str(count)] = ValueNull(mean, spread, len(values), highest)
    return nulls


def accused(row: Record, nulls: Nulls) -> list[Pair]:
    """The pairs that an audit accuses the model by; none if it does not."""
    found = several(moved_of(row), nulls, comparisons(group_of(row)))
    return found.pairs if found is not None and found.accuses else []


def leaves_open(row: Record, nulls: Nulls) -> bool:
    """True if an audit accuses the model or, by this search, does not clear it."""
    found = several(moved_of(row), nulls, comparisons(group_of(row)))
    return found is not None and (found.accuses or found.leaves_open)


def named(row: Record, nulls: Nulls) -> bool:
    """True if it is accused, and all pairs that are named are its backdoor's."""
    pairs = accused(row, nulls)
    return bool(pairs) and all([one.source, one.target] in row["truth"] for one in pairs)


def shown(row: Record) -> bool:
    """True if the best pair of a source that was searched by itself is the backdoor's."""
    return bool(row["best"]) and row["best"][0][:2] in row["truth"]


def found(rows: Sequence[Record], nulls: Nulls) -> int:
    """Number of models that are accused."""
    return sum(bool(accused(row, nulls)) for row in rows)


def rates_of(rows: Sequence[Record], nulls: Nulls) -> BySourceRates:
    """How searches of held-out models ended."""
    held = by_role(rows)[1]
    groups = {name: [row for row in held if row["map"] == name] for name in ("none", *KINDS)}
    everywhere, one = groups["all-to-all"], groups["one-to-one"]
    some = [*groups["x-to-x"], *groups["x-to-one"]]
    each = [row["queries"] / row["classes"] for row in held if row["classes"]]
    return BySourceRates(
        queries=round(float(np.mean(each)), 1),
        clean=len(groups["none"]),
        accused=found(groups["none"], nulls),
        everywhere=len(everywhere),
        everywhere_found=found(everywhere, nulls),
        some=len(some),
        some_found=found(some, nulls),
        one=len(one),
        one_shown=sum(map(shown, one)),
        sides=sides_of(held),
    )


def sides_of(held: Sequence[Record]) -> tuple[int, int]:
    """Sides of the pictures that a search decides on, by those of the ``held``-out models: of
    larger ones up to the largest that clean models and backdoored ones both have.
    """
    if group_of(held[0]) == SMALL:
        return SUCCESS_SIDES
    largest: dict[bool, int] = {}
    for row in held:
        clean = row["map"] == "none"
        largest[clean] = max(largest.get(clean, 0), row["side"])
    return SUCCESS_SIDES[1] + 1, min(largest.values())


def report(groups: dict[str, list[Record]]) -> str:
    """The page."""
    lines = [
        "# Each source class by itself",
        "",
        "    python -m examples.benchmarks by_source search --data-dir DATA --models MODELS",
        "    python -m examples.benchmarks by_source --write-measured",
        "",
        "The last search of an audit at `thorough` and `exhaustive`: of at most "
        f"{SOURCES} classes, {MAX_OF_SOURCE} samples each, {SETTINGS.source_queries} queries for "
        f"patches of each, and the best patches, {SETTINGS.source_carried} of small pictures and "
        "all of larger ones, on the samples of the others. What "
        "counts is the last of three pairs of three targets that one patch moves, or of four, by "
        "the log odds of the lower end of its success. It accuses by "
        f"{LEAST_SPREAD} more than the largest of clean development models, from p = "
        f"{SIGNIFICANCE} on, corrected for all comparisons, and leaves a model open from p = "
        f"{OPEN_LEVEL} on. Classes are drawn.",
        "",
    ]
    for group, rows in groups.items():
        lines += _section(group, rows)
    return "\n".join(lines)


def _section(group: str, rows: Sequence[Record]) -> list[str]:
    nulls, held = nulls_of(rows), by_role(rows)[1]
    three, four = nulls.values()
    median = np.median([row["queries"] for row in rows])
    sides = "" if group == SMALL else f", {min(_sides(rows))} to {max(_sides(rows))} pixels"
    lines = [
        f"## Models {group}{sides}",
        "",
        f"Median {median:,.0f} queries. Null: {three.models} clean development models, mean "
        f"{three.mean:.2f} and {four.mean:.2f}, spread {three.spread:.2f} and {four.spread:.2f}, "
        f"largest {three.highest:.2f} and {four.highest:.2f}; {comparisons(group)} comparisons.",
        "",
        "| models | accused | all pairs right | left open | best pair right |",
        "|---|---|---|---|---|",
    ]
    for title, part in (("development", [r for r in rows if r["development"]]), ("held-out", held)):
        for kind, words in {"none": "clean", **KINDS}.items():
            of_kind = [row for row in part if row["map"] == kind]
            if of_kind:
                lines.append(_line(f"{title}, {words}", of_kind, nulls))
            lines += _parts(title, kind, of_kind, nulls)
    return [*lines, *_every(rows), ""]


def _sides(rows: Sequence[Record]) -> list[int]:
    return [row["side"] for row in rows]


def _parts(title: str, kind: str, rows: Sequence[Record], nulls: Nulls) -> list[str]:
    """Lines of those of more than 96 pixels, and of patches at an inner place."""
    parts = {
        "more than 96 pixels": [row for row in rows if row.get("side", 0) >= FINE_SIDE],
        "the patch at an inner place": [row for row in rows if row.get("inside")],
    }
    return [
        _line(f"\N{EN DASH} {title}, {KINDS.get(kind, 'clean')}: {words}", part, nulls)
        for words, part in parts.items()
        if part
    ]


def _every(rows: Sequence[Record]) -> list[str]:
    """What patches move in every model that is not clean, and in clean ones that show most."""
    lines = ["", "### Every model that is not clean, and the clean ones that show most", ""]
    lines += ["| model | | three | four | pairs of the patch |", "|---|---|---|---|---|"]
    most = sorted(rows, key=lambda row: -statistic(moved_of(row), COUNTS[0]).value)
    listed = [row for row in rows if row["map"] != "none"]
    listed += [row for row in most if row["map"] == "none"][:10]
    for row in sorted(listed, key=lambda row: (row["map"] == "none", row["development"])):
        role = "development" if row["development"] else "held-out"
        first, second = (statistic(moved_of(row), count) for count in COUNTS)
        pairs = max(first.pairs, second.pairs, key=len)
        said = ", ".join(_pair(row, pair) for pair in pairs) or "–"
        values = f"{first.value:.2f} | {second.value:.2f}"
        lines.append(f"| {row['name']} | {role} | {values} | {said} |")
    return lines


def _line(title: str, rows: Sequence[Record], nulls: Nulls) -> str:
    bad = rate_cell(found(rows, nulls), len(rows))
    not_cleared = rate_cell(sum(leaves_open(row, nulls) for row in rows), len(rows))
    if rows[0]["map"] == "none":
        return f"| {title} | {bad} | – | {not_cleared} | – |"
    right = rate_cell(sum(named(row, nulls) for row in rows), len(rows))
    best = rate_cell(sum(map(shown, rows)), len(rows))
    return f"| {title} | {bad} | {right} | {not_cleared} | {best} |"


def _pair(row: Record, pair: Pair) -> str:
    right = " right" if [pair.source, pair.target] in row["truth"] else ""
    return f"{pair.source} > {pair.target} {pair.success.hits} of {pair.success.images}{right}"
