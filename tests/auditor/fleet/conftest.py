"""A small fleet and a cluster of threads to run it on."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.target import Target
from auditor.cli.fleet import build_entry, fleet_options
from auditor.fleet.file import read_fleet
from auditor.fleet.live import Live
from auditor.fleet.place import Place
from auditor.plan.settings import AuditSettings
from auditor.samples.load import load_samples
from auditor.workflows.audit import run_audit
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import locate
from examples.benchmarks.fleet.tiny import write_zoo

QUICK = """[defaults]
samples = "samples.npz"
range = [0.0, 1.0]
planes = 4
canaries = 4
trigger_search = false
threads = 1
"""
Start = Callable[[int], Any]
Run = Callable[..., Any]


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six models, the first two backdoored, and their samples."""
    folder = tmp_path_factory.mktemp("zoo")
    write_zoo(folder, models=6, backdoored=2)
    return folder


@pytest.fixture(scope="session")
def request_for(zoo: Path) -> Callable[..., AuditRequest]:
    """Requests an audit of a zoo's model, with everything at its default."""

    def make(output: Path, model: str = "m000") -> AuditRequest:
        place = str(zoo / "zoo" / f"{model}.onnx")
        target = Target("onnx", place, value_range=(0.0, 1.0), threads=1)
        samples = load_samples(zoo / "samples.npz")
        return AuditRequest(locate(target, samples), samples, AuditSettings(), output)

    return make


@pytest.fixture(scope="session")
def alone(
    request_for: Callable[..., AuditRequest], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Output of an audit in one process."""
    output = tmp_path_factory.mktemp("alone")
    asyncio.run(run_audit(request_for(output)))
    return output


@pytest.fixture
def kept() -> Callable[[Path], tuple[list[Any], dict[str, Any]]]:
    """Reads an audit's output: every label by the digest of its probe, and the report."""

    def read(folder: Path) -> tuple[list[Any], dict[str, Any]]:
        with sqlite3.connect(folder / "labels.sqlite3") as store:
            labels = store.execute(
                "SELECT digest, chunk, labels FROM probes JOIN chunks ON probe = id ORDER BY 1, 2"
            ).fetchall()
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        # Requests are smaller, for there to be enough for all workers.
        for name in ("requests", "by_status"):
            del report["queries"][name]
        del report["timing"]
        return labels, report

    return read


@pytest.fixture
def write_fleet(zoo: Path) -> Callable[..., Path]:
    """Writes a fleet file beside the models: their defaults, and what it is given."""

    def write(text: str, name: str) -> Path:
        (zoo / name).write_text(QUICK + text, encoding="utf-8")
        return zoo / name

    return write


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a cluster of threads, and gives its client."""
    distributed = pytest.importorskip("distributed", reason="the extra fleet is not installed")
    dask = pytest.importorskip("dask")
    opened: list[Any] = []

    def begin(count: int) -> Any:
        cluster = distributed.LocalCluster(
            n_workers=count, threads_per_worker=1, processes=False, protocol="inproc://",
            dashboard_address=None, silence_logs=50,
        )  # fmt: skip
        client = distributed.Client(cluster)
        opened.extend((cluster, client))
        return client

    off = {"distributed.worker.profile.enabled": False}  # as auditor.fleet.run has it
    with warnings.catch_warnings(), dask.config.set(off):
        # Dask's own: sockets that it leaves to the garbage collector, deprecated calls.
        warnings.simplefilter("ignore")
        yield begin
        for one in reversed(opened):
            one.close()


@pytest.fixture
def run(start: Start) -> Run:
    """Runs a fleet file into an output on a number of workers, and gives rows and what was due."""
    pytest.importorskip("distributed", reason="the extra fleet is not installed")
    from auditor.fleet.run import due, run_fleet  # noqa: PLC0415 - needs the extra

    def go(file: Path, output: str | Path, count: int = 2, only: str | None = None) -> Any:
        fleet = read_fleet(file, fleet_options())
        todo = due(fleet, Place(str(output)), only)
        if not todo.why:
            return dict(todo.rows), todo
        lines: list[str] = []
        live = Live(lines.append, len(fleet.entries), 0, {}, terminal=False)
        rows = run_fleet(start(count), fleet, todo, str(output), build_entry, live)
        return {**todo.rows, **rows}, todo

    return go
