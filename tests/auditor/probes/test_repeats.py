"""The probe that asks inputs again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from auditor.probes.plane import PlaneProbe
from auditor.probes.repeats import pick_repeats
from auditor.probes.samples import SampleProbe

SAMPLES = np.random.default_rng(5).random((4, 1, 3, 3)).astype(np.float32)
SOURCES = (SampleProbe(SAMPLES), PlaneProbe(SAMPLES[:3], 5.0, 3), PlaneProbe(SAMPLES[1:], 5.0, 3))
TOTAL = 9 + 9


def draw(count: int, more: int = 0, seed: int = 1, sources: Any = SOURCES) -> Any:
    return pick_repeats(sources, count, more, np.random.default_rng(seed))


def test_repeats_repeat_inputs_of_their_sources() -> None:
    probe, _ = draw(10)
    assert (probe.kind, probe.size, probe.repeat) == ("canary", 10, True)
    asked = probe.inputs(np.arange(10))
    for (source, item), again in zip(probe.picks, asked, strict=True):
        first = SOURCES[source].inputs(np.array([item]))[0]
        assert again.tobytes() == first.tobytes()
    assert probe.inputs(np.array([7, 3])).tobytes() == asked[[7, 3]].tobytes()


def test_repeats_and_extra_repeats_ask_no_input_twice_and_no_sample() -> None:
    repeats, extra = draw(8, 10)
    assert (repeats.size, extra.size, extra.kind) == (8, 10, "second look")
    picks = np.concatenate([repeats.picks, extra.picks])
    assert len({(int(source), int(item)) for source, item in picks}) == TOTAL
    assert [int((picks[:, 0] == source).sum()) for source in range(3)] == [0, 9, 9]


@pytest.mark.parametrize("count", [12, 10_000])
def test_more_repeats_than_inputs_are_all_inputs(count: int) -> None:
    repeats, extra = draw(count, 10_000)
    assert (repeats.size, extra.size) == (min(count, TOTAL), max(0, TOTAL - count))
    assert extra.inputs(np.arange(0)).shape == (0, 1, 3, 3)


def test_repeats_come_from_everywhere_alike() -> None:
    counts = np.zeros(TOTAL)
    for seed in range(400):
        for source, item in draw(5, 5, seed)[0].picks:
            counts[9 * (source - 1) + item] += 1
    # 400 draws of 5 in 18: 111.1 expected each, deviation 9.
    assert counts.sum() == 2000
    assert np.abs(counts - 2000 / TOTAL).max() < 5 * 9


def test_repeat_digests_follow_sources_picks_and_kind() -> None:
    one, extra = draw(5, 5)
    assert one.digest == draw(5, 5)[0].digest != extra.digest
    assert one.digest != draw(5, 5, seed=2)[0].digest
    other = (SOURCES[0], PlaneProbe(SAMPLES[:3] + np.float32(1.0), 5.0, 3), SOURCES[2])
    assert one.digest != draw(5, 5, sources=other)[0].digest
