"""The server that answers, keys for requests, and requests whose answer was never seen."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.errors import BadReply, RetryAdvice, Unreachable
from auditor.engine.store import LabelStore
from auditor.engine.target import MAX_VALUES, ServerHistory

PLAN = tuple(float(i) for i in range(60))


@dataclass
class Remote:
    """Wraps a scripted oracle: its server names itself by ``says(calls)`` and bills by key."""

    inner: Any
    says: Callable[[int], dict[str, str]] = lambda _: {}
    idempotent: bool = False
    status: str = ""
    addresses: tuple[str, ...] = ()
    server_identity: dict[str, str] = field(default_factory=dict)
    billed: dict[str, list[float]] = field(default_factory=dict)
    keys: Counter[str] = field(default_factory=Counter)
    newest: str = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def identity(self) -> dict[str, Any]:
        return {}

    async def predict_labels(self, batch: NDArray[np.float32]) -> NDArray[np.int64]:
        return await self.predict_labels_as(batch, "")

    async def predict_labels_as(self, batch: NDArray[np.float32], key: str) -> NDArray[np.int64]:
        self.newest = key
        if key:
            self.keys[key] += 1
            self.billed.setdefault(key, batch[:, 0, 0, 0].tolist())
        labels: NDArray[np.int64] = await self.inner.predict_labels(batch)
        self.server_identity.update(self.says(len(self.inner.calls)))
        return labels


def test_the_run_ends_if_another_server_answers(lab: Any) -> None:
    def says(calls: int) -> dict[str, str]:
        return {"header server": "a" if calls <= 5 else "b", "model_version": "1"}

    oracle = Remote(lab.Oracle(max_batch=4), says)
    result = lab.run([lab.Probe(PLAN)], oracle, concurrency=1)
    assert not result.complete
    assert not result.stopped
    assert result.server_identity == {"header server": ("a", "b"), "model_version": ("1",)}
    assert len(oracle.inner.calls) == 6
    # Later runs pay nothing more for labels that no verdict can rest on.
    later = Remote(lab.Oracle(max_batch=4), lambda _: {"header server": "b"})
    result = lab.run([lab.Probe(PLAN)], later)
    assert result.server_identity["header server"] == ("a", "b")
    assert later.inner.calls == []


def test_a_change_between_two_runs_is_one_too(lab: Any) -> None:
    first = Remote(lab.Oracle(), lambda _: {"TLS certificate": "x"})
    lab.run([lab.Probe(PLAN)], first, max_queries=20)
    second = Remote(lab.Oracle(), lambda _: {"TLS certificate": "y"})
    result = lab.run([lab.Probe(PLAN)], second, concurrency=1)
    assert result.server_identity == {"TLS certificate": ("x", "y")}
    assert len(second.inner.calls) == 1


def test_one_sender_that_says_more_later_is_one_sender(lab: Any) -> None:
    def says(calls: int) -> dict[str, str]:
        return {"model_version": "3"} if calls > 4 else {}

    result = lab.run([lab.Probe(PLAN)], Remote(lab.Oracle(), says))
    assert result.complete
    assert result.server_identity == {"model_version": ("3",)}


def test_values_without_end_are_not_kept_without_end() -> None:
    identity = ServerHistory({})
    for number in range(1000):
        identity.news({"header server": str(number)})
    assert len(identity.seen["header server"]) == MAX_VALUES
    assert identity.changed


# ---- keys ---------------------------------------------------------------------------------------


def breaks_at(calls: set[int]) -> Any:
    async def script(oracle: Any, _: NDArray[np.float32]) -> None:
        if len(oracle.calls) in calls:
            raise Unreachable("broke", RetryAdvice("transient", outcome_unknown=True))

    return script


def test_a_retry_has_the_key_of_the_first_attempt(lab: Any) -> None:
    oracle = Remote(lab.Oracle(breaks_at({3, 4}), clock=lab.FakeClock()), idempotent=True)
    result = lab.run([lab.Probe(PLAN)], oracle, concurrency=1)
    assert result.ledger.unknown == 8
    assert sorted(oracle.keys.values()) == [1] * 14 + [3]
    assert sorted(v for values in oracle.billed.values() for v in values) == list(PLAN)


def test_a_repeat_after_an_odd_success_has_a_key_of_its_own(lab: Any) -> None:
    """A server that replays its answer to a key it knows would replay that one for ever."""
    oracle = Remote(lab.Oracle(clock=lab.FakeClock()), idempotent=True)
    kept: dict[str, bool] = {}

    async def script(_: Any, __: NDArray[np.float32]) -> None:
        key = oracle.newest
        if not kept.setdefault(key, len(kept) not in {3, 4, 9}):
            raise BadReply("queued", RetryAdvice("odd"))

    oracle.inner.script = script
    result = lab.run([lab.Probe(PLAN)], oracle, concurrency=1)
    assert result.labels[0].tolist() == lab.truth(PLAN)
    assert set(oracle.keys.values()) == {1}
    assert len(oracle.keys) == 15 + 3
    # Each is charged once by the server, and counted as sent once here.
    assert result.ledger.sent == sum(map(len, oracle.billed.values())) == len(PLAN) + 3 * 4


def test_a_repeat_after_an_odd_success_keeps_its_new_key_while_the_connection_breaks(
    lab: Any,
) -> None:
    oracle = Remote(lab.Oracle(max_batch=60, clock=lab.FakeClock()), idempotent=True)

    async def script(inner: Any, _: NDArray[np.float32]) -> None:
        if len(inner.calls) == 1:
            raise BadReply("queued", RetryAdvice("odd"))
        if len(inner.calls) in {2, 3}:
            raise Unreachable("broke", RetryAdvice("transient", outcome_unknown=True))

    oracle.inner.script = script
    assert lab.run([lab.Probe(PLAN)], oracle, concurrency=1).complete
    assert sorted(oracle.keys.values()) == [1, 3]


def test_inputs_asked_twice_on_purpose_have_two_keys(lab: Any) -> None:
    oracle = Remote(lab.Oracle(max_batch=60), idempotent=True)
    lab.run([lab.Probe(PLAN), lab.Probe(PLAN, repeat=True, kind="canary")], oracle)
    assert sorted(oracle.keys.values()) == [1, 1]


def test_no_key_is_made_where_the_target_takes_none(lab: Any) -> None:
    oracle = Remote(lab.Oracle())
    lab.run([lab.Probe(PLAN)], oracle)
    assert not oracle.keys


@pytest.mark.parametrize("concurrency", [1, 3])
def test_what_was_in_flight_is_asked_first_and_under_its_key(lab: Any, concurrency: int) -> None:
    """A kill leaves intents behind; the same requests, with the same keys, settle them."""
    probe = lab.Probe(PLAN)
    first = Remote(lab.Oracle(clock=None), idempotent=True)

    async def killed() -> None:
        stalled = asyncio.Event()

        async def stalls(oracle: Any, _: NDArray[np.float32]) -> None:
            if len(oracle.calls) >= 4 + concurrency:
                stalled.set()
            if len(oracle.calls) > 4:
                await asyncio.Event().wait()

        first.inner.script = stalls

        task = asyncio.create_task(
            lab.start([probe], first, None, None, "audit", {"concurrency": concurrency})
        )
        await stalled.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(killed())
    assert lab.totals()["unknown"] == 4 * concurrency
    second = Remote(lab.Oracle(), idempotent=True)
    result = lab.run([probe], second, concurrency=1)
    assert result.complete
    assert len(result.unknown) == concurrency
    assert sum(request["queries"] for request in result.unknown) == 4 * concurrency
    lost = set(first.keys) - set(list(first.keys)[:4])
    assert set(list(second.keys)[:concurrency]) == lost
    billed = {**first.billed, **second.billed}
    assert sorted(v for values in billed.values() for v in values) == list(PLAN)


def test_a_request_over_several_probes_is_asked_again_as_it_was(lab: Any) -> None:
    probes = [lab.Probe(PLAN), lab.Probe(tuple(100.0 + v for v in PLAN), kind="other")]
    pairs = np.array([(n, item) for n in range(2) for item in range(60)])
    order = np.random.default_rng(4).permutation(pairs)
    seen: list[tuple[str, tuple[float, ...]]] = []

    def oracle(script: Any = None) -> Remote:
        made = Remote(lab.Oracle(script, max_batch=8), idempotent=True)
        ask = made.predict_labels_as

        async def listened(batch: NDArray[np.float32], key: str) -> NDArray[np.int64]:
            seen.append((key, tuple(batch[:, 0, 0, 0].tolist())))
            return await ask(batch, key)

        made.predict_labels_as = listened  # type: ignore[method-assign]  # for this test only
        return made

    lab.run(probes, oracle(), rounds=[order], concurrency=1, max_queries=40)
    broken = oracle(breaks_at(set(range(1, 4))))
    with pytest.raises(Unreachable):
        lab.run(probes, broken, rounds=[order], concurrency=1, attempts=1)
    lost = seen[-1]
    result = lab.run(probes, oracle(), rounds=[order], concurrency=2)
    assert result.complete
    assert seen[6] == lost  # the same key over the same bytes
    assert len({key for key, _ in seen}) == len(seen) - 1


# ---- the file --------------------------------------------------------------------------------


def test_a_store_of_the_first_version_is_taken_over(lab: Any) -> None:
    lab.run([lab.Probe(PLAN)], lab.Oracle(), max_queries=20)
    with sqlite3.connect(lab.path) as db:
        db.execute("DROP TABLE origins")
        db.execute("UPDATE meta SET value = '1'")
    db.close()
    oracle = Remote(lab.Oracle(), lambda _: {"model_version": "1"})
    result = lab.run([lab.Probe(PLAN)], oracle)
    assert result.complete
    assert result.ledger.cached == 20
    assert lab.run([lab.Probe(PLAN)], oracle).server_identity == {"model_version": ("1",)}


def test_commits_reach_the_disk_within_a_second_even_in_a_pause(tmp_path: Path) -> None:
    """What a checkpoint has synced is in the main file, so a copy without the log has it."""
    path = tmp_path / "labels.sqlite3"

    async def main() -> None:
        store = LabelStore(path)
        store.keep_label_names("model", ["cat"])
        await store.commit()
        until = asyncio.get_running_loop().time() + 30
        while not _in_main_file(path, tmp_path / "copy.sqlite3"):
            assert asyncio.get_running_loop().time() < until
            await asyncio.sleep(0.05)
        store.close()

    asyncio.run(main())


def _in_main_file(path: Path, copy: Path) -> bool:
    copy.write_bytes(path.read_bytes())
    try:
        with sqlite3.connect(copy) as db:
            return bool(db.execute("SELECT count(*) FROM label_names").fetchone()[0])
    except sqlite3.Error:
        return False
    finally:
        db.close()
