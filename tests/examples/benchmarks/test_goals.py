"""Curves of the goals' page."""

from __future__ import annotations

from examples.benchmarks.goals.curves import End, found_against_queries, roc


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
