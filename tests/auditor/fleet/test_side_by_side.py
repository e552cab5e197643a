"""One audit over processes of this machine: the answers of one, also if one is killed."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import auditor
from adapters.errors import ModelStopped
from adapters.target import Target
from auditor.engine.progress import Progress
from auditor.errors import UsageError
from auditor.fleet import on_workers
from auditor.fleet.side_by_side import MOST_REPLACED, in_processes
from auditor.workflows.audit import run_audit
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import locate
from auditor.workflows.verify.verify import verify_bundle


class Killer(Progress):
    """Kills two processes of models, with -9, once 300 labels are known; ``on`` and on."""

    def __init__(self, *, on: bool = False) -> None:
        self.on, self.answered, self.killed = on, 0, set[int]()

    def advance(self, labels: int, *, live: bool) -> None:  # noqa: ARG002 - the progress's own
        self.answered += labels
        running = children()
        if self.answered >= 300 and (self.on or (not self.killed and len(running) >= 2)):
            self.killed.update(running)
            for pid in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def children() -> list[int]:
    """This process's children that run a model."""
    found = []
    # A thread or a process that ended meanwhile has no files.
    gone = contextlib.suppress(FileNotFoundError, ProcessLookupError)
    for one in Path("/proc/self/task").iterdir():
        with gone:
            for pid in (one / "children").read_text("ascii").split():
                with gone:
                    if b"sandbox" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        found.append(int(pid))
    return found


def test_killed_processes_are_replaced_and_nothing_is_lost(
    request_for: Callable[..., AuditRequest],
    alone: Path,
    kept: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    killer = Killer()
    with in_processes(request_for(tmp_path), 2) as spread:
        assert spread.target.concurrency == 4
        asyncio.run(run_audit(dataclasses.replace(spread, progress=killer)))
    assert len(killer.killed) == 2
    assert children() == []
    assert kept(tmp_path) == kept(alone)
    assert verify_bundle(tmp_path).exit_code == 0


def test_processes_that_die_again_and_again_end_the_audit(
    request_for: Callable[..., AuditRequest], tmp_path: Path
) -> None:
    killer = Killer(on=True)
    with in_processes(request_for(tmp_path), 2) as spread, pytest.raises(ModelStopped):
        asyncio.run(run_audit(dataclasses.replace(spread, progress=killer)))
    assert 2 <= len(killer.killed) <= 2 + MOST_REPLACED
    assert children() == []


def test_on_a_running_loop_workers_answer_as_one_process(
    zoo: Path, alone: Path, kept: Callable[[Path], Any], tmp_path: Path
) -> None:
    asked = auditor.audit_async(
        zoo / "zoo/m000.onnx", zoo / "samples.npz", value_range=(0.0, 1.0), threads=1,
        output=tmp_path, workers=2, progress=False,
    )  # fmt: skip
    asyncio.run(asked)
    assert kept(tmp_path) == kept(alone)


def test_other_targets_are_refused_with_the_way_for_them(
    request_for: Callable[..., AuditRequest], tmp_path: Path
) -> None:
    asked = request_for(tmp_path)
    served = Target("http", "http://127.0.0.1:9/predict", value_range=(0.0, 1.0))
    remote = dataclasses.replace(asked, target=locate(served, asked.samples))
    with pytest.raises(UsageError, match="raise --concurrency"), in_processes(remote, 2):
        pass
    with pytest.raises(UsageError, match="drop one"):
        on_workers(asked, 2, "tcp://127.0.0.1:8786")
