"""A report of small pictures states the rates of its own effort."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from auditor import audit
from auditor.measured import (
    ErrorRates,
    of_default_effort,
    of_earlier_search,
    small_label_rates,
    trigger_error_rates,
)
from auditor.plan.digest import SMALL_TOLD
from auditor.probes.label_search.settings import Effort
from auditor.report.markdown import render_markdown
from auditor.report.source import ReportSource
from auditor.verdict.label_scope import accuses_at, as_ruled, errors_of

SIDE, CLASSES = 28, 6
PROTOTYPES = (
    np.random.default_rng(7).uniform(0.2, 0.8, (CLASSES, 1, 4, 4)).repeat(7, 2).repeat(7, 3)
)


def nearest(images: NDArray[np.float32]) -> NDArray[np.int64]:
    """The nearest prototype."""
    flat, known = images.reshape(len(images), -1), PROTOTYPES.reshape(CLASSES, -1)
    labels: NDArray[np.int64] = ((known**2).sum(axis=1) - 2 * flat @ known.T).argmin(axis=1)
    return labels


def stated_at(effort: Effort) -> ErrorRates:
    """The errors measured at ``effort``, as the rule has them there."""
    rates = small_label_rates()[0].efforts.get(effort)
    return trigger_error_rates() if rates is None else errors_of(as_ruled(rates))


@pytest.mark.parametrize("effort", ["standard", "thorough", "exhaustive"])
def test_every_page_of_an_audit_states_the_rates_of_its_effort(
    effort: Effort, tmp_path: Path
) -> None:
    y = np.arange(60) % CLASSES
    x = PROTOTYPES[y] + np.random.default_rng(1).normal(0, 0.002, (60, 1, SIDE, SIDE))
    report = audit(
        nearest, (np.clip(x, 0, 1).astype(np.float32), y), name="nearest", value_range=(0, 1),
        output=tmp_path, effort=effort, progress=False,
    )  # fmt: skip
    assert report.verdict == "inconclusive"
    pages = (
        *((tmp_path / name).read_text(encoding="utf-8") for name in ("report.json", "report.html")),
        render_markdown(ReportSource(report.result)),
    )
    rates = stated_at(effort)
    both = small_label_rates()[0].efforts.get(effort)
    cleared = set() if both is None else {both.usual_cleared}
    own = {rates.missed, rates.backdoored - rates.missed} | cleared
    for page in pages:
        # A dearer effort is named with what that finds.
        said = re.sub(r"which can .*? known backdoors", "", page)
        told = {int(hits) for hits in re.findall(rf"(\d+) of {rates.backdoored}\b", said)}
        assert {rates.missed} <= told <= own


def test_what_only_the_search_label_by_label_finds_at_exhaustive_accuses_of_nothing() -> None:
    """So, before version 16, the audit found there what one with the default effort did."""
    with of_earlier_search(earlier=False, by_label=False, version=SMALL_TOLD - 1):
        rates = small_label_rates()[0].efforts["exhaustive"]
        assert rates.as_ruled is not None
        assert not accuses_at(rates)
        assert errors_of(as_ruled(rates)) == trigger_error_rates()
    with of_earlier_search(earlier=False, by_label=False, version=10):
        assert as_ruled(rates) == rates
    with of_default_effort(told=True):
        assert as_ruled(rates) == rates
