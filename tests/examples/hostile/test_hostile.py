"""A fast part of the benchmark ``hostile``: real sockets, a ledger that the client cannot touch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditor.engine.contract import EngineLimits
from examples.benchmarks.hostile.clients import Outcome, Place, ledger, plan_of, tool
from examples.benchmarks.hostile.crashes import BATCH, KILLED, committed
from examples.benchmarks.hostile.faults import REMOTE, books
from examples.benchmarks.hostile.machine import LOCAL
from examples.benchmarks.hostile.talk import FAULT_FROM

ROOT = Path(__file__).parents[3]
QUICK = {
    "honest": "complete",
    "reset-middle": "error",
    "redirect-away": "error",
    "status-413": "complete",
    "throttle-days": "error",
    "gzip-twice": "error",
    "duplicate-keys": "error",
    "deep-json": "error",
    "label-escape": "complete",
    "label-growing": "inconclusive",
    "swap": "inconclusive",
    "noise": "inconclusive",
    "constant": "inconclusive",
    "shuffled": "inconclusive",
    "replay": "inconclusive",
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "examples.benchmarks.hostile.server", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['plain']}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_there_are_sixty_kinds() -> None:
    assert sum(len(kinds) for kinds in REMOTE.values()) + len(LOCAL) == 60


@pytest.mark.parametrize("kind", QUICK)
def test_a_fault_ends_as_it_should_and_the_ledger_covers_it(
    base: str, kind: str, tmp_path: Path
) -> None:

    place = Place(f"{base}/{kind}/{kind}", "", kind.startswith("label"))
    # Little patience: that it lasts is measured by the benchmark itself.
    limits = EngineLimits(concurrency=4, patience_s=4.0)
    done: Outcome = tool(place, tmp_path / "out", limits=limits)
    assert done.end == QUICK[kind], done
    assert done.end != "complete" or done.facts["sound"]
    assert books(base, kind, tmp_path / "out") == ""


def test_what_is_committed_is_told_by_the_names_of_the_ledger(base: str, tmp_path: Path) -> None:
    """Leg B compares them: a store read in another way would find labels lost and asked again."""
    output = tmp_path / "out"
    assert tool(Place(f"{base}/status-401/kept", ""), output, KILLED, batch=BATCH).end == "error"
    told, known = ledger(base, "kept"), committed(output, plan_of(KILLED))
    assert known <= set(told["asked"])
    assert len(known) == told["answered"] == (FAULT_FROM - 1) * BATCH
