"""Inputs of several probes in one order, round after round."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.errors import AccessDenied
from auditor.engine import run as engine_run
from auditor.engine.store import NOT_ASKED

A, B = tuple(range(10)), tuple(range(100, 120))
AGAIN = tuple(range(5))


def orders(seed: int = 0) -> list[NDArray[np.int64]]:
    """Two rounds: half of each probe, then the rest and the repeats."""
    rng = np.random.default_rng(seed)
    rounds = [
        [(0, range(5)), (1, range(10))],
        [(0, range(5, 10)), (1, range(10, 20)), (2, range(5))],
    ]
    listed = [np.array([(probe, item) for probe, items in one for item in items]) for one in rounds]
    return [rng.permutation(order) for order in listed]


@pytest.fixture
def probes(lab: Any) -> list[Any]:
    return [lab.Probe(A), lab.Probe(B), lab.Probe(AGAIN, repeat=True, kind="canary")]


class Listener:
    """Keeps the inputs in the order they arrive."""

    def __init__(self, end: int = 1000) -> None:
        self.heard: list[float] = []
        self.requests: list[int] = []
        self.end = end

    async def __call__(self, _: Any, batch: NDArray[np.float32]) -> None:
        if len(self.heard) >= self.end:
            raise AccessDenied("the key was revoked")
        self.heard += batch[:, 0, 0, 0].tolist()
        self.requests.append(len(batch))


@pytest.mark.parametrize("built", ["inline", "in a thread"])
def test_inputs_leave_in_the_order_given(
    lab: Any, probes: list[Any], built: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if built == "in a thread":
        monkeypatch.setattr(engine_run, "INLINE_BYTES", 0)
    listener = Listener()
    result = lab.run(probes, lab.Oracle(listener), rounds=orders(), concurrency=1)
    wanted = [probes[n].values[item] for order in orders() for n, item in order]
    assert listener.requests == [4, 4, 4, 3, 4, 4, 4, 4, 4]
    # Which request carries an input is given; where in it does not depend on the order.
    for heard, given in zip(
        split(listener.heard, listener.requests), split(wanted, listener.requests), strict=True
    ):
        assert sorted(heard) == sorted(given)
    assert [labels.tolist() for labels in result.labels] == [lab.truth(p.values) for p in probes]
    assert (result.ledger.sent, result.ledger.requests) == (35, 9)
    assert result.complete


def split(values: list[float], sizes: list[int]) -> list[list[float]]:
    ends = np.cumsum(sizes)
    return [values[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def test_a_round_begins_when_the_one_before_is_answered(lab: Any, probes: list[Any]) -> None:
    known = []

    def look(labels: list[NDArray[np.uint16]]) -> bool:
        known.append([int((one != NOT_ASKED).sum()) for one in labels])
        return False

    assert lab.run(probes, lab.Oracle(), rounds=orders(), decided=look, concurrency=8).complete
    assert known == [[5, 10, 0], [10, 20, 5]]


def test_a_decided_run_asks_no_further_round(lab: Any, probes: list[Any]) -> None:
    result = lab.run(probes, lab.Oracle(), rounds=orders(), decided=lambda _: True)
    assert result.complete
    assert result.decided
    assert not result.stopped
    assert (result.ledger.planned, result.ledger.sent, result.ledger.spared) == (35, 15, 20)
    again = lab.run(probes, lab.Oracle(), rounds=orders(), decided=lambda _: True)
    assert (again.ledger.sent, again.ledger.cached, again.ledger.spared) == (0, 15, 20)
    # Without the decision the rest is asked, and nothing twice.
    whole = lab.run(probes, lab.Oracle(), rounds=orders())
    assert (whole.ledger.sent, whole.ledger.spared, whole.decided) == (20, 0, False)


@pytest.mark.parametrize("end", [1, 9, 17, 30])
@pytest.mark.parametrize("seed", [0, 1])
def test_what_was_answered_before_a_failure_is_not_asked_again(
    lab: Any, probes: list[Any], end: int, seed: int
) -> None:
    with pytest.raises(AccessDenied):
        lab.run(probes, lab.Oracle(Listener(end)), rounds=orders(), concurrency=1)
    # The order may differ: what is known belongs to the probes, not to the order.
    healthy = lab.Oracle()
    result = lab.run(probes, healthy, rounds=orders(seed), concurrency=3)
    assert result.complete
    assert result.ledger.cached + healthy.queries == 35
    assert [labels.tolist() for labels in result.labels] == [lab.truth(p.values) for p in probes]


def test_equal_inputs_of_two_probes_are_asked_once_and_repeats_again(lab: Any) -> None:
    probes = [lab.Probe((1, 2, 3, 4)), lab.Probe((3, 4, 5, 6)), lab.Probe((1, 3), repeat=True)]
    order = np.array(
        [(2, 1), (1, 0), (0, 0), (1, 2), (0, 2), (2, 0), (0, 3), (1, 1), (0, 1), (1, 3)]
    )
    oracle = lab.Oracle()
    result = lab.run(probes, oracle, rounds=[order[:5], order[5:]], concurrency=2)
    assert result.complete
    assert (result.ledger.sent, result.ledger.deduplicated) == (8, 2)
    assert oracle.asked == {1: 2, 2: 1, 3: 2, 4: 1, 5: 1, 6: 1}
    assert [labels.tolist() for labels in result.labels] == [lab.truth(p.values) for p in probes]


def test_a_budget_is_kept_across_rounds(lab: Any, probes: list[Any]) -> None:
    oracle = lab.Oracle()
    result = lab.run(probes, oracle, rounds=orders(), max_queries=18, concurrency=4)
    assert oracle.queries == 18
    assert (result.budget_reached, result.complete, result.decided) == (True, False, False)


def test_a_kill_in_flight_lists_each_input_of_a_mixed_request_as_unknown(
    lab: Any, probes: list[Any]
) -> None:
    async def broken(_: Any, __: NDArray[np.float32]) -> None:
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError):
        lab.run(probes, lab.Oracle(broken), rounds=orders(), concurrency=1)
    totals = lab.totals()
    assert (totals["unknown"], totals["sent"], totals["requests"]) == (4, 4, 1)
