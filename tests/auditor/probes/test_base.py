"""Digests of inputs."""

from __future__ import annotations

import numpy as np
import pytest

from adapters.contract import InputSpec
from auditor.probes import base
from auditor.probes.base import Pictures, array_digest, digest_of
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


@pytest.mark.parametrize("low", [0.0, -2.0])
def test_pictures_are_the_inputs_that_they_widen_to(
    low: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = InputSpec((3, 2, 2), (low,) * 3, (1.0,) * 3)
    pixels = np.random.default_rng(6).integers(0, 256, (7, 3, 2, 2)).astype(np.uint8)
    pictures, inputs = Pictures(spec, pixels), spec.from_pixels(pixels)
    few = np.array([5, 0])
    assert (len(pictures), pictures.shape) == (7, inputs.shape)
    assert pictures[2:4].tobytes() == inputs[2:4].tobytes()
    assert pictures[few].tobytes() == inputs[few].tobytes()
    # Labels that were paid for are kept under this form.
    held = digest_of(str(inputs.shape), inputs.tobytes())
    for block in (1, 100, 1 << 20):
        monkeypatch.setattr(base, "BLOCK_BYTES", block)
        assert array_digest(pictures) == array_digest(inputs) == held
