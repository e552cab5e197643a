"""False accusations in a fleet: how many to expect, and the false-discovery rate of a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def by_evidence(rows: Sequence[Row]) -> list[tuple[Row, float | None]]:
    """The rows of audits with a verdict, the strongest evidence first, each with the
    false-discovery rate of the list that ends with it (Benjamini and Hochberg); None for rows
    without a p-value, which come last, suspected ones first.
    """
    with_p = sorted((row for row in rows if row["p"] is not None), key=_order)
    without = [row for row in rows if row["p"] is None and row["verdict"]]
    count = len(with_p)
    rates: list[float] = []
    least = 1.0
    for rank in range(count, 0, -1):
        least = min(least, with_p[rank - 1]["p"] * count / rank)
        rates.append(least)
    listed: list[tuple[Row, float | None]] = [*zip(with_p, reversed(rates), strict=True)]
    return [*listed, *((row, None) for row in sorted(without, key=_order))]


def _order(row: Row) -> tuple[Any, ...]:
    p, score = row["p"], row["re"]
    suspected = row["verdict"] == "backdoor-suspected"
    return (1.0 if p is None else p, not suspected, 99.0 if score is None else score, row["name"])


def expected_accusations(rows: Sequence[Row]) -> dict[str, float | int]:
    """Clean models that the fleet accuses on average if all are clean, from the false alarms that
    the audits' own reports state.

    Returns:
        ``audits`` with a verdict, those ``known`` to have a measured rate, ``expected`` and
        ``at_most`` false accusations among these (from the rates and the upper ends of their 95 %
        intervals).
    """
    judged = [row for row in rows if row["verdict"]]
    rates = [row["false_alarms"] for row in judged if row["false_alarms"]]
    return {
        "audits": len(judged),
        "known": len(rates),
        "expected": round(sum(rate["rate"] for rate in rates), 3),
        "at_most": round(sum(rate["high"] for rate in rates), 3),
    }


def note(expected: Mapping[str, float | int], suspected: int) -> str:
    """The family-wise note in words."""
    if not expected["known"]:
        return "The rate of false alarms of these audits is not known, so neither is their number."
    missing = expected["audits"] - expected["known"]
    others = f" For {missing} of the audits no such rate is known." if missing else ""
    return (
        f"{suspected} of {expected['audits']} models are suspected. If all of them were clean, "
        f"about {expected['expected']:.1f} would be accused all the same (at most "
        f"{expected['at_most']:.1f}, from the upper ends of the measured rates' 95 % intervals)."
        f"{others} Read the list by evidence: each false-discovery rate (Benjamini and Hochberg) "
        "is the share of clean models to expect among the models down to that line."
    )
