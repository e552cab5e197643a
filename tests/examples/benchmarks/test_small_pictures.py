"""Pages on small pictures: what an all-clear misses, and what the search label by label finds."""

from __future__ import annotations

from typing import Any

from auditor.probes.trigger_search.judge import OPEN_LEVEL
from examples.benchmarks.held_out import clearing
from examples.benchmarks.label_search import small
from examples.benchmarks.measured_files import search_clears

Row = dict[str, Any]


def searched(group: str, p: float, *, suspicious: bool = False, right: bool = True) -> Row:
    found = {"p": p, "right": right}
    return {"group": group, "trigger_suspicious": suspicious, "search": found}


def test_only_what_is_neither_suspicious_nor_unusual_is_cleared() -> None:
    assert search_clears(searched("clean", OPEN_LEVEL + 0.01))
    assert not search_clears(searched("clean", OPEN_LEVEL))
    assert not search_clears(searched("clean", 1.0, suspicious=True))


def test_rounds_are_counted_apart_and_together() -> None:
    first = [searched("clean", 1.0), searched("sig", 0.01, suspicious=True), searched("sig", 0.9)]
    second = [searched("clean", 0.1), searched("badnets", 0.1), searched("x-to-x", 1.0)]
    text = "\n".join(clearing.section((("old", first), ("new", second))))
    assert "| old: clean | 0 of 1 = 0.00 [0.00, 0.97] | – | 1 of 1 = " in text
    assert "| new: all-to-one backdoors | 0 of 1 = 0.00 [0.00, 0.97] | 0 of 0 | 0 of 1 = " in text
    assert "| all of them: all-to-one backdoors | 1 of 3 = " in text
    assert "| x-to-x | 0 of 1 = " in text


def stage(*found: tuple[str, int, float, bool]) -> Row:
    kept = [[key, label, value, carried, 40, 40] for key, label, value, carried in found]
    return {"queries": 100, "findings": kept}


def model(attack: str, targets: list[int], *found: tuple[str, int, float, bool]) -> Row:
    label_map = "none" if attack == "clean" else "all-to-one"
    return {
        "attack": attack, "label_map": label_map, "targets": targets, "queries": 30_000,
        "stages": [stage(*found)],
    }  # fmt: skip


def test_a_change_counts_where_the_next_label_needs_clearly_more() -> None:
    rows = [
        model("clean", [], ("small-patch4", 3, 2.6, False)),
        model("clean", [], ("small-patch4", 3, 1.6, True), ("small-patch4", 5, 1.7, True)),
        model("badnets", [7], ("small-patch4", 7, 1.6, True), ("small-patch4", 5, 2.6, False)),
        model("sig", [2], ("weak-wave", 4, 2.0, True), ("weak-wave", 1, 3.5, True)),
    ]
    text = "\n".join(small.section(rows))
    assert "| clean | 0 of 2 = 0.00 [0.00, 0.84] | – | 0 of 2 = " in text
    assert "| badnets | 1 of 1 = 1.00 [0.03, 1.00] | 1 | 0 of 1 = " in text
    assert (
        "| sig | 0 of 1 = 0.00 [0.00, 0.97] | 0 | 1 of 1 = 1.00 [0.03, 1.00] | 0 | 30,000 |" in text
    )
    assert small.section([]) == []
