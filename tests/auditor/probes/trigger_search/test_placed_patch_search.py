from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.probes.trigger_search.sample_set import Bench
from auditor.probes.trigger_search.patch_search import Lead
from auditor.probes.trigger_search.placed_patch_search import PlaceSearch
from auditor.probes.trigger_search.settings import TriggerSettings
from tests.auditor.probes.trigger.conftest import SIDE, Backdoor, Floats, World, drive, make_world

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


def hunt(world: World, budget: int, seed: int = 0) -> tuple[Lead | None, PlaceSearch]:
    samples, _ = world.samples(60)
    rng = np.random.default_rng(seed)
    pixels = world.spec.to_pixels(samples)
    bench = Bench(world.spec, pixels, world.labels(samples), rng, {}, 5)
    hunter = PlaceSearch(bench, TriggerSettings())
    return world.drive(hunter.turn(budget)), hunter


@pytest.mark.parametrize("channels", [1, 3])
def test_a_random_pattern_that_works_at_one_place_only_is_found_there(channels: int) -> None:
    leads = [
        hunt(make_world(channels, placed_backdoor(channels)), 2500, seed)[0] for seed in range(3)
    ]
    found = [lead for lead in leads if lead is not None and lead.share >= 0.5]
    assert len(found) >= 2
    for lead in found:
        assert lead.target == TARGET
        ((row, column),) = lead.stamp.places
        assert abs(row - PLACE[0]) <= lead.stamp.side
        assert abs(column - PLACE[1]) <= lead.stamp.side


def test_a_clean_model_has_no_such_place() -> None:
    lead, hunter = hunt(make_world(), 1500)
    assert lead is None
    assert len(hunter.tally.draws) >= TriggerSettings().place_draws
    assert len(hunter.tried) >= 2


def test_a_turn_ends_soon_after_its_queries() -> None:
    _, hunter = hunt(make_world(), 700)
    assert 700 <= hunter.bench.total() <= 900


def test_a_second_turn_adds_to_what_the_first_one_saw() -> None:
    world = make_world()
    _, hunter = hunt(world, 400)
    seen, tried = len(hunter.tally.draws), list(hunter.tried)
    world.drive(hunter.turn(400))
    assert len(hunter.tally.draws) > seen
    assert hunter.tried[: len(tried)] == tried
    assert len(set(hunter.tried)) == len(hunter.tried)


@pytest.mark.parametrize("side", [1, 2, 5, 7])
def test_tiny_pictures_have_room_for_a_smaller_patch(side: int) -> None:
    spec = InputSpec((1, side, side), (0.0,), (1.0,))
    pixels = np.random.default_rng(0).integers(0, 256, (20, 1, side, side), dtype=np.uint8)
    bench = Bench(spec, pixels, np.arange(20) % 3, np.random.default_rng(1), {}, 3)
    hunter = PlaceSearch(bench, TriggerSettings())
    answers = np.random.default_rng(2)

    def labels(batch: NDArray[np.float32]) -> NDArray[np.int64]:
        assert batch.shape[1:] == (1, side, side)
        assert batch.min() >= 0.0
        assert batch.max() <= 1.0
        return answers.integers(0, 3, len(batch))

    drive(hunter.turn(500), labels)
    assert hunter.bench.total() >= 500


def test_patches_scale_with_the_picture() -> None:
    shape = (1, 4 * SIDE, 3 * SIDE)
    spec = InputSpec(shape, (0.0,), (1.0,))
    pixels = np.full((20, *shape), 100, dtype=np.uint8)
    bench = Bench(spec, pixels, np.arange(20) % 3, np.random.default_rng(1), {}, 3)
    hunter = PlaceSearch(bench, TriggerSettings())
    answers = np.random.default_rng(2)
    sides = set()
    drive(hunter.turn(700), lambda batch: answers.integers(0, 3, len(batch)))
    for draw in hunter.tally.draws:
        for stamp in draw.stamps:
            ((row, column),) = stamp.places
            assert 0 <= row <= shape[1] - stamp.side
            assert 0 <= column <= shape[2] - stamp.side
            sides.add(stamp.side)
            # Cells of two pixels, black or white.
            cells = stamp.pattern[:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2)
            assert (stamp.pattern == cells).all()
    assert sides == {12}
