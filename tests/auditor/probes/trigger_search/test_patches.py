from __future__ import annotations

import numpy as np
import pytest

from auditor.probes.trigger_search.patches import Patch, draw_patch, enlarge, neighbour, unit_of
from auditor.probes.trigger_search.settings import TriggerSettings

SHAPES = [(1, 28, 28), (3, 32, 32), (3, 64, 96), (1, 5, 5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_candidates_and_their_neighbours_stay_inside_the_image(
    shape: tuple[int, int, int],
) -> None:
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 256, (2, *shape)).astype(np.uint8)
    for _ in range(200):
        patch = draw_patch(rng, shape, TriggerSettings())
        single = Patch(patch.pattern, patch.places[:1])
        for one in (patch, neighbour(rng, patch, shape, 6), neighbour(rng, single, shape, 6)):
            assert one.places
            for row, column in one.places:
                assert 0 <= row <= shape[1] - one.side
                assert 0 <= column <= shape[2] - one.side
            changed = one.apply(clean)
            assert changed.shape == clean.shape
            assert changed is not clean


def test_halves_split_the_copies_and_lose_none() -> None:
    places = tuple((row, column) for row in (0, 8, 16) for column in (1, 9, 17, 25))
    patch = Patch(np.zeros((1, 3, 3), dtype=np.uint8), places)
    first, second = patch.halves()
    assert sorted(first.places + second.places) == sorted(places)
    assert abs(len(first.places) - len(second.places)) <= 1
    assert max(column for _, column in first.places) < min(c for _, c in second.places)


def test_a_moved_patch_drops_the_copies_that_would_leave() -> None:
    patch = Patch(np.zeros((1, 3, 3), dtype=np.uint8), ((0, 0), (7, 5)))
    assert patch.moved((1, 0), 10, 10).places == ((1, 0),)
    assert patch.moved((-1, 0), 10, 10).places == ((6, 5),)


def test_the_pattern_replaces_pixels_only_under_its_copies() -> None:
    clean = np.full((1, 1, 8, 8), 9, dtype=np.uint8)
    changed = Patch(np.full((1, 2, 2), 255, dtype=np.uint8), ((1, 2),)).apply(clean)
    assert (changed[0, 0, 1:3, 2:4] == 255).all()
    assert (changed != clean).sum() == 4
    assert (clean == 9).all()


def test_patterns_grow_with_the_image() -> None:
    assert unit_of((3, 32, 32)) == unit_of((1, 28, 28)) == 1
    assert unit_of((3, 224, 224)) == 7
    cells = np.array([[[0, 255], [255, 0]]], dtype=np.uint8)
    assert np.array_equal(enlarge(cells, 4)[0, :, 0], [0, 0, 255, 255])
