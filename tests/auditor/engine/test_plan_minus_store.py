"""What is asked: the plan minus the store, nothing twice, everything in its place."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.errors import AccessDenied
from auditor.engine import run as engine_run
from auditor.engine.contract import EngineLimits, EngineResult
from auditor.engine.engine import QueryEngine
from auditor.engine.progress import Progress
from auditor.engine.store import NOT_ASKED, LabelStore


def distinct(n: int, start: int = 0) -> tuple[float, ...]:
    return tuple(float(i) for i in range(start, start + n))


def balanced(result: EngineResult) -> bool:
    """The account of a complete run."""
    ledger = result.ledger
    return ledger.planned == ledger.cached + ledger.deduplicated + ledger.sent - ledger.retried


class Copies(Progress):
    """Counts the inputs that got a label unsent."""

    def __init__(self) -> None:
        self._count = 0

    def advance(self, labels: int, *, live: bool) -> None:
        self._count += 0 if live else labels

    async def seen(self, count: int) -> None:
        while self._count < count:  # noqa: ASYNC110 - progress is called without awaiting
            await asyncio.sleep(0)


async def shuffled(_: Any, batch: NDArray[np.float32]) -> None:
    """Answers come back in another order than the requests went out."""
    for _ in range(int(batch[0, 0, 0, 0]) * 13 % 7):
        await asyncio.sleep(0)


async def denied_after_20(oracle: Any, _: NDArray[np.float32]) -> None:
    if oracle.queries > 20:
        raise AccessDenied("the key was revoked")


@pytest.mark.parametrize("batch", [1, 3, 64])
@pytest.mark.parametrize("concurrency", [1, 2, 8])
@pytest.mark.parametrize("built", ["inline", "in a thread"])
def test_labels_do_not_depend_on_batch_concurrency_or_order_of_answers(
    lab: Any, batch: int, concurrency: int, built: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if built == "in a thread":
        monkeypatch.setattr(engine_run, "INLINE_BYTES", 0)
    probes = [lab.Probe(distinct(50)), lab.Probe(distinct(7, 100))]
    oracle = lab.Oracle(shuffled, max_batch=batch)
    result = lab.run(probes, oracle, concurrency=concurrency)
    assert [labels.tolist() for labels in result.labels] == [lab.truth(p.values) for p in probes]
    assert max(oracle.asked.values()) == 1
    assert max(oracle.peaks) <= concurrency
    assert balanced(result)


def test_a_second_run_asks_nothing(lab: Any) -> None:
    probes = [lab.Probe(distinct(30))]
    first = lab.run(probes, lab.Oracle())
    again = lab.Oracle()
    second = lab.run(probes, again)
    assert not again.calls
    assert second.ledger.cached == 30
    assert second.ledger.sent == 0
    assert second.ledger.sent_all_runs == 30
    assert second.labels[0].tolist() == first.labels[0].tolist()


def test_a_run_that_failed_is_continued_not_repeated(lab: Any) -> None:
    probes = [lab.Probe(distinct(100))]
    failing = lab.Oracle(denied_after_20)
    with pytest.raises(AccessDenied, match="revoked"):
        lab.run(probes, failing, concurrency=1)
    healthy = lab.Oracle()
    result = lab.run(probes, healthy)
    assert result.complete
    assert result.labels[0].tolist() == lab.truth(probes[0].values)
    assert result.ledger.cached == 20
    assert healthy.queries == 80
    assert balanced(result)


def test_identical_inputs_are_asked_once(lab: Any) -> None:
    values = (1.0, 2.0, 1.0, 3.0, 2.0, 1.0)
    probes = [lab.Probe(values), lab.Probe((3.0, 4.0))]
    oracle = lab.Oracle(max_batch=2)
    result = lab.run(probes, oracle)
    assert dict(oracle.asked) == {1.0: 1, 2.0: 1, 3.0: 1, 4.0: 1}
    assert result.labels[0].tolist() == lab.truth(values)
    assert result.labels[1].tolist() == lab.truth((3.0, 4.0))
    assert result.ledger.deduplicated == 4
    assert balanced(result)


def test_copies_of_an_input_in_flight_wait_for_its_answer(lab: Any) -> None:
    async def slow(_: Any, batch: NDArray[np.float32]) -> None:
        if batch[0, 0, 0, 0] == 5.0:
            await asyncio.sleep(0.05)

    probes = [lab.Probe((5.0,) * 3000), lab.Probe((*distinct(40, 10), 5.0))]
    oracle = lab.Oracle(slow)
    result = lab.run(probes, oracle)
    assert result.complete
    assert max(oracle.asked.values()) == 1
    assert result.ledger.deduplicated == 3000
    assert balanced(result)


def test_a_copy_of_an_input_of_an_earlier_run_is_not_asked(lab: Any) -> None:
    lab.run([lab.Probe(distinct(10))], lab.Oracle())
    probes = [lab.Probe(distinct(10)), lab.Probe((3.0, 50.0, 4.0))]
    oracle = lab.Oracle()
    result = lab.run(probes, oracle, plan_digest="another")
    assert dict(oracle.asked) == {50.0: 1}
    assert result.labels[1].tolist() == lab.truth((3.0, 50.0, 4.0))
    assert balanced(result)


def test_canaries_are_asked_again_but_not_again_after_a_resume(lab: Any) -> None:
    canary = lab.Probe((1.0, 2.0, 2.0), repeat=True, kind="canary")
    probes = [lab.Probe(distinct(5)), canary]
    oracle = lab.Oracle()
    result = lab.run(probes, oracle)
    assert (oracle.asked[1.0], oracle.asked[2.0]) == (2, 3)
    assert result.ledger.deduplicated == 0
    assert result.ledger.by_probe == {"list": 5, "canary": 3}
    again = lab.Oracle()
    assert lab.run(probes, again).complete
    assert not again.calls


def test_canaries_keep_their_own_answers(lab: Any) -> None:
    async def drifting(oracle: Any, batch: NDArray[np.float32]) -> NDArray[Any]:
        return np.full(len(batch), len(oracle.calls))

    probes = [lab.Probe((1.0,)), lab.Probe((1.0,), repeat=True, kind="canary")]
    result = lab.run(probes, lab.Oracle(drifting), concurrency=1)
    assert [int(labels[0]) for labels in result.labels] == [1, 2]


def test_one_probe_twice_in_a_plan_is_asked_once(lab: Any) -> None:
    probes = [lab.Probe(distinct(300)), lab.Probe(distinct(300))]
    oracle = lab.Oracle(shuffled, max_batch=7)
    result = lab.run(probes, oracle)
    assert oracle.queries == 300
    assert result.labels[0].tolist() == result.labels[1].tolist() == lab.truth(distinct(300))
    assert balanced(result)
    assert lab.run(probes, lab.Oracle()).ledger.cached == 600


def test_a_stop_in_the_second_copy_of_a_probe_loses_nothing_of_the_first(lab: Any) -> None:
    copies = Copies()

    async def watch(engine: QueryEngine, _: LabelStore) -> None:
        await copies.seen(1)
        engine.stop()

    probes = [lab.Probe(distinct(600)), lab.Probe(distinct(600))]
    first = lab.run(probes, lab.Oracle(), watch=watch, progress=copies)
    assert first.ledger.sent == 600
    oracle = lab.Oracle()
    assert lab.run(probes, oracle).complete
    assert not oracle.calls


def test_copies_get_their_labels_as_soon_as_these_are_known(lab: Any) -> None:
    async def last_hangs(_: Any, batch: NDArray[np.float32]) -> None:
        if batch[0, 0, 0, 0] == 99.0:
            await asyncio.Event().wait()

    copies = Copies()
    probes = [lab.Probe((1.0, 2.0)), lab.Probe((1.0, 2.0, 3.0)), lab.Probe((99.0,))]
    oracle = lab.Oracle(last_hangs, max_batch=1)

    async def main() -> None:
        run = asyncio.create_task(lab.start(probes, oracle, None, copies, "audit", {}))
        await copies.seen(2)
        assert not run.done()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(asyncio.wait_for(main(), 20))


def test_inputs_that_are_one_picture_are_asked_once_in_image_access_only(lab: Any) -> None:
    probe = lab.Probe((-3.0, -1.0, 0.2, 0.7, 300.0, 1e6))
    image = lab.Oracle(access="image")
    result = lab.run([probe], image)
    assert image.queries == 3
    assert result.ledger.deduplicated == 3
    assert result.labels[0][0] == result.labels[0][1] == result.labels[0][2]
    plain = lab.Oracle(fingerprint="float")
    lab.run([probe], plain)
    assert plain.queries == 6


def test_a_copy_whose_original_was_not_asked_stays_missing(lab: Any) -> None:
    probe = lab.Probe((1.0, 2.0, 2.0, 1.0))
    result = lab.run([probe], lab.Oracle(max_batch=4), max_queries=1)
    assert result.labels[0].tolist() == [7, NOT_ASKED, NOT_ASKED, 7]
    assert result.budget_reached
    assert lab.run([probe], lab.Oracle()).labels[0].tolist() == lab.truth(probe.values)


def test_no_history_of_runs_changes_labels_or_what_is_paid(lab: Any) -> None:
    rng = np.random.default_rng(3)
    values = tuple(float(v) for v in rng.integers(0, 400, 700))
    probes = [lab.Probe(values[:300]), lab.Probe(values[300:])]
    asked: dict[float, int] = {}
    for run in range(200):
        oracle = lab.Oracle(shuffled, max_batch=int(rng.integers(1, 30)))
        cap = (run + 1) * int(rng.integers(1, 40))
        result = lab.run(probes, oracle, max_queries=cap, concurrency=int(rng.integers(1, 9)))
        for value, times in oracle.asked.items():
            asked[value] = asked.get(value, 0) + times
        assert result.complete != result.budget_reached
        if result.complete:
            break
    assert result.complete
    assert [labels.tolist() for labels in result.labels] == [lab.truth(p.values) for p in probes]
    assert set(asked) == set(values)
    assert set(asked.values()) == {1}
    assert result.ledger.sent_all_runs == len(set(values))
    assert balanced(result)


def test_audits_of_other_models_share_nothing(lab: Any) -> None:
    probes = [lab.Probe(distinct(10))]
    lab.run(probes, lab.Oracle())
    other = lab.Oracle(fingerprint="another model")
    lab.run(probes, other)
    assert other.queries == 10


def test_an_engine_may_run_again_after_a_failure(lab: Any) -> None:
    async def runs() -> EngineResult:
        store = LabelStore(lab.path)
        try:
            oracle = lab.Oracle(denied_after_20)
            engine = QueryEngine(oracle, store, EngineLimits(concurrency=2))
            with pytest.raises(AccessDenied):
                await engine.run([lab.Probe(distinct(40))], "audit")
            oracle.script = None
            return await engine.run([lab.Probe(distinct(40))], "audit")
        finally:
            store.close()

    assert asyncio.run(runs()).complete
