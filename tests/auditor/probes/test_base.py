"""Digests of inputs."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.probes.base import array_digest, digest_of
from auditor.probes.plane import PlaneProbe
from auditor.probes.samples import SampleProbe

SAMPLES = np.random.default_rng(5).random((4, 1, 3, 3)).astype(np.float32)
SOURCES = (SampleProbe(SAMPLES), PlaneProbe(SAMPLES[:3], 5.0, 3), PlaneProbe(SAMPLES[1:], 5.0, 3))
TOTAL = 9 + 9


@pytest.mark.parametrize(
    ("one", "two"),
    [(("ab", "c"), ("a", "bc")), (("a",), ("a", "")), ((b"1", "2"), ("12",))],
)
def test_a_digest_frames_its_parts(
    one: tuple[str | bytes, ...], two: tuple[str | bytes, ...]
) -> None:
    assert digest_of(*one) != digest_of(*two)


def test_an_array_digest_knows_the_shape() -> None:
    assert array_digest(SAMPLES[0]) != array_digest(SAMPLES[0].reshape(3, 1, 3))
    assert array_digest(SAMPLES[0]) == array_digest(np.asfortranarray(SAMPLES[0]))
