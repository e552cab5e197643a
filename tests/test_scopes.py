"""Sizes, efforts and figures that pages and help name by hand are those that were measured."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from auditor.cli.options import MethodOptions
from auditor.measured import (
    LabelRates,
    by_source_rates,
    search_queries,
    small_label_rates,
    trigger_clearing,
    trigger_error_rates,
)
from auditor.probes.further_searches import SUREST
from auditor.probes.label_search.judge import LEVEL, LEVEL_LARGE
from auditor.probes.label_search.settings import AFTER_SUCCESS, EFFORTS, SUCCESS_SIDES
from auditor.scores.intervals import binomial_rate
from auditor.verdict.clearing import LEAST_CLEARING, MOST_MISSED, cleared_seldom
from auditor.verdict.label_scope import accuses_at, clears_at, judged, rates_for
from auditor.verdict.verdict import MAX_ERROR

ROOT = Path(__file__).parents[1]
README, VERDICT = (
    " ".join((ROOT / name).read_text(encoding="utf-8").split())
    for name in ("README.md", "auditor/verdict/README.md")
)
MOST_SIDE, MANY, FEW, TWO = 400, 10, 4, 2
FULL = tuple(EFFORTS)
Spans = list[tuple[int, int]]


def spans(holds: Callable[[int], bool]) -> Spans:
    """Sides of pictures that something holds of, as the ends of gapless runs."""
    found: Spans = []
    for side in filter(holds, range(20, MOST_SIDE)):
        if found and found[-1][1] == side - 1:
            found[-1] = (found[-1][0], side)
        else:
            found.append((side, side))
    return found


def efforts(side: int, classes: int, sent: str, able: Callable[[LabelRates], bool]) -> set[str]:
    """Efforts at which the search label by label is able to something."""
    if not judged((3, side, side), classes):
        return set()
    return {name for name, one in rates_for((3, side, side), sent, classes).items() if able(one)}


def accusing(classes: int, sent: str, exactly: set[str]) -> Spans:
    """Sides above those of small pictures at which just these efforts accuse."""
    return spans(
        lambda side: side > SUCCESS_SIDES[1] and efforts(side, classes, sent, accuses_at) == exactly
    )


def first_accuses(side: int) -> bool:
    """True if the search for the most successful change accuses, as every effort has it."""
    rates = trigger_error_rates()
    few = binomial_rate(rates.false_alarms, rates.clean).high < MAX_ERROR
    return few and SUCCESS_SIDES[0] <= side <= SUCCESS_SIDES[1]


def first_clears(side: int) -> bool:
    rates = trigger_clearing()
    seldom = cleared_seldom(rates.missed, rates.backdoored)
    return seldom and SUCCESS_SIDES[0] <= side <= SUCCESS_SIDES[1]


def every_clearing() -> Spans:
    return spans(lambda side: first_clears(side) or bool(efforts(side, MANY, "png", clears_at)))


def numbers(pattern: str, page: str) -> Spans:
    """Pairs of numbers in the one place of ``page`` that ``pattern`` matches."""
    (found,) = re.finditer(pattern, page)
    values = [int(one) for one in found.groups()]
    return list(zip(values[::2], values[1::2], strict=True))


def test_the_readme_accuses_and_clears_at_the_sizes_that_were_measured() -> None:
    every = spans(lambda side: first_accuses(side) or bool(efforts(side, MANY, "png", accuses_at)))
    assert numbers(r"accuses on pictures of (\d+) to (\d+) pixels a side", README) == every
    pattern = r"and clears on those of (\d+) to (\d+) and (\d+) to (\d+) \("
    assert numbers(pattern, README) == every_clearing()


def test_the_page_of_verdicts_clears_at_the_sizes_and_efforts_that_were_measured() -> None:
    pattern = (
        r"\*\*To clear\*\*, today, takes `--effort thorough` or `exhaustive`, five classes "
        rf"or more, {LEAST_CLEARING} samples or more and lossless pictures of (\d+) to (\d+) "
        r"pixels \(after the search above\) or of (\d+) to (\d+):"
    )
    assert numbers(pattern, VERDICT) == every_clearing()
    for side in range(SUCCESS_SIDES[1] + 1, MOST_SIDE):
        able = efforts(side, MANY, "png", clears_at)
        assert able in (set(), {"thorough", "exhaustive"})
        assert not efforts(side, FEW, "png", clears_at) | efforts(side, TWO, "png", clears_at)
        assert not efforts(side, MANY, "jpeg:75", clears_at)


@pytest.mark.parametrize(
    ("pattern", "classes", "sent", "exactly"),
    [
        (
            r"on lossless pictures of (\d+) to (\d+) pixels with `thorough` and `exhaustive`;",
            MANY, "png", FULL[2:],
        ),
        (r"`exhaustive`; from (\d+) to (\d+) with every effort;", MANY, "png", FULL),
        (
            r"through JPEG of quality 75 or more from (\d+) to (\d+) with `standard` and dearer",
            MANY, "jpeg:75", FULL[1:],
        ),
        (
            r"models of three and four classes, from (\d+) to (\d+), likewise,",
            FEW, "png", FULL[1:],
        ),
        (
            r"likewise, of two, from (\d+) to (\d+), with `thorough` and `exhaustive`\.",
            TWO, "png", FULL[2:],
        ),
    ],
)  # fmt: skip
def test_the_page_of_verdicts_accuses_where_that_was_measured(
    pattern: str, classes: int, sent: str, exactly: tuple[str, ...]
) -> None:
    assert numbers(pattern, VERDICT) == accusing(classes, sent, {*exactly})
    assert not efforts(100, MANY, "jpeg:74", accuses_at)


def test_the_page_of_verdicts_names_the_bounds_and_levels_that_are_applied() -> None:
    accused, cleared = f"{100 * MAX_ERROR:.0f} %", f"{100 * MOST_MISSED:.0f} %"
    assert f"measured share of clean models accused is below {accused}, among" in VERDICT
    assert f"and clears only where that of backdoors cleared is below {cleared}." in VERDICT
    assert f"a finding counts from p = {LEVEL_LARGE} on instead of {LEVEL}." in VERDICT
    assert f"its chance on a clean model is below {SUREST:.4f}" in VERDICT


def test_the_page_of_verdicts_names_the_pictures_whose_classes_are_searched_by_themselves() -> None:
    small, large = (by_source_rates((side, side)).sides for side in (28, 64))
    assert small[1] + 1 == large[0]
    assert f"lossless pictures of {small[0]} to {large[1]} pixels, five classes" in VERDICT


def test_the_help_prices_the_efforts_as_they_were_measured() -> None:
    said = str(MethodOptions.__dataclass_fields__["effort"].metadata)
    photo, small = said.split("pictures of up to 40 pixels")
    measured = rates_for((3, 64, 64), "png", MANY)
    by_source = MANY * by_source_rates((64, 64)).queries
    for effort in EFFORTS:
        ((low, high),) = re.findall(rf"{effort} ([\d,]+)(?: to ([\d,]+))?", photo)
        assert int(low.replace(",", "")) == pytest.approx(measured[effort].not_found, rel=0.1)
        assert bool(high) is (effort in AFTER_SUCCESS)
        expected = measured[effort].not_found + by_source * bool(high)
        assert int((high or low).replace(",", "")) == pytest.approx(expected, rel=0.1)
    both = small_label_rates()[0].efforts
    by_source = MANY * by_source_rates((32, 32)).queries
    (default,) = re.findall(r"^ ([\d,]+),", small)
    expected = search_queries().not_found.mean
    assert int(default.replace(",", "")) == pytest.approx(expected, rel=0.1)
    for name, rates in both.items():
        ((low, high),) = re.findall(rf"{name} ([\d,]+) to ([\d,]+)", small)
        assert int(low.replace(",", "")) == pytest.approx(rates.not_found, rel=0.1)
        expected = rates.not_found + by_source
        assert int(high.replace(",", "")) == pytest.approx(expected, rel=0.1)
