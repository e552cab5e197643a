"""Audits for measurements of cost: samples, questions and what the two processes spend."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from adapters.contract import LabelOracle
from auditor.engine.contract import EngineLimits
from auditor.evidence.recorder import Recorder
from auditor.evidence.records import plan_record
from auditor.labels.answers import Answers
from auditor.samples.samples import Samples
from auditor.workflows.ask import ask, stop_rules
from auditor.workflows.prepare import Prepared


def made_samples(side: int, classes: int, each: int, channels: int = 3) -> Samples:
    """Smooth random pictures, ``each`` of so many classes; the same each time."""
    rng = np.random.default_rng(0)
    count = classes * each
    coarse = rng.random((count, channels, 8, 8), dtype=np.float32)
    zoom = -(-side // 8)
    pixels = np.kron(coarse, np.ones((1, 1, zoom, zoom), np.float32))[:, :, :side, :side]
    noisy = 0.8 * pixels + 0.2 * rng.random(pixels.shape, dtype=np.float32)
    names = tuple(str(number) for number in range(classes))
    return Samples(
        tuple(range(count)),
        tuple(names[number % classes] for number in range(count)),
        np.rint(noisy * 255).astype(np.uint8),
        names,
        stated_order=True,
        digest="0",
    )


async def asked(
    oracle: LabelOracle, ready: Prepared, folder: Path, limits: EngineLimits, *, early: bool = False
) -> Answers:
    """Everything that an audit asks, with label store and evidence log, as an audit does it."""
    record = Recorder(folder)
    fixed = plan_record(oracle, ready, None)
    rules = stop_rules(oracle, ready, None, oracle.label_space.size) if early else None
    try:
        return await ask(
            oracle,
            ready,
            folder,
            limits,
            observer=lambda: record.start(fixed, oracle.input_spec),
            rules=rules,
        )
    finally:
        record.close()


class Clocks:
    """Seconds, and processor seconds of this process and of the one that runs ``oracle``'s model,
    since it was made.
    """

    def __init__(self, oracle: Any) -> None:
        process = getattr(oracle, "_process", None)
        self._clock = None if process is None else (~process.pid << 3) | 2
        self._began = self._now()

    def _now(self) -> tuple[float, float, float]:
        child = 0.0 if self._clock is None else time.clock_gettime(self._clock)
        return time.perf_counter(), time.process_time(), child

    def read(self) -> tuple[float, float, float]:
        """Wall time, this process, the model's process."""
        wall, own, child = (b - a for a, b in zip(self._began, self._now(), strict=True))
        return wall, own, child
