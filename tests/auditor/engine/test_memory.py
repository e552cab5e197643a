"""Memory: one request's worth of inputs per worker, and little per label."""

from __future__ import annotations

import gc
import random
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.errors import AdapterError, InputRejected, RetryAdvice, ServerFailed
from auditor.engine import requests
from auditor.engine import run as engine_run


class CountedProbe:
    """Wraps a probe and counts the batches of inputs that are alive."""

    def __init__(self, probe: Any) -> None:
        self._probe = probe
        self.alive = self.peak = self.built = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._probe, name)

    def inputs(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        batch: NDArray[np.float32] = self._probe.inputs(indices)
        self.alive += 1
        self.built += 1
        self.peak = max(self.peak, self.alive)
        weakref.finalize(batch, self._dead)
        return batch

    def _dead(self) -> None:
        self.alive -= 1


@pytest.fixture
def no_gc() -> Any:
    """Without the garbage collector: what only it could free counts as alive."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def troubled(seed: int) -> Any:
    rng = random.Random(seed)

    async def script(oracle: Any, batch: NDArray[np.float32]) -> None:
        await oracle.clock.sleep(rng.random())
        error: AdapterError | None = None
        if len(batch) > 6:
            error = InputRejected("too many", RetryAdvice("too-large"))
        elif rng.random() < 0.1:
            error = ServerFailed("hiccup", RetryAdvice("transient"))
        if error is not None:
            # Raised from a name: error, traceback and frame refer to each other in a ring.
            raise error

    return script


@pytest.mark.usefixtures("no_gc")
@pytest.mark.parametrize("built", ["inline", "in a thread"])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_worker_holds_more_than_one_request(
    lab: Any, built: str, concurrency: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "TOGETHER_BYTES", 0)  # as if an input took more than it allows
    if built == "in a thread":
        monkeypatch.setattr(engine_run, "INLINE_BYTES", 0)
    probe = CountedProbe(lab.Probe(tuple(float(i) for i in range(600))))
    oracle = lab.Oracle(troubled(1), max_batch=12, clock=lab.FakeClock())
    assert lab.run([probe], oracle, concurrency=concurrency).complete
    assert oracle.queries > 620
    assert probe.built > 80
    assert probe.peak <= concurrency
    assert probe.alive == 0


def test_small_inputs_are_built_many_at_a_time(lab: Any) -> None:
    probe = CountedProbe(lab.Probe(tuple(float(i) for i in range(300))))
    oracle = lab.Oracle(max_batch=3)
    assert lab.run([probe], oracle).complete
    assert oracle.queries == 300
    assert probe.built <= 10


@pytest.mark.usefixtures("no_gc")
def test_a_resume_holds_one_batch_of_known_inputs(lab: Any) -> None:
    values = tuple(float(i) for i in range(500))
    lab.run([lab.Probe(values)], lab.Oracle(), max_queries=300)
    probe = CountedProbe(lab.Probe(values))
    assert lab.run([probe], lab.Oracle(), concurrency=2).complete
    assert probe.peak <= 2
    assert probe.alive == 0


LARGE = """
import asyncio, re, sys
from pathlib import Path
import numpy as np
from adapters.contract import InputSpec
from adapters.synthetic import SyntheticOracle
from auditor.engine.progress import Progress
from auditor.engine.contract import EngineLimits
from auditor.engine.engine import QueryEngine
from auditor.engine.store import LabelStore
from auditor.probes.plane import PlaneProbe

def rss():
    # Not getrusage, whose peak includes that of the process this one was started from.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

async def main():
    spec = InputSpec((1, 4, 4), (0.0,), (1.0,))
    oracle = SyntheticOracle(lambda b: (b[:, 0, 0, 0] > 0.5).astype(int), spec, ["a", "b"])
    samples = np.random.default_rng(0).random((10, 3, 1, 4, 4)).astype(np.float32)
    probes = [PlaneProbe(three, 5.0, int(sys.argv[2])) for three in samples]
    marks = []

    class Watch(Progress):
        labels = 0

        def advance(self, labels, *, live):
            self.labels += labels
            if self.labels >= 100_000 and not marks:
                marks.append(rss())

    store = LabelStore(Path(sys.argv[1]))
    engine = QueryEngine(oracle, store, EngineLimits(), Watch())
    result = await engine.run(probes, "audit")
    assert result.complete
    store.close()
    print(rss(), rss() - marks[0])

asyncio.run(main())
"""


def test_a_million_labels_cost_250_mib_and_hardly_more_than_a_hundred_thousand(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(tmp_path / "labels.sqlite3"), "317"],
        check=True,
        capture_output=True,
        text=True,
    )
    total, growth = map(float, done.stdout.split())
    assert total <= 250
    assert growth <= 10
