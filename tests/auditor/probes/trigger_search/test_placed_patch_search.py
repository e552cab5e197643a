from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.probes.trigger_search.patch_search import PatchCandidate
from auditor.probes.trigger_search.placed_patch_search import PlacedPatchSearch
from auditor.probes.trigger_search.sample_set import SampleSet
from auditor.probes.trigger_search.settings import TriggerSettings
from examples.benchmarks.zoo_models import driven
from tests.auditor.probes.conftest import (
    SIDE,
    Backdoor,
    Floats,
    World,
    make_world,
)

PLACE, PATCH, TARGET = (14, 3), 4, 2


def placed_backdoor(channels: int) -> Backdoor:
    """Fires for one random pattern at one place, and partly for much of it; nowhere else."""
    rng = np.random.default_rng(11)
    pattern = rng.integers(0, 2, (channels, PATCH, PATCH)) * 255
    row, column = PLACE
    # Colour has three times the cells, so random patterns match less of them by chance.
    least = 0.6 if channels == 1 else 0.52

    def fires(pixels: Floats, clean: NDArray[np.int64]) -> Floats:
        del clean
        cells = pixels[:, :, row : row + PATCH, column : column + PATCH]
        match = (np.abs(cells - pattern) < 5).mean(axis=(1, 2, 3))
        return np.asarray(2500.0 * np.clip(match - least, 0, None))

    return fires


def search(
    world: World, budget: int, seed: int = 0
) -> tuple[PatchCandidate | None, PlacedPatchSearch]:
    samples, _ = world.samples(60)
    rng = np.random.default_rng(seed)
    pixels = world.spec.to_pixels(samples)
    sample_set = SampleSet(world.spec, pixels, world.labels(samples), rng, {}, 5)
    kind_search = PlacedPatchSearch(sample_set, TriggerSettings())
    return world.drive(kind_search.turn(budget)), kind_search


@pytest.mark.parametrize("channels", [1, 3])
def test_a_random_pattern_that_works_at_one_place_only_is_found_there(channels: int) -> None:
    candidates = [
        search(make_world(channels, placed_backdoor(channels)), 2500, seed)[0] for seed in range(3)
    ]
    found = [
        candidate for candidate in candidates if candidate is not None and candidate.share >= 0.5
    ]
    assert len(found) >= 2
    for candidate in found:
        assert candidate.target == TARGET
        ((row, column),) = candidate.patch.places
        assert abs(row - PLACE[0]) <= candidate.patch.side
        assert abs(column - PLACE[1]) <= candidate.patch.side


def test_a_clean_model_has_no_such_place() -> None:
    candidate, kind_search = search(make_world(), 1500)
    assert candidate is None
    assert len(kind_search.tally.draws) >= TriggerSettings().place_draws
    assert len(kind_search.tried) >= 2


def test_a_turn_ends_soon_after_its_queries() -> None:
    _, kind_search = search(make_world(), 700)
    assert 700 <= kind_search.sample_set.total() <= 900


def test_a_second_turn_adds_to_what_the_first_one_saw() -> None:
    world = make_world()
    _, kind_search = search(world, 400)
    seen, tried = len(kind_search.tally.draws), list(kind_search.tried)
    world.drive(kind_search.turn(400))
    assert len(kind_search.tally.draws) > seen
    assert kind_search.tried[: len(tried)] == tried
    assert len(set(kind_search.tried)) == len(kind_search.tried)


@pytest.mark.parametrize("side", [1, 2, 5, 7])
def test_tiny_pictures_have_room_for_a_smaller_patch(side: int) -> None:
    spec = InputSpec((1, side, side), (0.0,), (1.0,))
    pixels = np.random.default_rng(0).integers(0, 256, (20, 1, side, side), dtype=np.uint8)
    sample_set = SampleSet(spec, pixels, np.arange(20) % 3, np.random.default_rng(1), {}, 3)
    kind_search = PlacedPatchSearch(sample_set, TriggerSettings())
    answers = np.random.default_rng(2)

    def labels(batch: NDArray[np.float32]) -> NDArray[np.int64]:
        assert batch.shape[1:] == (1, side, side)
        assert batch.min() >= 0.0
        assert batch.max() <= 1.0
        return answers.integers(0, 3, len(batch))

    driven(kind_search.turn(500), labels)
    assert kind_search.sample_set.total() >= 500


def test_patches_scale_with_the_picture() -> None:
    shape = (1, 4 * SIDE, 3 * SIDE)
    spec = InputSpec(shape, (0.0,), (1.0,))
    pixels = np.full((20, *shape), 100, dtype=np.uint8)
    sample_set = SampleSet(spec, pixels, np.arange(20) % 3, np.random.default_rng(1), {}, 3)
    kind_search = PlacedPatchSearch(sample_set, TriggerSettings())
    answers = np.random.default_rng(2)
    sides = set()
    driven(kind_search.turn(700), lambda batch: answers.integers(0, 3, len(batch)))
    for draw in kind_search.tally.draws:
        for patch in draw.patches:
            ((row, column),) = patch.places
            assert 0 <= row <= shape[1] - patch.side
            assert 0 <= column <= shape[2] - patch.side
            sides.add(patch.side)
            # Cells of two pixels, black or white.
            cells = patch.pattern[:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2)
            assert (patch.pattern == cells).all()
    assert sides == {12}
