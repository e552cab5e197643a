"""False accusations to expect, and the false-discovery rate of the list."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy

from auditor.fleet.discoveries import by_evidence, expected_accusations, note


def row(name: str, p: float | None, verdict: str = "inconclusive", **more: Any) -> dict[str, Any]:
    rates = {"rate": 0.025, "high": 0.13, "models": 40}
    return {"name": name, "p": p, "verdict": verdict, "re": 1.0, "false_alarms": rates, **more}


def test_the_rates_are_those_of_benjamini_and_hochberg() -> None:
    p = np.random.default_rng(3).random(30) ** 3
    listed = by_evidence([row(f"m{i}", float(value)) for i, value in enumerate(p)])
    assert [one["p"] for one, _ in listed] == sorted(p.tolist())
    assert [rate for _, rate in listed] == pytest.approx(
        sorted(scipy.stats.false_discovery_control(p))
    )


def test_audits_without_a_p_come_last_and_suspected_ones_before_others() -> None:
    rows = [row("x", None), row("y", None, "backdoor-suspected"), row("z", 0.5)]
    assert [(one["name"], rate) for one, rate in by_evidence(rows)] == [
        ("z", 0.5),
        ("y", None),
        ("x", None),
    ]


def test_false_accusations_add_up_over_the_audits() -> None:
    rows = [row(f"m{i}", 1.0) for i in range(1000)] + [row("n", 1.0, false_alarms=None)]
    expected = expected_accusations(rows)
    assert expected == {"audits": 1001, "known": 1000, "expected": 25.0, "at_most": 130.0}
    said = note(expected, 30)
    assert "about 25.0 would be accused all the same (at most 130.0" in said
    assert "For 1 of the audits no such rate is known." in said
    assert "not known" in note(expected_accusations([row("n", 1.0, false_alarms=None)]), 0)
