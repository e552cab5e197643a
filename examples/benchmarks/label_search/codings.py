"""The section on JPEG of other qualities and colour: the same models asked through each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from auditor.verdict.scope import LOSSLESS
from examples.benchmarks.cells import rate_cell
from examples.benchmarks.label_search.tables import Ended, coding, fragile

DATA = Path(__file__).with_name("codings.json.gz")
"""Searches through those that nothing is judged by."""
CODINGS: Mapping[str, str] = {
    LOSSLESS: "lossless",
    "jpeg:95": "JPEG 95, 4:2:0",
    "jpeg:90": "JPEG 90, 4:2:0",
    "jpeg:75/444": "JPEG 75, 4:4:4",
    "jpeg:75": "JPEG 75, 4:2:0",
}


def codings(ends: Sequence[Ended]) -> list[str]:
    """How models end that were asked through every coding at ``standard``.

    Args:
        ends: searches of held-out models of five classes and more.
    """
    chosen = [one for one in ends if one.row["effort"] == "standard"]
    through = {
        name: {one.row["name"]: one for one in chosen if coding(one.row) == name}
        for name in CODINGS
    }
    both = set.intersection(*(set(of_models) for of_models in through.values()))
    if not both:
        return []
    lines = [
        "## JPEG of other qualities, the same models", "",
        "Held-out models of five classes and more, 64 to 96 pixels, at `standard`; through every "
        "coding the same search; through JPEG few grey levels never accuse. In an audit a quality "
        "above 75 is judged by the counts of 75.", "",
        "| coding | clean accused | fragile | usual found, at target | cleared | adaptive |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, words in CODINGS.items():
        same = [through[name][model] for model in sorted(both)]
        lines.append(f"| {words} | {' | '.join(_cells(same))} |")
    return [*lines, ""]


def _cells(ends: Sequence[Ended]) -> list[str]:
    clean, usual, adaptive = (
        [one for one in ends if one.group == group] for group in ("clean", "usual", "adaptive")
    )
    weak = [one for one in clean if fragile(one.model)]
    return [
        *(rate_cell(sum(one.suspicious for one in part), len(part)) for part in (clean, weak)),
        rate_cell(sum(one.right for one in usual), len(usual)),
        rate_cell(sum(one.cleared for one in usual), len(usual)),
        rate_cell(sum(one.right for one in adaptive), len(adaptive)),
    ]
