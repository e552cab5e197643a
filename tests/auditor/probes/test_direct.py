"""Probes that ask plain inputs."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.probes.base import array_digest, digest_of
from auditor.probes.direct import SampleProbe, pick_canaries
from auditor.probes.plane import PlaneProbe

SAMPLES = np.random.default_rng(5).random((4, 1, 3, 3)).astype(np.float32)
SOURCES = (SampleProbe(SAMPLES), PlaneProbe(SAMPLES[:3], 5.0, 3), PlaneProbe(SAMPLES[1:], 5.0, 3))
TOTAL = 4 + 9 + 9


def test_a_sample_probe_asks_the_samples_themselves() -> None:
    probe = SampleProbe(SAMPLES)
    assert (probe.kind, probe.size, probe.repeat) == ("samples", 4, False)
    assert probe.inputs(np.array([2, 0])).tobytes() == SAMPLES[[2, 0]].tobytes()


def test_canaries_repeat_inputs_of_their_sources() -> None:
    probe = pick_canaries(SOURCES, 10, np.random.default_rng(1))
    assert (probe.kind, probe.size, probe.repeat) == ("canary", 10, True)
    asked = probe.inputs(np.arange(10))
    for (source, item), again in zip(probe.picks, asked, strict=True):
        first = SOURCES[source].inputs(np.array([item]))[0]
        assert again.tobytes() == first.tobytes()
    assert probe.inputs(np.array([7, 3])).tobytes() == asked[[7, 3]].tobytes()


def test_canaries_never_ask_one_input_twice() -> None:
    picks = pick_canaries(SOURCES, TOTAL, np.random.default_rng(1)).picks
    assert len({(int(source), int(item)) for source, item in picks}) == TOTAL
    assert [int((picks[:, 0] == source).sum()) for source in range(3)] == [4, 9, 9]


def test_more_canaries_than_inputs_are_all_inputs() -> None:
    assert pick_canaries(SOURCES, 10_000, np.random.default_rng(1)).size == TOTAL


def test_canaries_come_from_everywhere_alike() -> None:
    counts = np.zeros(TOTAL)
    starts = (0, 4, 13)
    for seed in range(400):
        for source, item in pick_canaries(SOURCES, 5, np.random.default_rng(seed)).picks:
            counts[starts[source] + item] += 1
    # 400 draws of 5 in 22: 90.9 expected each, deviation 8.4.
    assert counts.sum() == 2000
    assert np.abs(counts - 2000 / TOTAL).max() < 5 * 8.4


def test_canary_digests_follow_sources_and_picks() -> None:
    one = pick_canaries(SOURCES, 5, np.random.default_rng(1))
    assert one.digest == pick_canaries(SOURCES, 5, np.random.default_rng(1)).digest
    assert one.digest != pick_canaries(SOURCES, 5, np.random.default_rng(2)).digest
    other = (SampleProbe(SAMPLES + np.float32(1.0)), *SOURCES[1:])
    assert one.digest != pick_canaries(other, 5, np.random.default_rng(1)).digest


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
