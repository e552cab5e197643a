"""Trials beside the search label by label: what is drawn, how a patch fades, what is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adapters.contract import InputSpec
from auditor.probes.trigger_search.patches import Patch
from examples.benchmarks.label_search.trial_draws import (
    NATURAL,
    TRIED,
    TWO,
    Samples,
    ask_kind,
    gathered,
)
from examples.benchmarks.label_search.trial_opacity import Faded
from examples.benchmarks.label_search.trial_tables import accused, beyond, tables

SHAPE = (3, 64, 64)
SPEC = InputSpec(SHAPE, (0.0,) * 3, (1.0,) * 3)


def _samples() -> Samples:
    pixels = np.random.default_rng(0).integers(90, 160, (8, *SHAPE)).astype(np.uint8)
    return Samples(pixels, np.arange(8) % 4, SPEC)


def _all_two(batch: Any) -> Any:
    return np.full(len(batch), 2)


@pytest.mark.parametrize("kind", TRIED)
def test_every_kind_changes_a_sample_and_leaves_the_set_alone(kind: str) -> None:
    samples = _samples()
    before, rng = samples.pixels.copy(), np.random.default_rng(3)
    changed = TRIED[kind](samples, 5, rng)
    assert changed.image.shape == SHAPE
    assert changed.image.dtype == np.uint8
    assert (changed.image != before[5]).any()
    assert (samples.pixels == before).all()
    assert bool(changed.patches) == (kind in NATURAL)


def test_two_patterns_are_each_half_as_strong_as_one() -> None:
    samples = _samples()
    levels = {
        kind: np.abs(
            TRIED[kind](samples, 1, np.random.default_rng(1)).image.astype(float)
            - samples.pixels[1]
        ).mean()
        for kind in ("noise", "weak", *TWO[2:])
    }
    assert levels["noise"] == pytest.approx(10, abs=0.5)
    assert levels["weak"] == pytest.approx(5, abs=0.5)
    assert all(5 < levels[kind] < 10 for kind in TWO[2:])


def test_pictures_that_had_the_label_do_not_count() -> None:
    samples = _samples()
    asked = ask_kind("crop", samples, _all_two, 40, np.random.default_rng(0))
    assert all(len(patches) == 1 for patches in asked.patches)
    counted = gathered(asked, samples, 4)
    assert counted[2] == [int((asked.images % 4 != 2).sum())] * 2
    assert [hits for _, hits in counted] == [0, 0, counted[2][1], 0]


def test_a_faded_patch_is_mixed_into_the_picture() -> None:
    pixels = np.full((1, *SHAPE), 100, np.uint8)
    patch = Patch(np.full((3, 4, 4), 200, np.uint8), ((10, 20),))
    half = Faded(patch, 0.5).apply(pixels)
    assert (half[0, :, 10:14, 20:24] == 150).all()
    assert int((half != pixels).sum()) == 3 * 16
    assert (Faded(patch, 1.0).apply(pixels) == patch.apply(pixels)).all()


def _row(name: str, attack: str, hits: int, opacity: float | None) -> dict[str, Any]:
    counts = [[100, hits if label == 1 else 2] for label in range(5)]
    patch = {
        "from": "small-patch4", "label": 1, "cells": 4.0, "shares": [1.0],
        "least_opacity": opacity, "least_cells": None if opacity is None else 2.0,
        "least_opacity_of_smallest": 1.0,
    }  # fmt: skip
    return {
        "name": name, "attack": attack, "target": 1, "thorough": "missed", "asked_seed": 0,
        "draws": dict.fromkeys(TRIED, counts), "patches": [patch],
    }  # fmt: skip


def test_found_is_what_lies_beyond_every_clean_model_at_the_target() -> None:
    rows = [
        _row("a", "clean", 9, None), _row("b", "clean", 12, 0.9), _row("c", "sticker", 60, 0.5),
        _row("d", "sticker", 11, None), _row("e", "clean", 10, None),
    ]  # fmt: skip
    assert beyond(rows, "shapes") == {"c"}
    assert [accused(row, "shapes", [rows[0], rows[1], rows[4]]) for row in rows[:4:3]] == [
        False
    ] * 2
    page = tables(rows)
    line = next(line for line in page if line.startswith("| shapes |"))
    assert "1 of 2" in line
    faint = next(line for line in page if "| least opacity |" in line)
    assert "| 1 of 3 | 0.90 | 1 of 2 | 1 | 1 of 2 |" in faint
