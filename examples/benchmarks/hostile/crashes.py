"""Legs B and C: kills at random moments, and every write, sync and rename failing once."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from auditor.engine.store import CHUNK, NOT_ASKED, unpacked
from auditor.plan.plan import AuditPlan
from auditor.plan.settings import AuditSettings
from auditor.workflows.prepare import STORE_NAME
from examples.benchmarks.hostile.clients import (
    QUIET,
    Outcome,
    finish,
    ledger,
    plan_of,
    start,
    tool,
    watched,
)
from examples.benchmarks.hostile.faults import LIMIT_S, Bench
from examples.benchmarks.hostile.talk import key_of

KILLED = AuditSettings.paper(planes=4, density=12, canaries=0, trigger_search=False, seed=3)
BATCH, CONCURRENCY = 4, 4


@dataclass
class Kills:
    """What the kills cost."""

    kills: int = 0
    audits: int = 0
    committed: int = 0
    lost: int = 0
    resent: int = 0
    unknown: int = 0
    unlisted: int = 0
    twice_billed: int = 0
    wrong: int = 0


def run_kills(bench: Bench, wanted: int, seed: int = 0) -> Kills:
    """Kill audits at random moments, ``wanted`` times, each while it asks; finish all of them."""
    rng, total = random.Random(seed), Kills()
    plan = plan_of(KILLED)
    while total.kills < wanted:
        _one_audit(bench, plan, rng, total, wanted, f"kill-{seed}-{total.audits}")
    return total


def added(parts: Sequence[Kills]) -> Kills:
    """Several series of kills as one."""
    return Kills(**{f.name: sum(getattr(one, f.name) for one in parts) for f in fields(Kills)})


def _one_audit(
    bench: Bench, plan: AuditPlan, rng: random.Random, total: Kills, most: int, name: str
) -> None:
    output, place = bench.folder / name, bench.place("slow", name)
    total.audits += 1
    known: set[str] = set()
    asked: dict[str, int] = {}

    def work() -> Outcome:
        return tool(place, output, KILLED, batch=BATCH, idempotency_header="Idempotency-Key")

    for _ in range(rng.randint(2, 6)):
        left = plan.queries - len(known)
        if total.kills >= most or left <= 4 * BATCH * CONCURRENCY:
            break
        process, pipe = start(work)
        # By what it asked, not by time alone: how long an audit takes is another one's business.
        _wait_until_asked(bench, name, process, sum(asked.values()) + rng.randint(0, left // 2))
        time.sleep(rng.uniform(0.0, 0.03))
        alive = process.is_alive()
        if alive and process.pid:
            os.kill(process.pid, signal.SIGKILL)
        finish(process, pipe, LIMIT_S)
        total.kills += alive
        now = committed(output, plan)
        total.lost += len(known - now)
        after = ledger(bench.base, name)["asked"]
        total.resent += sum(after.get(key, 0) > asked.get(key, 0) for key in known)
        total.committed += len(now - known)
        known, asked = now, after
    done = watched(work, LIMIT_S)
    told = ledger(bench.base, name)
    total.resent += sum(told["asked"][key] > asked.get(key, 0) for key in known)
    total.wrong += done.end != "complete" or not done.facts["sound"]
    unknown = done.facts.get("queries", {}).get("unknown", 0)
    total.unknown += unknown
    total.unlisted += max(0, told["inputs"] - len(told["asked"]) - unknown)
    total.twice_billed += told["billed"] - len(told["asked"])


def _wait_until_asked(bench: Bench, run: str, process: Any, inputs: int) -> None:
    """Return once the server was asked for so many inputs, or the audit is over."""
    until = time.monotonic() + LIMIT_S
    while process.is_alive() and time.monotonic() < until:
        if ledger(bench.base, run)["inputs"] >= inputs:
            return
        time.sleep(0.005)


def committed(output: Path, plan: AuditPlan) -> set[str]:
    """Inputs whose labels are in the store, by the name that the server's ledger gives them.

    Read from a copy, so that looking changes nothing.
    """
    copy = output.with_name(f"{output.name}-copy")
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for path in output.glob(f"{STORE_NAME}*"):
        shutil.copy(path, copy)
    if not (copy / STORE_NAME).exists():
        return set()
    with sqlite3.connect(copy / STORE_NAME) as db:
        try:
            rows = db.execute(
                "SELECT digest, chunk, labels, crc FROM chunks JOIN probes ON probes.id = probe"
            ).fetchall()
        except sqlite3.OperationalError:
            rows = []  # killed before it made its tables
    db.close()
    probes = {probe.digest: probe for probe in plan.probes}
    found: set[str] = set()
    for digest, chunk, blob, crc in rows:
        assert zlib.crc32(blob) == crc
        labels = unpacked(blob, min(CHUNK, probes[digest].size - chunk * CHUNK))
        items = chunk * CHUNK + np.flatnonzero(labels != NOT_ASKED)
        found |= {key_of(one) for one in probes[digest].inputs(items)}
    return found


# ---- every call of the file system fails once --------------------------------------------------


@dataclass
class Sweep:
    """What the failures led to."""

    calls: int = 0
    tolerated: int = 0
    refused: int = 0
    resumed: int = 0
    wrong: list[str] = field(default_factory=list)


def run_sweep(bench: Bench, calls: Sequence[int], expected: Any) -> Sweep:
    """Let each of these calls of one audit fail: a write, sync, truncation or rename.

    Args:
        bench: where everything is.
        calls: their numbers, from 1.
        expected: what :func:`count_calls` gave.
    """
    sweep = Sweep()
    for call in calls:
        _one_failure(bench, sweep, call, expected)
    return sweep


def together(parts: Sequence[Sweep]) -> Sweep:
    """All shares of one sweep as one."""
    return Sweep(
        sum(part.calls for part in parts),
        sum(part.tolerated for part in parts),
        sum(part.refused for part in parts),
        sum(part.resumed for part in parts),
        [said for part in parts for said in part.wrong],
    )


def count_calls(bench: Bench) -> tuple[int, Any]:
    """How many such calls an audit makes, and what it finds where none fails."""
    output = bench.folder / "sweep-clean"

    def work() -> Outcome:
        bench.shim.watch(output)
        done = tool(bench.place("honest", output.name), output, QUIET, batch=64)
        done.facts["calls"] = bench.shim.calls
        return done

    done = watched(work, LIMIT_S)
    return done.facts["calls"], _result(output)


def _one_failure(bench: Bench, sweep: Sweep, call: int, expected: Any) -> None:
    output, run = bench.folder / f"sweep-{call}", f"sweep-{call}"
    place = bench.place("honest", run)

    def work() -> Outcome:
        bench.shim.watch(output, call, 5 if call % 2 else 28)
        return tool(place, output, QUIET, batch=64)

    def again() -> Outcome:
        return tool(place, output, QUIET, batch=64)

    sweep.calls += 1
    first = watched(work, LIMIT_S)
    second = watched(again, LIMIT_S)
    ends = (first.end, second.end)
    told = ledger(bench.base, run)
    if first.end == "complete" and _result(output) == expected:
        sweep.tolerated += 1
    elif first.end == "error" and second.end == "complete" and _result(output) == expected:
        sweep.resumed += 1
    elif second.end == "error":
        sweep.refused += 1
    else:
        sweep.wrong.append(f"call {call}: {ends} {first.what} {second.what}")
    if told["inputs"] > (told["answered"] if second.end == "complete" else 10**9) + 64:
        sweep.wrong.append(f"call {call}: ledger")
    shutil.rmtree(output, ignore_errors=True)


def _result(output: Path) -> Any:
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    kept = ("verdict", "verdict_reason", "scores", "planes", "labels", "samples")
    return {name: report[name] for name in kept}
