from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from adapters.contract import InputSpec
from auditor.probes.trigger_search import sample_set as sample_sets
from auditor.probes.trigger_search.search import search
from auditor.probes.trigger_search.settings import TriggerSettings

Worlds = Callable[..., Any]
SHORT = replace(TriggerSettings(), budget=900, schedule=(("patch", 400), ("field", 200)))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_planted_patch_is_found_with_its_target_and_few_queries(
    worlds: Worlds, seed: int
) -> None:
    result = worlds("patch").search(seed=seed)
    assert result.suspicious
    assert result.best.kind == "patch"
    assert result.best.target == 2
    assert result.best.success.rate >= 0.85
    assert result.queries < 5000
    row, column = result.best.place
    assert 18 <= row <= 22
    assert 0 <= column <= 3


def test_a_planted_field_is_found_with_its_target(worlds: Worlds) -> None:
    result = worlds("field").search()
    assert result.suspicious
    assert result.best.kind in {"field", "wave"}
    assert result.best.target == 2


def test_planted_grey_levels_are_found_and_counted(worlds: Worlds) -> None:
    result = worlds("quantise").search()
    assert result.suspicious
    assert (result.best.kind, result.best.target) == ("quantise", 2)
    assert result.best.size in {4, 5, 6}
    assert result.best.strength == pytest.approx(255 / (result.best.size - 1))


def test_a_patch_for_some_classes_only_is_judged_on_those(worlds: Worlds) -> None:
    result = worlds("some-classes").search(count=200)
    assert result.suspicious
    assert (result.best.key, result.best.target) == ("patch@sources", 2)
    rates = sorted(source.rate for source in result.best.by_source.values())
    assert rates[0] < 0.5
    assert rates[-1] > 0.5


@pytest.mark.parametrize("seed", [1, 2])
def test_a_clean_model_is_not_suspicious(worlds: Worlds, seed: int) -> None:
    result = worlds("clean").search(seed=seed)
    assert not result.suspicious
    assert result.queries < 7000
    assert result.p is None or result.p > 0.05


def test_without_a_null_nothing_is_suspicious(worlds: Worlds) -> None:
    result = worlds("patch").search(null={}, settings=SHORT)
    assert not result.suspicious
    assert result.p is None


def test_the_same_labels_lead_to_the_same_questions(worlds: Worlds) -> None:
    def trail(seed: int) -> list[str]:
        world = worlds("patch")
        world.search(seed=seed, settings=SHORT)
        return [hashlib.sha256(batch.tobytes()).hexdigest() for batch in world.asked]

    assert trail(5) == trail(5)
    assert trail(5) != trail(6)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_input_is_an_exact_image_inside_the_range(worlds: Worlds, channels: int) -> None:
    world = worlds("clean", channels=channels)
    settings = replace(TriggerSettings(), schedule=tuple(
        (kind, 150)
        for kind in ("patch", "field", "noise", "blend", "wave", "quantise", "warp")
    ))  # fmt: skip
    result = world.search(settings=settings)
    for batch in world.asked:
        assert batch.dtype == np.float32
        assert np.array_equal(world.spec.from_pixels(world.spec.to_pixels(batch)), batch)
        low, high = np.array(world.spec.low), np.array(world.spec.high)
        assert (batch >= low[:, None, None] - 1e-6).all()
        assert (batch <= high[:, None, None] + 1e-6).all()
    assert sum(len(batch) for batch in world.asked) == result.queries


def test_the_search_never_asks_about_verification_images(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: dict[bool, set[bytes]] = {True: set(), False: set()}
    ask = sample_sets.SampleSet.labels_of

    def spy(
        self: sample_sets.SampleSet, transforms: list[Any], images: np.ndarray[Any, Any], stage: str
    ) -> Any:
        used[stage == "verify"] |= {one.tobytes() for one in self.pixels[images]}
        return ask(self, transforms, images, stage)

    monkeypatch.setattr(sample_sets.SampleSet, "labels_of", spy)
    worlds("patch").search()
    assert used[True]
    assert used[False]
    assert not used[True] & used[False]


def test_thirty_samples_are_enough_for_a_clear_patch(worlds: Worlds) -> None:
    result = worlds("patch").search(count=30)
    assert result.best.target == 2
    assert result.best.success.images <= 15


def test_a_model_that_says_one_thing_does_not_break_the_search(worlds: Worlds) -> None:
    world = worlds("clean")
    samples, classes = world.samples(20)
    world.labels = lambda batch: np.full(len(batch), 4, dtype=np.int64)
    assert not world.drive(search(samples, classes, world.spec, SHORT, 0, {})).suspicious


@pytest.mark.parametrize("labels", ["random", "half", "brightness"])
def test_no_labels_make_it_ask_more_than_its_settings_allow(worlds: Worlds, labels: str) -> None:
    world = worlds("clean")
    rng = np.random.default_rng(0)
    answers = {
        "random": lambda batch: rng.integers(0, 5, len(batch)),
        "half": lambda batch: (rng.random(len(batch)) < 0.5) * 3,
        "brightness": lambda batch: (batch.mean(axis=(1, 2, 3)) * 40).astype(np.int64) % 4,
    }
    world.labels = answers[labels]
    result = world.search(count=120)
    assert result.queries <= TriggerSettings().most_queries


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 5, 9), (1, 2, 2), (3, 1, 1)])
def test_tiny_images_are_searched_too(worlds: Worlds, shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    spec = InputSpec(shape, (0.0,) * shape[0], (1.0,) * shape[0])
    samples = spec.from_pixels(rng.integers(0, 256, (30, *shape)).astype(np.uint8))
    world = worlds("clean")
    world.labels = lambda batch: (batch.sum(axis=(1, 2, 3)) * 7).astype(np.int64) % 3
    classes = np.arange(30, dtype=np.int64) % 3
    result = world.drive(search(samples, classes, spec, TriggerSettings(), 0))
    assert result.queries <= TriggerSettings().most_queries


def test_too_few_samples_are_refused(worlds: Worlds) -> None:
    world = worlds("clean")
    samples, classes = world.samples(7)
    with pytest.raises(ValueError, match="8 samples"):
        next(search(samples, classes, world.spec, SHORT, 0))


def test_the_preview_shows_the_trigger_on_samples_of_other_labels(worlds: Worlds) -> None:
    world = worlds("patch")
    result = world.search()
    assert (result.preview_clean_labels != result.best.target).all()
    assert (result.preview != result.preview_clean).any()
