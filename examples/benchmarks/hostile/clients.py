"""The two clients that are compared: this tool, and httpx with tenacity and a dictionary."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import importlib
import json
import multiprocessing
import multiprocessing.connection
import os
import re
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import httpx
import numpy as np
import tenacity
from numpy.typing import NDArray

from adapters.contract import InputSpec, LabelSpace
from adapters.errors import AdapterError
from adapters.http import open_oracle
from adapters.target import HttpOptions, Limits, ReplyFormat, Target, Tls
from auditor.engine.contract import EngineLimits
from auditor.errors import AuditError
from auditor.plan.plan import AuditPlan
from auditor.plan.settings import AuditSettings
from auditor.samples.samples import Samples
from auditor.workflows.audit import run_audit
from auditor.workflows.prepare import prepare
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located
from examples.benchmarks.hostile.talk import CLASSES, SHAPE, classify, prototypes

SECRET = "canary-4711-hostile"  # noqa: S105 - it is looked for where it must not be
TIMEOUT_S = 1.0
PATIENCE_S = 20.0
"""Below the limit of a fault: the tool's own patience is made for servers that come back."""
HOSTILE_CLASS = 3
"""The class that kinds of hostile labels call otherwise."""
SETTINGS = AuditSettings.paper(planes=4, density=10, trigger_search=False, seed=3)
QUIET = AuditSettings.paper(planes=2, density=10, canaries=0, trigger_search=False, seed=3)


def samples() -> Samples:
    """Six pictures near the prototype of each class."""
    centres = np.repeat(prototypes(1), 6, axis=0)
    noise = np.random.default_rng(2).normal(0.0, 0.05, centres.shape)
    pixels = np.rint(np.clip(centres + noise, 0.0, 1.0) * 255).astype(np.uint8)
    classes = tuple(f"c{n}" for n in range(CLASSES) for _ in range(6))
    refs = tuple(f"s{n}" for n in range(len(classes)))
    return Samples(refs, classes, pixels, tuple(f"c{n}" for n in range(CLASSES)), False, "0" * 64)


@dataclass(frozen=True)
class Place:
    """Where a server's kind is found.

    Attributes:
        url: to be asked.
        ca: PEM file of the authority that a client shall trust.
        named: whether labels are names.
    """

    url: str
    ca: str
    named: bool = False


@dataclass
class Outcome:
    """How one client ended.

    Attributes:
        end: ``complete``, ``inconclusive``, ``error``, ``crash``, ``hang`` or ``killed``.
        what: error class, finding code, or a sentence.
        seconds: wall time.
        rss_mib: how much the client's peak of memory grew.
        facts: anything else.
    """

    end: str
    what: str = ""
    seconds: float = 0.0
    rss_mib: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


def target(place: Place, **http: Any) -> Target:
    """The tool's description of the server."""
    kind: Literal["label", "index"] = "label" if place.named else "index"
    return Target(
        "http",
        place.url,
        value_range=(0.0, 1.0),
        shape=SHAPE,
        batch=http.pop("batch", 16),
        classes=None if place.named else tuple(f"c{n}" for n in range(CLASSES)),
        limits=Limits(timeout=http.pop("timeout", TIMEOUT_S)),
        http=HttpOptions(tls=Tls(ca=place.ca), reply=ReplyFormat(path="labels", kind=kind), **http),
    )


def tool(
    place: Place,
    output: Path,
    settings: AuditSettings = SETTINGS,
    limits: EngineLimits | None = None,
    **http: Any,
) -> Outcome:
    """One audit by this tool, in this process."""

    async def run() -> Outcome:
        oracle = await open_oracle(target(place, **http))
        try:
            done = await run_audit(
                AuditRequest(
                    located(oracle),
                    samples(),
                    settings,
                    output,
                    limits=limits or EngineLimits(concurrency=4, patience_s=PATIENCE_S),
                )
            )
        finally:
            await oracle.aclose()
        findings = [one["code"] for one in done.report["trust"]["findings"]]
        queries = done.report["queries"]
        facts = {"queries": queries, "sound": wrong_labels(done.report) == 0}
        if findings:
            return Outcome("inconclusive", findings[0], facts=facts)
        if done.report["partial"]:
            return Outcome("inconclusive", "partial", facts=facts)
        if "labels only" in done.report["verdict_reason"]:
            return Outcome("inconclusive", "accuracy", facts=facts)
        return Outcome("complete", facts=facts)

    try:
        return asyncio.run(run())
    except (AdapterError, AuditError) as error:
        return Outcome("error", type(error).__name__, facts={"said": str(error)[:300]})


def wrong_labels(report: dict[str, Any]) -> int:
    """Labels of the report's maps that the honest model would not give."""
    # The seeded plan is known, so its truth is too.
    known = truth(report["settings"])
    wrong = 0
    usual = {f"c{n}" for n in range(CLASSES)}
    for part in report["planes"]:
        told = [report["labels"][str(n)] for row in part["label_map"] for n in row]
        wrong += sum(
            a != f"c{b}" and not (b == HOSTILE_CLASS and a not in usual)
            for a, b in zip(told, known[part["index"]], strict=True)
        )
    return wrong


class Known:
    """Enough of an oracle to plan with."""

    input_spec = InputSpec(SHAPE, (0.0,), (1.0,))
    label_space = LabelSpace([f"c{n}" for n in range(CLASSES)])


def plan_of(settings: AuditSettings) -> AuditPlan:
    """The plan that every client follows."""
    oracle: Any = Known()
    return prepare(oracle, samples(), settings).plan


def truth(settings: dict[str, Any]) -> list[list[int]]:
    """Honest labels of every plane of a plan."""
    names = set(AuditSettings.__dataclass_fields__)
    plan = plan_of(AuditSettings.from_record({k: v for k, v in settings.items() if k in names}))
    return [classify(probe.inputs(np.arange(probe.size))) for probe in plan.planes]


def plain(place: Place, _: Path) -> Outcome:
    """The same questions, asked the way many scripts ask: httpx, tenacity, a dictionary."""
    plan = plan_of(SETTINGS)
    cache: dict[bytes, Any] = {}
    verify: Any = place.ca if place.url.startswith("https") else True
    client = httpx.Client(timeout=TIMEOUT_S, verify=verify, follow_redirects=True)
    headers = {"authorization": f"Bearer {SECRET}", "x-api-key": SECRET}

    @tenacity.retry(
        stop=tenacity.stop_after_attempt(8),
        wait=tenacity.wait_exponential(0.2, max=2),
        reraise=True,
    )
    def ask(batch: NDArray[np.float32]) -> list[Any]:
        reply = client.post(place.url, json={"inputs": batch.tolist()}, headers=headers)
        reply.raise_for_status()
        labels: list[Any] = reply.json()["labels"]
        return labels

    wrong = 0
    try:
        for probe in (plan.samples, *plan.planes):
            for start in range(0, probe.size, 16):
                items = np.arange(start, min(start + 16, probe.size))
                batch = probe.inputs(items)
                missing = [one for one in batch if one.tobytes() not in cache]
                if missing:
                    labels = ask(np.stack(missing))
                    cache.update((o.tobytes(), v) for o, v in zip(missing, labels, strict=True))
                honest = classify(batch)
                got = [cache[one.tobytes()] for one in batch]
                wrong += sum(g not in (h, f"c{h}") for g, h in zip(got, honest, strict=True))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is how this client ended
        return Outcome("error", type(error).__name__)
    return Outcome("complete", facts={"sound": wrong == 0})


# ---- processes -----------------------------------------------------------------------------------


def peak_mib() -> float:
    """Most memory this process ever had, in MiB, without the files that it has mapped by now: how
    many pages of shared libraries are mapped with the ones that it touches, is up to the kernel.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    most, files = (re.search(rf"{key}:\s+(\d+)", status) for key in ("VmHWM", "RssFile"))
    assert most is not None
    assert files is not None
    return (int(most[1]) - int(files[1])) / 1024


def start(work: Callable[[], Outcome]) -> tuple[Any, Connection]:
    """Run ``work`` in a fork of this process; its outcome comes through the pipe."""
    receive, send = multiprocessing.Pipe(duplex=False)

    def main() -> None:
        os.environ["XRAY_AUDIT_API_KEY"] = SECRET
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak
        before, began = peak_mib(), time.monotonic()
        try:
            outcome = work()
        except BaseException as error:  # noqa: BLE001 - a crash is an outcome
            outcome = Outcome("crash", f"{type(error).__name__}: {error}"[:300])
        outcome.seconds = time.monotonic() - began
        outcome.rss_mib = peak_mib() - before
        send.send(outcome)

    process = multiprocessing.get_context("fork").Process(target=main)
    process.start()
    send.close()
    return process, receive


def finish(process: Any, pipe: Connection, limit_s: float) -> Outcome:
    """The outcome of :func:`start`; a hang is ended."""
    outcome = Outcome("killed")
    try:
        if pipe.poll(limit_s):
            with contextlib.suppress(EOFError):
                outcome = pipe.recv()
        else:
            outcome = Outcome("hang", seconds=limit_s)
    finally:
        if process.is_alive() and outcome.end == "hang":
            os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        pipe.close()
    return outcome


def watched(work: Callable[[], Outcome], limit_s: float) -> Outcome:
    """``work`` in a process of its own, ended after ``limit_s`` seconds."""
    return finish(*start(work), limit_s)


def side_by_side(
    jobs: Mapping[tuple[str, int], tuple[Callable[[], Outcome], float]], most: int
) -> dict[tuple[str, int], Outcome]:
    """Outcomes of ``jobs`` (work and its limit in seconds), ``most`` of them at a time.

    Every one is measured in a process of its own; this one only waits for them, without threads,
    which a fork could not take along.
    """
    waiting = list(jobs)
    done: dict[tuple[str, int], Outcome] = {}
    running: dict[Connection, tuple[tuple[str, int], Any, float]] = {}
    while waiting or running:
        while waiting and len(running) < most:
            name = waiting.pop(0)
            work, limit = jobs[name]
            process, pipe = start(work)
            running[pipe] = name, process, time.monotonic() + limit
        multiprocessing.connection.wait(running, timeout=0.05)
        for pipe, (name, process, until) in list(running.items()):
            if pipe.poll() or time.monotonic() >= until:
                done[name] = finish(process, pipe, 0.0)
                if done[name].end == "hang":
                    done[name].seconds = jobs[name][1]
                del running[pipe]
                print(f"  {name[0]} {name[1]}: {done[name].end} {done[name].what}", flush=True)
    return done


def preload(place: Place, doubtful: Place, output: Path) -> tuple[float, float]:
    """Import here what one honest audit imports on its way, and one of a ``doubtful`` server, which
    tests what it finds.

    Otherwise every process would load it anew, and its memory would be taken for the fault's.
    Nothing else of that audit, which runs in a process of its own, comes back.

    Returns:
        MiB that an honest audit adds to the peak of its process: with these imports, and without.
    """

    def work(asked: Place, folder: Path) -> Outcome:
        done = tool(asked, folder)
        done.facts["modules"] = sorted(sys.modules)
        return done

    done = watched(lambda: work(place, output), 60.0)
    assert done.end == "complete", done
    found = watched(lambda: work(doubtful, output.with_name(f"{output.name}-3")), 60.0)
    assert found.end == "inconclusive", found
    for name in (*done.facts["modules"], *found.facts["modules"]):
        if name not in sys.modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    again = watched(lambda: tool(place, output.with_name(f"{output.name}-2")), 60.0)
    return done.rss_mib, again.rss_mib


def release(base: str, run: str) -> None:
    """Let the server answer what it holds of ``run``."""
    urllib.request.urlopen(f"{base}/release/{run}", timeout=20).close()  # noqa: S310 - loopback


def ledger(base: str, run: str) -> dict[str, Any]:
    """What the server says that ``run`` asked."""
    with urllib.request.urlopen(f"{base}/ledger/{run}", timeout=20) as reply:  # noqa: S310 - loopback
        found: dict[str, Any] = json.load(reply)
    return found


class Shim:
    """The failing file system, where it could be built and is loaded."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self.there = hasattr(self._library, "shim_calls")

    def watch(
        self, folder: Path, fail_at: int = -1, errno: int = 28, *, sticky: bool = False
    ) -> None:
        """Count calls below ``folder`` from now on, and let call ``fail_at`` fail."""
        library = self._library
        path = (ctypes.c_char * 4096).in_dll(library, "shim_folder")
        path.value = str(folder).encode()
        ctypes.c_long.in_dll(library, "shim_calls").value = 0
        ctypes.c_long.in_dll(library, "shim_fail_at").value = fail_at
        ctypes.c_int.in_dll(library, "shim_errno").value = errno
        ctypes.c_int.in_dll(library, "shim_sticky").value = int(sticky)

    @property
    def calls(self) -> int:
        """Calls counted so far."""
        return int(ctypes.c_long.in_dll(self._library, "shim_calls").value)
