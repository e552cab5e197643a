"""Curves of the goals' page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from auditor.measured import LabelRates, small_label_rates, trigger_error_rates
from auditor.verdict.label_scope import as_ruled, clears_at, errors_of, rates_for
from examples.benchmarks.goals import curves
from examples.benchmarks.goals.curves import End, found_against_queries, roc

PAGE = Path(curves.__file__).with_name("README.md").read_text(encoding="utf-8")
SECTIONS = {"28 to 40": 32, "64 to 96": 64, "97 to 320": 97}
"""Sizes of the page's sections, with a side of each."""
Count = Callable[[LabelRates], tuple[int, int]]
ROWS: dict[str, Count] = {
    "usual all-to-one missed": lambda one: (one.usual - one.usual_found, one.usual),
    "careful missed": lambda one: (one.careful - one.careful_found, one.careful),
    "adaptive missed": lambda one: (one.adaptive - one.adaptive_found, one.adaptive),
    "clean accused": lambda one: (one.accused, one.clean),
    "fragile accused": lambda one: (one.fragile_accused, one.fragile),
    "usual ending `no-evidence`": lambda one: (one.usual_cleared, one.usual),
    "careful ending `no-evidence`": lambda one: (one.careful_cleared, one.careful),
    "adaptive ending `no-evidence`": lambda one: (one.adaptive_cleared, one.adaptive),
}
"""Rows of photographs that the product's numbers hold too."""


def table(size: str) -> dict[str, dict[str, str]]:
    """The cells of a section, by row and effort."""
    section = PAGE.partition(f", {size} pixels\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in section.splitlines() if line.startswith("|")]  # fmt: skip
    efforts = rows[0][2:]
    return {row[0]: dict(zip(efforts, row[2:], strict=True)) for row in rows[2:]}


@pytest.mark.parametrize("size", [*SECTIONS][1:])
@pytest.mark.parametrize("name", ROWS)
def test_photographs_are_counted_as_the_product_counts_them(size: str, name: str) -> None:
    side = SECTIONS[size]
    rates = rates_for((3, side, side), "png", 10)
    cells = table(size)[name]
    assert {"quick", "standard", "thorough"} <= {*cells} <= {*rates}
    for effort, cell in cells.items():
        hits, models = ROWS[name](rates[effort])
        assert cell.startswith("none (") is ("no-evidence" in name and not clears_at(rates[effort])
                                             and models > 0)  # fmt: skip
        count = re.search(r"(\d+) of (\d+)", cell)
        if count is None:
            assert (models, cell) == (0, "not measured")
        else:
            assert (int(count[1]), int(count[2])) == (hits, models)


def test_small_pictures_are_accused_as_the_product_accuses_them() -> None:
    cells = table("28 to 40")["all-to-one missed"]
    measured = {
        name: errors_of(as_ruled(one)) for name, one in small_label_rates()[0].efforts.items()
    }
    errors = {"quick, standard": trigger_error_rates(), **measured}
    assert {*cells} == {*errors}
    for effort, cell in cells.items():
        assert cell.startswith(f"{errors[effort].missed} of {errors[effort].backdoored} = ")
    weak, thorough = table("28 to 40")["fragile photo models accused"], measured_at("thorough")
    of = f"{thorough.fragile_accused} of {thorough.fragile} = "
    assert all(cell.startswith(of) for cell in weak.values())
    for name in ("careful missed", "adaptive missed"):
        for effort in ("thorough", "exhaustive"):
            hits, models = ROWS[name](measured_at(effort))
            assert table("28 to 40")[name][effort].startswith(f"{hits} of {models} = ")


def measured_at(effort: str) -> LabelRates:
    return small_label_rates()[0].efforts[effort]


def end(queries: int, *, suspicious: bool) -> End:
    return End("thorough", "sig", suspicious, queries, 1.0)


def test_what_accuses_counts_from_the_queries_that_it_took() -> None:
    ends = [end(4000, suspicious=True), end(9000, suspicious=False), end(700, suspicious=True)]
    assert found_against_queries(ends, 9000) == [
        (100.0, 0.0), (700.0, 1 / 3), (4000.0, 2 / 3), (9000.0, 2 / 3),
    ]  # fmt: skip
    assert found_against_queries(ends[1:2], 9000) == [(100.0, 0.0), (9000.0, 0.0)]


def test_a_roc_goes_from_none_to_all_and_counts_ties_together() -> None:
    assert roc([1.0, 2.0], [2.0, 3.0]) == [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]
