"""One audit over Dask's workers: the answers of one process, also if a worker is killed."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import json
import os
import signal
import sqlite3
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fsspec", reason="the extra fleet is not installed")

import auditor
from adapters.errors import ModelFileError
from adapters.target import Target
from auditor.engine.progress import Progress
from auditor.errors import UsageError
from auditor.fleet.replicas import replicated
from auditor.plan.settings import AuditSettings
from auditor.samples.load import load_samples
from auditor.workflows.audit import run_audit
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import locate
from auditor.workflows.verify.verify import verify_bundle

Start = Callable[[int], Any]


@pytest.fixture
def request_for(zoo: Path) -> Callable[..., AuditRequest]:
    """Requests an audit of a zoo's model, with everything at its default."""

    def make(output: Path, model: str = "m000", **fields: Any) -> AuditRequest:
        place = str(zoo / "zoo" / f"{model}.onnx")
        target = Target("onnx", place, value_range=(0.0, 1.0), threads=1, **fields)
        samples = load_samples(zoo / "samples.npz")
        return AuditRequest(locate(target, samples), samples, AuditSettings(), output)

    return make


def report(folder: Path) -> dict[str, Any]:
    made = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    # Requests are smaller, for there to be enough for all workers.
    made["queries"] = {
        k: v for k, v in made["queries"].items() if k not in {"requests", "by_status"}
    }
    return {k: v for k, v in made.items() if k != "timing"}


def labels(folder: Path) -> list[Any]:
    """Every label kept, by the digest of its probe."""
    with sqlite3.connect(folder / "labels.sqlite3") as store:
        return store.execute(
            "SELECT digest, chunk, labels FROM probes JOIN chunks ON probe = id ORDER BY 1, 2"
        ).fetchall()


def test_two_workers_give_every_label_and_the_report_of_one_process(
    request_for: Callable[..., AuditRequest], start: Start, tmp_path: Path
) -> None:
    one, two, client = tmp_path / "one", tmp_path / "two", start(2)
    asyncio.run(run_audit(request_for(one, "m004")))
    with replicated(request_for(two, "m004"), None, client.scheduler.address) as spread:
        assert spread.target.concurrency == 4
        asyncio.run(run_audit(spread))
    assert labels(one) == labels(two)
    assert report(one) == report(two)
    assert verify_bundle(two).exit_code == 0


def test_a_killed_worker_loses_nothing(
    request_for: Callable[..., AuditRequest], tmp_path: Path
) -> None:
    asyncio.run(run_audit(request_for(tmp_path / "one")))

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
        with replicated(request_for(tmp_path / "two"), 2, None) as spread:
            client = importlib.import_module("distributed").default_client()
            killer.pids = list(client.run(os.getpid).values())
            assert len(killer.pids) == 2
            asyncio.run(run_audit(_with(spread, killer)))
    assert killer.pids == []
    assert labels(tmp_path / "one") == labels(tmp_path / "two")
    assert report(tmp_path / "one") == report(tmp_path / "two")


def _with(request: AuditRequest, progress: Progress) -> AuditRequest:
    return dataclasses.replace(request, progress=progress)


def test_other_targets_are_refused_with_the_way_for_them(
    request_for: Callable[..., AuditRequest], tmp_path: Path
) -> None:
    asked = request_for(tmp_path)
    served = Target("http", "http://127.0.0.1:9/predict", value_range=(0.0, 1.0))
    remote = dataclasses.replace(asked, target=locate(served, asked.samples))
    with pytest.raises(UsageError, match="raise --concurrency"), replicated(remote, 2, None):
        pass


def test_a_worker_with_another_file_at_the_path_ends_the_audit(
    request_for: Callable[..., AuditRequest], start: Start, tmp_path: Path
) -> None:
    client = start(1)
    asked = request_for(tmp_path)
    with replicated(asked, None, client.scheduler.address) as spread:
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
def test_python_takes_workers(start: Start, zoo: Path, tmp_path: Path) -> None:
    model, samples, place = zoo / "zoo/m000.onnx", zoo / "samples.npz", start(1).scheduler.address
    made = auditor.audit(
        model, samples, value_range=(0.0, 1.0), output=tmp_path, scheduler=place, progress=False
    )
    assert str(made.data["verdict"]) == "backdoor-suspected"
    assert made.data["queries"]["requests"] > 80  # of at most 16 inputs
