"""Leg A: 60 kinds of faults, how each may end, and whether the ledger is right afterwards."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.errors import AdapterError
from adapters.http import open_oracle
from auditor.engine.contract import EngineLimits
from auditor.engine.engine import QueryEngine
from auditor.errors import AuditError
from auditor.workflows.audit import run_audit
from auditor.workflows.prepare import STORE_NAME
from examples.benchmarks.hostile.clients import (
    SETTINGS,
    Outcome,
    Place,
    Shim,
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

LIMIT_S, PLAIN_LIMIT_S, RSS_MIB = 40.0, 12.0, 32.0
ERROR, DONE = frozenset({"error"}), frozenset({"complete"})
DOUBT = frozenset({"inconclusive"})
ANY = ERROR | DONE
TOGETHER = {True: 8, False: 2}
"""Clients side by side: many where a kind only ends in errors, which is mostly waiting for
deadlines, and as many as there are cores where labels are worked on."""
Job = tuple[Callable[[], Outcome], float]

REMOTE: Mapping[str, Mapping[str, frozenset[str]]] = {
    "transport": {
        "refused": ERROR, "dns": ERROR, "bad-ca": ERROR, "wrong-host": ERROR,
        "reset-before": ERROR, "reset-middle": ERROR, "short-body": ERROR, "silence": ERROR,
        "tls-drip": ERROR, "header-drip": ERROR, "body-drip": ERROR, "endless-1xx": ERROR,
    },
    "HTTP": {
        "redirect-here": ERROR, "redirect-away": ERROR, "redirect-metadata": ERROR,
        "status-401": ERROR, "status-403": ERROR, "status-408": DONE, "status-413": DONE,
        "throttle-seconds": DONE, "throttle-date": DONE, "throttle-days": ERROR,
        "status-500": ERROR, "error-in-200": ERROR,
    },
    "body": {
        "gzip": ERROR, "gzip-twice": ERROR, "zstd": ERROR, "brotli": ERROR, "endless-body": ERROR,
        "endless-chunks": ERROR, "bad-utf8": ERROR, "surrogate": ERROR, "truncated-json": ERROR,
        "deep-json": ERROR, "huge-integer": ERROR, "nan": ERROR, "duplicate-keys": ERROR,
        "html": ERROR,
    },
    "label": {
        "label-escape": ANY, "label-bidi": ANY, "label-markup": ANY, "label-formula": ANY,
        "label-megabyte": ERROR, "label-growing": DOUBT | ERROR,
    },
    "meaning": {
        "swap": DOUBT, "ab-routing": DOUBT, "noise": DOUBT, "constant": DOUBT, "shuffled": DOUBT,
        "replay": DOUBT,
    },
}  # fmt: skip
"""Kind -> how this tool may end. ``complete`` always means: every label is the honest one."""

LOCAL = (
    "sigkill", "sigterm", "disk-full", "io-error", "read-only", "bit-flip", "two-processes",
    "clock-jump", "suspend", "tamper",
)  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """Where everything is.

    Attributes:
        base: URL of the plain server.
        ports: port of each listener.
        folder: for everything that is written.
        shim: the failing file system.
    """

    base: str
    ports: Mapping[str, int]
    folder: Path
    shim: Shim

    def place(self, kind: str, run: str) -> Place:
        """Where ``kind`` is asked in the run ``run``."""
        path, ca = f"{kind}/{run}", str(self.folder / "ca.pem")
        if kind == "refused":
            return Place(f"http://127.0.0.1:1/{path}", ca)
        if kind == "dns":
            return Place(f"http://no-such-host.invalid/{path}", ca)
        if kind in self.ports:
            return Place(f"https://localhost:{self.ports[kind]}/{path}", ca)
        return Place(f"{self.base}/{path}", ca, kind.startswith("label"))


@dataclass(frozen=True)
class Row:
    """One kind's line in the table: how both clients ended, and whether that is right."""

    group: str
    kind: str
    ours: str
    passed: bool
    theirs: str
    baseline: bool
    mib: float = 0.0


def run_faults(bench: Bench) -> list[Row]:
    """All 60 kinds, by both clients."""
    kinds = [(g, k, allowed) for g, some in REMOTE.items() for k, allowed in some.items()]
    ends: dict[tuple[str, int], Outcome] = {}
    for waiting, most in TOGETHER.items():
        jobs = {
            key: job
            for _, kind, allowed in kinds
            if waiting == (allowed == ERROR)
            for key, job in _jobs(bench, kind).items()
        }
        ends.update(side_by_side(jobs, most))
    rows = [_remote(bench, *kind, ends) for kind in kinds] + _machine(bench)
    for row in rows:
        print(f"  {row.kind}: {row.ours} | {row.theirs}", flush=True)
    return rows


def _machine(bench: Bench) -> list[Row]:
    """What befalls the machine: each kind judged in a process of its own, several at a time."""

    def job(kind: str) -> Job:
        return lambda: Outcome("complete", facts={"row": _local(bench, kind)}), 4 * LIMIT_S

    ends = side_by_side({(kind, 0): job(kind) for kind in LOCAL}, TOGETHER[False])
    return [
        done.facts["row"]
        if done.end == "complete"
        else Row("machine", kind, f"not judged: {done.end} {done.what}", False, "", False)
        for (kind, _), done in sorted(ends.items(), key=lambda one: LOCAL.index(one[0][0]))
    ]


def _jobs(bench: Bench, kind: str) -> dict[tuple[str, int], Job]:
    """The work of this tool (1) and of the plain client (2)."""
    output = bench.folder / f"a-{kind}"
    ours, theirs = (bench.place(kind, f"{kind}-{n}") for n in (1, 2))
    return {
        (kind, 1): (lambda: tool(ours, output), LIMIT_S),
        (kind, 2): (lambda: plain(theirs, output), PLAIN_LIMIT_S),
    }


def _remote(
    bench: Bench,
    group: str,
    kind: str,
    allowed: frozenset[str],
    ends: Mapping[tuple[str, int], Outcome],
) -> Row:
    ours, theirs = ends[kind, 1], ends[kind, 2]
    good = ours.end in allowed and _sound(ours) and _within(ours)
    wrong = books(bench.base, f"{kind}-1", bench.folder / f"a-{kind}")
    base = theirs.end in ANY and _sound(theirs) and _within(theirs)
    said = _said(ours, wrong)
    return Row(group, kind, said, good and not wrong, _said(theirs), base, ours.rss_mib)


def _sound(outcome: Outcome) -> bool:
    return outcome.end != "complete" or bool(outcome.facts["sound"])


def _within(outcome: Outcome) -> bool:
    return outcome.rss_mib <= RSS_MIB and outcome.seconds < LIMIT_S


def books(base: str, run: str, output: Path) -> str:
    """What is wrong with the client's ledger beside the server's; empty where nothing is.

    They must agree to the query, and where no connection ever stands nothing may be charged. Only
    queries that the client itself lists as of unknown outcome (cut off when the audit ended, or
    when it was killed, before it could tell whether they had left) may be missing at the server.
    """
    asked = int(ledger(base, run)["inputs"])
    sent, unknown = charged(output)
    if sent - unknown <= asked <= sent:
        return ""
    return f"LEDGER WRONG: {sent} charged, {unknown} unknown, {asked} asked"


def charged(output: Path) -> tuple[int, int]:
    """Queries that the store of ``output`` charges, and those of them of unknown outcome."""
    with sqlite3.connect(output / STORE_NAME) as db:
        (sent,) = db.execute("SELECT coalesce(sum(value), 0) FROM ledger WHERE entry = 'sent'")
        # An intent that nothing closed becomes unknown as soon as the store is opened again.
        (unknown,) = db.execute(
            "SELECT coalesce(sum(length(items)), 0) FROM "
            "(SELECT items FROM unknown UNION ALL SELECT items FROM intents)"
        )
    db.close()
    return int(sent[0]), int(unknown[0]) // 4


def _said(outcome: Outcome, wrong: str = "") -> str:
    text = outcome.end if not outcome.what else f"{outcome.end}: {outcome.what[:40]}"
    if outcome.end == "complete" and not outcome.facts["sound"]:
        text = "wrong labels, unnoticed"
    if outcome.rss_mib > RSS_MIB:
        text += f", +{outcome.rss_mib:,.0f} MiB"
    return f"{text}, {wrong}" if wrong else text


# ---- the machine the client runs on ----------------------------------------------------------


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
    said = f"{_said(first)}; then {_said(again, wrong)}"
    passed = good and not wrong and first.end in {"complete", "inconclusive", "error", "killed"}
    theirs = _plain_local(bench, kind)
    base = theirs.end == "complete" and bool(theirs.facts["sound"])
    return Row("machine", kind, said, passed, theirs.what or _said(theirs), base)


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
                oracle, samples(), SETTINGS, output, limits=limits, on_start=listen
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
        return Outcome("crash", f"two audits used one store: {_said(second)}")
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


def as_table(rows: list[Row]) -> list[str]:
    """The rows as Markdown."""
    lines = [
        "| group | fault | this tool | | httpx + tenacity + dict | |",
        "|---|---|---|---|---|---|",
    ]
    mark: dict[bool, Any] = {True: "yes", False: "**no**"}
    lines += [
        f"| {r.group} | {r.kind} | {r.ours} | {mark[r.passed]} | {r.theirs} | {mark[r.baseline]} |"
        for r in rows
    ]
    return lines
