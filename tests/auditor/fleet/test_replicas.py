"""One audit over Dask's workers: the answers of one process, also if a worker is killed."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fsspec", reason="the extra fleet is not installed")

import auditor
from adapters.errors import ModelFileError
from auditor.engine.progress import Progress
from auditor.fleet.replicas import on_cluster
from auditor.fleet.run import workers
from auditor.workflows.audit import run_audit
from auditor.workflows.request import AuditRequest

Start = Callable[[int], Any]


def test_two_workers_give_every_label_and_the_report_of_one_process(
    request_for: Callable[..., AuditRequest],
    alone: Path,
    kept: Callable[[Path], Any],
    start: Start,
    tmp_path: Path,
) -> None:
    with on_cluster(request_for(tmp_path), start(2).scheduler.address) as spread:
        assert spread.target.concurrency == 4
        asyncio.run(run_audit(spread))
    assert kept(tmp_path) == kept(alone)


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(
    request_for: Callable[..., AuditRequest],
    alone: Path,
    kept: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    class Killer(Progress):
        """Kills a worker with -9 after 300 labels."""

        answered = 0
        pids: list[int]

        def advance(self, labels: int, *, live: bool) -> None:  # noqa: ARG002 - the progress's own
            self.answered += labels
            if self.answered >= 300 and self.pids:
                os.kill(self.pids.pop(), signal.SIGKILL)
                self.pids.clear()

    killer = Killer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dask's own, on sockets of the dead
        with workers(2, None) as client:
            killer.pids = list(client.run(os.getpid).values())
            assert len(killer.pids) == 2
            with on_cluster(request_for(tmp_path), client.scheduler.address) as spread:
                asyncio.run(run_audit(dataclasses.replace(spread, progress=killer)))
    assert killer.pids == []
    assert kept(tmp_path) == kept(alone)


def test_a_worker_with_another_file_at_the_path_ends_the_audit(
    request_for: Callable[..., AuditRequest], start: Start, tmp_path: Path
) -> None:
    client = start(1)
    with on_cluster(request_for(tmp_path), client.scheduler.address) as spread:
        opening = spread.target.open

        async def swapped() -> Any:
            oracle: Any = await opening()
            other = request_for(tmp_path, "m001").target
            oracle._replica = dataclasses.replace(oracle._replica, located=other)
            return oracle

        changed = dataclasses.replace(spread.target, open=swapped)
        with pytest.raises(ModelFileError, match="another model file at the same path"):
            asyncio.run(run_audit(dataclasses.replace(spread, target=changed)))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["audit", "audit_async"])
def test_python_takes_a_scheduler(start: Start, zoo: Path, tmp_path: Path, way: str) -> None:
    asked: dict[str, Any] = {
        "value_range": (0.0, 1.0),
        "output": tmp_path,
        "scheduler": start(1).scheduler.address,
        "progress": False,
    }
    model, samples = zoo / "zoo/m000.onnx", zoo / "samples.npz"
    if way == "audit":
        made = auditor.audit(model, samples, **asked)
    else:
        made = asyncio.run(auditor.audit_async(model, samples, **asked))
    assert str(made.data["verdict"]) == "backdoor-suspected"
    assert made.data["queries"]["requests"] > 80  # of at most 16 inputs
