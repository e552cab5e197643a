"""Probes that ask plain inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from auditor.probes.base import array_digest, digest_of
from auditor.probes.plane import PlaneProbe
from auditor.probes.samples import SampleProbe, pick_canaries

SAMPLES = np.random.default_rng(5).random((4, 1, 3, 3)).astype(np.float32)
SOURCES = (SampleProbe(SAMPLES), PlaneProbe(SAMPLES[:3], 5.0, 3), PlaneProbe(SAMPLES[1:], 5.0, 3))
TOTAL = 9 + 9


def test_a_sample_probe_asks_the_samples_themselves() -> None:
    probe = SampleProbe(SAMPLES)
    assert (probe.kind, probe.size, probe.repeat) == ("samples", 4, False)
    assert probe.inputs(np.array([2, 0])).tobytes() == SAMPLES[[2, 0]].tobytes()


def draw(count: int, more: int = 0, seed: int = 1, sources: Any = SOURCES) -> Any:
    return pick_canaries(sources, count, more, np.random.default_rng(seed))


def test_canaries_repeat_inputs_of_their_sources() -> None:
    probe, _ = draw(10)
    assert (probe.kind, probe.size, probe.repeat) == ("canary", 10, True)
    asked = probe.inputs(np.arange(10))
    for (source, item), again in zip(probe.picks, asked, strict=True):
        first = SOURCES[source].inputs(np.array([item]))[0]
        assert again.tobytes() == first.tobytes()
    assert probe.inputs(np.array([7, 3])).tobytes() == asked[[7, 3]].tobytes()


def test_canaries_and_second_looks_ask_no_input_twice_and_no_sample() -> None:
    canaries, looks = draw(8, 10)
    assert (canaries.size, looks.size, looks.kind) == (8, 10, "second look")
    picks = np.concatenate([canaries.picks, looks.picks])
    assert len({(int(source), int(item)) for source, item in picks}) == TOTAL
    assert [int((picks[:, 0] == source).sum()) for source in range(3)] == [0, 9, 9]


@pytest.mark.parametrize("count", [12, 10_000])
def test_more_canaries_than_inputs_are_all_inputs(count: int) -> None:
    canaries, looks = draw(count, 10_000)
    assert (canaries.size, looks.size) == (min(count, TOTAL), max(0, TOTAL - count))
    assert looks.inputs(np.arange(0)).shape == (0, 1, 3, 3)


def test_canaries_come_from_everywhere_alike() -> None:
    counts = np.zeros(TOTAL)
    for seed in range(400):
        for source, item in draw(5, 5, seed)[0].picks:
            counts[9 * (source - 1) + item] += 1
    # 400 draws of 5 in 18: 111.1 expected each, deviation 9.
    assert counts.sum() == 2000
    assert np.abs(counts - 2000 / TOTAL).max() < 5 * 9


def test_canary_digests_follow_sources_picks_and_kind() -> None:
    one, looks = draw(5, 5)
    assert one.digest == draw(5, 5)[0].digest != looks.digest
    assert one.digest != draw(5, 5, seed=2)[0].digest
    other = (SOURCES[0], PlaneProbe(SAMPLES[:3] + np.float32(1.0), 5.0, 3), SOURCES[2])
    assert one.digest != draw(5, 5, sources=other)[0].digest


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
