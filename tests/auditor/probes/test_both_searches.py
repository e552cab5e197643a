"""Two searches of small pictures: shown is the one that speaks more against the model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from auditor.probes.both_searches import both
from auditor.probes.trigger_search.judge import OPEN_LEVEL, SOME_CLASSES
from auditor.probes.trigger_search.result import ByLabel, TriggerFinding, TriggerResult
from auditor.probes.trigger_search.search import KEYS
from auditor.probes.trigger_search.verify import exact_interval

FOUND = exact_interval(20, 40, 0.95)


def finding(key: str) -> TriggerFinding:
    return TriggerFinding("patch", key, 2, 4, 255.0, None, FOUND, FOUND, {}, 0.9, None, 0.01)


def outcome(
    key: str,
    p: float | None,
    terms: ByLabel | None = None,
    *,
    suspicious: bool = False,
    comparisons: int = len(KEYS),
) -> TriggerResult:
    best, empty = finding(key), np.zeros((0, 1, 28, 28), np.uint8)
    return TriggerResult(
        (best,), best, suspicious, p, 100, {"verify": 60, "first": 40}, 5, comparisons, 60, 60,
        empty, empty, np.zeros(0, np.int64), by_label=terms,
    )  # fmt: skip


NOTHING, ORDINARY = ByLabel("thorough", 10, weakness=False), outcome("patch", 0.9)
SECOND = outcome("small-patch4", 0.9, NOTHING)


def test_the_search_for_the_least_change_is_shown_where_neither_finds_anything() -> None:
    shown = both(ORDINARY, SECOND)
    assert shown.by_label is NOTHING
    assert shown.other is not None
    assert shown.of_success is shown.other
    assert shown.other.findings == ORDINARY.findings
    assert (shown.queries, shown.spent) == (200, {"verify": 120, "first": 80})


@pytest.mark.parametrize(
    "first",
    [
        outcome("patch", OPEN_LEVEL),
        outcome(SOME_CLASSES, 0.9),
        outcome("patch", None),
        outcome("patch", 0.9, comparisons=3),
        replace(outcome("patch", 0.9), best=None, findings=()),
    ],
    ids=["unusual", "of some classes", "without a null", "not measured", "nothing verified"],
)
def test_a_first_search_that_leaves_the_model_open_is_shown(first: TriggerResult) -> None:
    shown = both(first, SECOND)
    assert shown.by_label is None
    assert shown.of_success is shown
    assert shown.other is not None
    assert shown.other.by_label is NOTHING


@pytest.mark.parametrize(
    "second",
    [
        outcome("small-patch4", 0.001, NOTHING, suspicious=True),
        outcome("small-patch4", 0.1, replace(NOTHING, weakness=True)),
    ],
    ids=["suspicious", "weakness"],
)
def test_what_the_second_search_finds_is_shown_before_all(second: TriggerResult) -> None:
    shown = both(outcome("patch", OPEN_LEVEL), second)
    assert shown.by_label is second.by_label
    assert shown.suspicious is second.suspicious
