"""Leg A, machines: faults that befall the machine the client runs on."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from adapters.errors import AdapterError
from adapters.http import open_oracle
from auditor.engine.contract import EngineLimits
from auditor.engine.engine import QueryEngine
from auditor.errors import AuditError
from auditor.workflows.audit import run_audit
from auditor.workflows.prepare import STORE_NAME
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located
from examples.benchmarks.hostile.clients import (
    SETTINGS,
    Outcome,
    Place,
    finish,
    ledger,
    plain,
    release,
    samples,
    side_by_side,
    start,
    target,
    tool,
    watched,
)
from examples.benchmarks.hostile.faults import LIMIT_S, TOGETHER, Bench, Job, Row, books, said

LOCAL = (
    "sigkill", "sigterm", "disk-full", "io-error", "read-only", "bit-flip", "two-processes",
    "clock-jump", "suspend", "tamper",
)  # fmt: skip


def run_machine_faults(bench: Bench) -> list[Row]:
    """All kinds of a machine's faults: each judged in a process of its own, several at a time."""

    def job(kind: str) -> Job:
        return lambda: Outcome("complete", facts={"row": _local(bench, kind)}), 4 * LIMIT_S

    ends = side_by_side({(kind, 0): job(kind) for kind in LOCAL}, TOGETHER[False])
    return [
        done.facts["row"]
        if done.end == "complete"
        else Row("machine", kind, f"not judged: {done.end} {done.what}", False, "", False)
        for (kind, _), done in sorted(ends.items(), key=lambda one: LOCAL.index(one[0][0]))
    ]


def _local(bench: Bench, kind: str) -> Row:
    output = bench.folder / f"a-{kind}"
    place = bench.place("held" if kind == "two-processes" else "slow", f"{kind}-1")
    if kind in {"disk-full", "io-error", "read-only"} and not bench.shim.there:
        return Row("machine", kind, "not run: no C compiler", False, "", False)
    first = LOCAL_FAULTS[kind](bench, place, output)
    again = watched(lambda: tool(place, output), LIMIT_S)
    wrong = books(bench.base, f"{kind}-1", output)
    refused = again.end == "error" and again.what == "StoreError"
    good = (again.end == "complete" and bool(again.facts["sound"])) or (
        refused and kind in {"bit-flip", "tamper"}
    )
    both = f"{said(first)}; then {said(again, wrong)}"
    passed = good and not wrong and first.end in {"complete", "inconclusive", "error", "killed"}
    theirs = _plain_local(bench, kind)
    base = theirs.end == "complete" and bool(theirs.facts["sound"])
    return Row("machine", kind, both, passed, theirs.what or said(theirs), base)


def _plain_local(bench: Bench, kind: str) -> Outcome:
    """The dictionary keeps nothing, so only what interrupts or doubles a run can hurt it."""
    place = bench.place("slow", f"{kind}-2")
    twice = kind in {"sigkill", "sigterm", "two-processes"}
    if twice:
        process, pipe = start(lambda: plain(place, bench.folder))
        time.sleep(0.25)
        if kind != "two-processes" and process.pid:
            os.kill(process.pid, signal.SIGKILL)
        finish(process, pipe, LIMIT_S)
    done = watched(lambda: plain(place, bench.folder), LIMIT_S)
    bought = ledger(bench.base, f"{kind}-2")
    extra = bought["inputs"] - len(bought["asked"])
    if extra > 16:
        return Outcome("complete", f"{extra} queries bought twice", facts={"sound": False})
    return done


def _hit(
    number: int, after: float = 0.25, then: int = 0
) -> Callable[[Bench, Place, Path], Outcome]:
    """Send the audit a signal in its middle, and perhaps another one two seconds later."""

    def run(_: Bench, place: Place, output: Path) -> Outcome:
        process, pipe = start(lambda: stoppable(place, output))
        _wait_for_answers(output)
        time.sleep(random.uniform(0.0, after))
        if process.pid:
            os.kill(process.pid, number)
            if then:
                time.sleep(2.0)
                os.kill(process.pid, then)
        return finish(process, pipe, LIMIT_S)

    return run


def _wait_for_answers(output: Path) -> None:
    wal = output / f"{STORE_NAME}-wal"
    until = time.monotonic() + 20
    while time.monotonic() < until and not (wal.exists() and wal.stat().st_size > 100_000):
        time.sleep(0.005)


def stoppable(place: Place, output: Path) -> Outcome:
    """An audit that SIGTERM drains, as on the command line."""

    async def run() -> Outcome:
        oracle = await open_oracle(target(place))

        def listen(engine: QueryEngine) -> None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, engine.stop)

        try:
            limits = EngineLimits(concurrency=4)
            done = await run_audit(
                AuditRequest(located(oracle), samples(), SETTINGS, output, limits=limits),
                on_start=listen,
            )
        finally:
            await oracle.aclose()
        part = "partial" if done.report["partial"] else ""
        return Outcome("inconclusive" if part else "complete", part, facts={"sound": True})

    try:
        return asyncio.run(run())
    except (AdapterError, AuditError) as error:
        return Outcome("error", type(error).__name__)


def _failing(errno: int, call: int, *, sticky: bool) -> Callable[[Bench, Place, Path], Outcome]:
    def run(bench: Bench, place: Place, output: Path) -> Outcome:
        def work() -> Outcome:
            bench.shim.watch(output, call, errno, sticky=sticky)
            return tool(place, output)

        return watched(work, LIMIT_S)

    return run


def _cut(place: Place, output: Path) -> Outcome:
    return watched(lambda: tool(place, output, limits=EngineLimits(max_queries=600)), LIMIT_S)


def _bit_flip(_: Bench, place: Place, output: Path) -> Outcome:
    first = watched(lambda: tool(place, output), LIMIT_S)
    store = output / STORE_NAME
    with sqlite3.connect(store) as db:
        (blob,) = db.execute("SELECT labels FROM chunks WHERE length(labels) > 40").fetchone()
    db.close()
    data = bytearray(store.read_bytes())
    data[data.index(blob) + 20] ^= 1
    store.write_bytes(data)
    return first


def _tamper(_: Bench, place: Place, output: Path) -> Outcome:
    first = watched(lambda: tool(place, output), LIMIT_S)
    with sqlite3.connect(output / STORE_NAME) as db:
        db.execute("CREATE TRIGGER t AFTER INSERT ON intents BEGIN DELETE FROM ledger; END")
    db.close()
    return first


def _two(bench: Bench, place: Place, output: Path) -> Outcome:
    """A second audit of one store while the server holds what the first one asked."""
    run = place.url.rsplit("/", 1)[1]

    def work() -> Outcome:
        return tool(place, output, timeout=LIMIT_S)

    process, pipe = start(work)
    until = time.monotonic() + LIMIT_S / 2
    while not ledger(bench.base, run)["held"] and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.2)  # the rest of what may be in flight arrives
    before = ledger(bench.base, run)
    second = watched(work, LIMIT_S / 2)
    after = ledger(bench.base, run)
    proven = process.is_alive() and before["held"] > 0 and before["held"] == after["held"]
    release(bench.base, run)
    first = finish(process, pipe, LIMIT_S)
    if not proven:
        return Outcome("crash", "the first did not hold the store all the time")
    if second.what != "StoreError" or before["requests"] != after["requests"]:
        return Outcome("crash", f"two audits used one store: {said(second)}")
    first.what = first.what or "second refused"
    return first


def _clock_jump(_: Bench, place: Place, output: Path) -> Outcome:
    def work() -> Outcome:
        real, began = time.time, time.monotonic()
        time.time = lambda: real() + (3e8 if time.monotonic() - began > 0.3 else -3e8)
        return tool(place, output)

    return watched(work, LIMIT_S)


LOCAL_FAULTS: dict[str, Callable[[Bench, Place, Path], Outcome]] = {
    "sigkill": _hit(signal.SIGKILL),
    "sigterm": _hit(signal.SIGTERM),
    "suspend": _hit(signal.SIGSTOP, then=signal.SIGCONT),
    "disk-full": _failing(28, 30, sticky=True),
    "io-error": _failing(5, 30, sticky=False),
    "read-only": _failing(30, 1, sticky=True),
    "bit-flip": _bit_flip,
    "tamper": _tamper,
    "two-processes": _two,
    "clock-jump": _clock_jump,
}
