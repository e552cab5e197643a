"""Weights of a search's ends, computed anew from the measured counts."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from auditor.measured import FOLDER, LabelRates
from auditor.report.wording.label_reasons import _weight_found, _weight_nothing
from auditor.scores.intervals import binomial_rate
from auditor.verdict.label_scope import as_ruled, rates_for, usual_cleared

SIDES = (32, 48, 64, 97)
"""One of each size that was measured."""
WEIGHT = re.compile(r"some ([\d.]+) times \(at least ([\d.]+) times\)")


def counted(name: str) -> list[dict[str, Any]]:
    """Every effort's counts in a measured file."""
    values = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["values"]
    return [rates for one in values for rates in one["efforts"].values()]


def every_rate() -> list[LabelRates]:
    return [
        as_ruled(rates)
        for side in SIDES
        for sent in ("png", "jpeg:75")
        for classes in (10, 3, 2)
        for rates in rates_for((3, side, side), sent, classes).values()
        if not rates.measured_at
    ]


def told(said: str) -> tuple[float, float] | None:
    found = WEIGHT.search(said)
    return None if found is None else (float(found[1]), float(found[2]))


def ratio(hits: int, n: int, others: int, of: int) -> tuple[float, float] | None:
    """The ratio of both shares with half a model added, and of their intervals' near ends."""
    low = binomial_rate(hits, n).low / binomial_rate(others, of).high
    if low <= 1.0:
        return None
    values = ((hits + 0.5) * (of + 1) / (others + 0.5) / (n + 1), low)
    return float(f"{values[0]:.2g}"), float(f"{values[1]:.2g}")


def test_the_counts_are_those_of_the_files() -> None:
    names = ("clean", "accused", "cleared", "usual", "usual_found", "usual_cleared")
    files = [*counted("label_rates"), *counted("small_label_rates")]
    files += [one["as_ruled"] for one in files if "as_ruled" in one]
    held = [[one[name] for name in names] for one in files]
    rates = every_rate()
    assert len(rates) > 15
    assert all([getattr(one, name) for name in names] in held for one in rates)


@pytest.mark.parametrize("rates", every_rate(), ids=lambda one: f"{one.usual}-{one.usual_found}")
def test_a_finding_weighs_what_was_measured(rates: LabelRates) -> None:
    said = _weight_found(rates)
    weight = ratio(rates.usual_found, rates.usual, rates.accused, rates.clean)
    assert told(said) == pytest.approx(weight)
    assert bool(said) is (weight is not None)


@pytest.mark.parametrize("rates", every_rate(), ids=lambda one: f"{one.usual}-{one.usual_cleared}")
def test_no_finding_weighs_what_was_measured(rates: LabelRates) -> None:
    said = _weight_nothing(rates)
    weight = ratio(rates.cleared, rates.clean, *usual_cleared(rates))
    assert told(said) == pytest.approx(weight)
    if weight is None:
        assert not said
        return
    assert f"in {rates.cleared} of {rates.clean} searches" in said
    cleared, searched = usual_cleared(rates)
    more = "" if searched == rates.usual else " (with searches of before, which clear no fewer)"
    assert f"in {cleared} of {searched}{more}: " in said
    for care, words in (("careful", "other patterns elsewhere"), ("adaptive", "near misses")):
        models, cleared = getattr(rates, care), getattr(rates, f"{care}_cleared")
        count = f"{cleared} of {models} {care} ones ({words}"
        assert (count in said) is (models > 0)
