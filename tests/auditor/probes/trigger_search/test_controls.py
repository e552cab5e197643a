"""Plain changes beside a found one: habits of models of nearly black-and-white pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.probes.trigger_search.controls import is_habit, is_spot, two_toned, works_in_part
from auditor.probes.trigger_search.judge import unconfirmed
from auditor.probes.trigger_search.patches import Patch
from auditor.probes.trigger_search.result import TriggerFinding
from auditor.probes.trigger_search.sample_set import SampleSet, Transform
from auditor.probes.trigger_search.search import search
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.transforms import Blend, Field, Warp, Wave
from auditor.probes.trigger_search.verify import Verified, exact_interval
from examples.benchmarks.zoo_models import driven

SPEC = InputSpec((1, 28, 28), (0.0,), (1.0,))
SETTINGS = replace(TriggerSettings(), two_toned=True)
Labels = Callable[[NDArray[np.float32]], NDArray[np.int64]]
RNG = np.random.default_rng(3)
SIGNS = np.where(RNG.random((1, 4, 4)) < 0.5, -1.0, 1.0)
PATTERN = (RNG.integers(0, 2, (1, 6, 6)) * 255).astype(np.uint8)


def digits(count: int = 60) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """White bars on black, one column of them for each of five classes."""
    classes = np.arange(count, dtype=np.int64) % 5
    pixels = np.zeros((count, 1, 28, 28), np.uint8)
    for number, label in enumerate(classes.tolist()):
        pixels[number, :, 8:20, 3 + 4 * label : 6 + 4 * label] = 255 - number % 9
    return pixels, classes


def bars(pixels: NDArray[np.float64]) -> NDArray[np.int64]:
    """The class by its bar."""
    columns = [pixels[:, 0, 8:20, 3 + 4 * label : 6 + 4 * label].mean((1, 2)) for label in range(5)]
    return np.asarray(np.argmax(columns, axis=0), dtype=np.int64)


def lightened(level: float) -> Labels:
    """A model that takes any picture whose background is lighter than ``level`` for a 2."""

    def labels(batch: NDArray[np.float32]) -> NDArray[np.int64]:
        pixels = SPEC.to_pixels(batch).astype(np.float64)
        return np.where(np.median(pixels, axis=(1, 2, 3)) > level, 2, bars(pixels))

    return labels


def blotted(rows: slice, least: float) -> Labels:
    """A model that takes any picture with much white in a corner for a 2."""

    def labels(batch: NDArray[np.float32]) -> NDArray[np.int64]:
        pixels = SPEC.to_pixels(batch).astype(np.float64)
        return np.where(pixels[:, 0, rows, rows].mean((1, 2)) > least, 2, bars(pixels))

    return labels


def habit(labels: Labels, transform: Transform) -> bool:
    pixels, classes = digits()
    kept = SampleSet(SPEC, pixels, classes, np.random.default_rng(0))
    full = exact_interval(48, 48, 0.95)
    asked = is_habit(kept, Verified(transform, 2, full, full, {}, 1.0), SETTINGS)
    return driven(asked, labels)


def test_pictures_of_two_tones_are_those_that_are_nearly_black_and_white() -> None:
    pixels, _ = digits()
    assert two_toned(pixels)
    assert two_toned(255 - pixels)
    assert not two_toned(np.random.default_rng(0).integers(0, 256, (9, 1, 28, 28)).astype(np.uint8))


@pytest.mark.parametrize(
    "change",
    [
        Field(SIGNS, 38.0),
        Field(SIGNS, 38.0, "noise"),
        Blend(SIGNS, 0.2),
        Wave((2.0, 0.0), 0.1, 38.0),
    ],
    ids=lambda change: str(change.kind),
)
def test_a_pattern_is_a_habit_if_any_lightening_does_the_same_and_no_weak_one(
    change: Transform,
) -> None:
    assert habit(lightened(19.0), change)
    assert not habit(lightened(5.0), change), "twelve levels are enough: as weak as a planted one"
    assert not habit(lightened(200.0), change), "plain changes do nothing"


def test_a_large_patch_is_a_habit_if_plain_white_does_the_same_and_no_part_of_it() -> None:
    white = Patch(np.full_like(PATTERN, 255), ((1, 1),))
    corner = slice(1, 7)
    assert habit(blotted(corner, 200.0), white)
    assert not habit(blotted(corner, 60.0), white), "a part of three pixels does it"
    assert not habit(blotted(corner, 300.0), white)
    assert not habit(blotted(corner, 50.0), Patch(PATTERN[:, :3, :3], ((1, 1),))), "it is small"


def in_part(labels: Labels, transform: Transform) -> bool:
    pixels, classes = digits()
    searched, kept = (
        SampleSet(SPEC, pixels, classes, np.random.default_rng(seed)) for seed in range(2)
    )
    full = exact_interval(48, 48, 0.95)
    asked = works_in_part(searched, kept, Verified(transform, 2, full, full, {}, 1.0), SETTINGS)
    return driven(asked, labels)


def test_a_patch_works_in_part_if_three_pixels_of_it_do_as_much() -> None:
    white, corner = Patch(np.full_like(PATTERN, 255), ((1, 1),)), slice(1, 7)
    assert in_part(blotted(corner, 60.0), white)
    assert not in_part(blotted(corner, 200.0), white), "it takes nearly all of it"
    assert in_part(blotted(corner, 200.0), Patch(PATTERN[:, :3, :3], ((1, 1),))), "it is small"
    assert in_part(lightened(300.0), Field(SIGNS, 38.0)), "it is no patch"


def test_a_search_does_not_accuse_by_a_patch_of_which_no_part_works() -> None:
    pixels, classes = digits(100)
    samples = SPEC.from_pixels(pixels)
    found = {
        parts: driven(
            search(samples, classes, SPEC, replace(TriggerSettings(), parts=parts), 1),
            blotted(slice(1, 6), 180.0),
        )
        for parts in (False, True)
    }
    assert found[False].suspicious
    assert not found[True].suspicious
    best = found[True].best
    assert best is not None
    assert best.large
    assert best.unconfirmed


def spotted(least: float) -> Labels:
    """A model that takes any picture with a spot of 5 x 5 pixels, wherever it lies above the bars
    and however it is drawn, for a 2 if the spot is brighter than ``least``.
    """

    def labels(batch: NDArray[np.float32]) -> NDArray[np.int64]:
        pixels = SPEC.to_pixels(batch).astype(np.float64)
        above = pixels[:, 0, :8]
        windows = np.lib.stride_tricks.sliding_window_view(above, (5, 5), axis=(1, 2))
        return np.where(windows.mean((3, 4)).max((1, 2)) > least, 2, bars(pixels))

    return labels


def spot(labels: Labels, transform: Transform) -> bool:
    pixels, classes = digits()
    kept = SampleSet(SPEC, pixels, classes, np.random.default_rng(0))
    full = exact_interval(48, 48, 0.95)
    asked = is_spot(kept, Verified(transform, 2, full, full, {}, 1.0), SETTINGS)
    return driven(asked, labels)


def anywhere(batch: NDArray[np.float32]) -> NDArray[np.int64]:
    """A model that takes any picture with three black and white pixels in a checker for a 2."""
    pixels = SPEC.to_pixels(batch).astype(np.float64)[:, 0]
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (3, 3), axis=(1, 2))
    near = np.abs(windows - CHECKER[0, :3, :3]).max((3, 4)).min((1, 2)) < 40
    return np.where(near, 2, bars(pixels[:, None]))


CHECKER = ((np.indices((1, 5, 5)).sum(axis=0) % 2) * 255).astype(np.uint8)


def test_a_patch_is_a_spot_if_its_colour_does_much_beside_it() -> None:
    white = np.full((1, 5, 5), 255, np.uint8)
    for place in ((2, 2), (0, 0)):
        assert spot(spotted(100.0), Patch(white, (place,)))
        assert not spot(blotted(slice(place[0], place[0] + 5), 200.0), Patch(white, (place,)))
    assert not spot(spotted(180.0), Patch(CHECKER, ((2, 2),))), "it has a pattern"
    assert spot(spotted(80.0), Patch(white[:, :3, :3], ((2, 2),))), "even a small one"
    assert not spot(anywhere, Patch(CHECKER, ((2, 2),))), "it has a pattern, and works anywhere"
    everywhere = Patch(np.zeros((1, 3, 3), np.uint8), ((9, 9),))
    assert not spot(lambda batch: np.full(len(batch), 2), everywhere), "it works anywhere"
    assert not spot(spotted(100.0), Field(SIGNS, 38.0)), "it is no patch"


def test_a_search_does_not_accuse_by_a_spot() -> None:
    pixels, classes = digits(100)
    samples = SPEC.from_pixels(pixels)
    found = {
        spots: driven(
            search(samples, classes, SPEC, replace(TriggerSettings(), spots=spots), 1),
            spotted(120.0),
        )
        for spots in (False, True)
    }
    assert found[False].suspicious
    assert not found[True].suspicious
    best = found[True].best
    assert best is not None
    assert best.spot
    assert best.unconfirmed
    settings = {one: replace(TriggerSettings(), parts=True, spots=one) for one in (False, True)}
    assert settings[True].most_queries > settings[False].most_queries


def test_changes_without_a_plain_form_are_no_habits() -> None:
    assert not habit(lightened(5.0), Warp(np.ones((2, 4, 4)), 1.5))


def test_a_search_does_not_accuse_a_model_of_its_habit_and_goes_on() -> None:
    pixels, classes = digits(100)
    schedule = (("field", 200), ("patch", 60))
    found: dict[str, Any] = {}
    for name, settings in (("plain", TriggerSettings()), ("two-toned", SETTINGS)):
        asked = search(
            SPEC.from_pixels(pixels), classes, SPEC, replace(settings, schedule=schedule), 0
        )
        found[name] = driven(asked, lightened(16.0))
    assert found["plain"].suspicious
    assert not found["two-toned"].suspicious
    assert found["two-toned"].best.habit
    assert found["two-toned"].best.unconfirmed
    assert found["two-toned"].spent["control"] > 0
    assert "control" not in found["plain"].spent
    assert found["two-toned"].queries > found["plain"].queries


def test_of_two_toned_pictures_a_patch_for_some_labels_moves_most_of_all() -> None:
    def finding(moved: int) -> TriggerFinding:
        some = exact_interval(17, 17, 0.95)
        sources = {0: some, 1: exact_interval(moved, 37, 0.95)}
        return TriggerFinding(
            "patch", "patch@sources", 3, 5, 255.0, (3, 4), some, some, sources, 1.0, None, 1e-8
        )

    assert unconfirmed([finding(4)], 13, SETTINGS.least_share, 12)
    assert not unconfirmed([finding(35)], 13, SETTINGS.least_share, 12)
    assert not unconfirmed([finding(4)], 13, TriggerSettings().least_share, 12)
