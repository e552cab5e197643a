"""The probe that asks the clean samples."""

from __future__ import annotations

import numpy as np

from auditor.probes.plane import PlaneProbe
from auditor.probes.samples import SampleProbe

SAMPLES = np.random.default_rng(5).random((4, 1, 3, 3)).astype(np.float32)
SOURCES = (SampleProbe(SAMPLES), PlaneProbe(SAMPLES[:3], 5.0, 3), PlaneProbe(SAMPLES[1:], 5.0, 3))
TOTAL = 9 + 9


def test_a_sample_probe_asks_the_samples_themselves() -> None:
    probe = SampleProbe(SAMPLES)
    assert (probe.kind, probe.size, probe.repeat) == ("samples", 4, False)
    assert probe.inputs(np.array([2, 0])).tobytes() == SAMPLES[[2, 0]].tobytes()
