"""Label maps by refinement, on maps that are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from auditor.probes.label_map import MOST, SMALLEST, LabelMap, draw_label_map, most_queries
from auditor.probes.plane import PlaneProbe

Map = NDArray[np.int64]


class Grid(PlaneProbe):
    """A grid whose inputs are their own numbers."""

    def inputs(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        return indices.astype(np.float32).reshape(-1, 1, 1, 1)


def draw(truth: Map, seed: int = 0) -> tuple[LabelMap, list[list[int]]]:
    probe = Grid(np.zeros((3, 1, 1, 1), np.float32), 5.0, len(truth))
    asked: list[list[int]] = []
    drawing = draw_label_map(probe, seed)
    try:
        batch = next(drawing)
        while True:
            nodes = batch[:, 0, 0, 0].astype(np.int64)
            asked.append(nodes.tolist())
            batch = drawing.send(truth.ravel()[nodes])
    except StopIteration as end:
        return end.value, asked


def coordinates(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    axis = np.linspace(-1.0, 1.0, size)
    rows, columns = np.meshgrid(axis, axis, indexing="ij")
    return rows, columns


def sectors(size: int) -> Map:
    rows, columns = coordinates(size)
    return ((np.arctan2(rows - 0.1, columns + 0.05) + np.pi) / (2 * np.pi) * 7).astype(np.int64)


def rings(size: int) -> Map:
    rows, columns = coordinates(size)
    return (3 * np.hypot(rows, columns - 0.2)).astype(np.int64)


def noise(size: int) -> Map:
    return np.random.default_rng(0).integers(0, 5, (size, size))


@pytest.mark.parametrize("size", [100, 131])
@pytest.mark.parametrize("shape", [sectors, rings])
def test_regions_are_drawn_from_a_quarter_of_the_points(
    shape: Callable[[int], Map], size: int
) -> None:
    truth = shape(size)
    picture, _ = draw(truth)
    assert (picture.labels == truth).mean() >= 0.99
    assert picture.queries <= MOST * size**2
    assert (picture.labels == truth)[picture.asked].all()


@pytest.mark.parametrize("shape", [sectors, rings, noise])
def test_no_point_is_asked_twice_and_the_count_is_true(shape: Callable[[int], Map]) -> None:
    picture, asked = draw(shape(60))
    flat = [node for batch in asked for node in batch]
    assert len(set(flat)) == len(flat) == picture.queries == int(picture.asked.sum())
    assert sorted(flat) == np.flatnonzero(picture.asked).tolist()


def test_what_cannot_be_filled_well_is_measured_as_such() -> None:
    truth = noise(100)
    picture, _ = draw(truth)
    assert picture.queries <= most_queries(100)
    wrong = picture.wrong / picture.rechecked
    really = float((picture.labels != truth)[~picture.asked].mean())
    # 200 nodes: a standard error of 0.03.
    assert abs(wrong - really) < 0.12
    assert wrong > 0.5
    agrees = float((picture.labels == truth).mean())
    assert abs(picture.agreement(wrong) - agrees) < 0.1


def test_an_island_between_the_lattice_points_is_found_and_followed() -> None:
    truth = np.zeros((100, 100), dtype=np.int64)
    truth[33:40, 57:64] = 1
    drawn = [draw(truth, seed)[0] for seed in range(20)]
    # A look of 100 nodes hits its 49 of 10,000 four times in ten.
    found = [one for one in drawn if one.wrong == 0 and (one.labels == 1).any()]
    assert len(found) >= 4
    assert all((one.labels == truth).mean() > 0.9995 for one in found)


def test_one_label_costs_the_lattice_and_the_checks() -> None:
    picture, _ = draw(np.full((100, 100), 3, dtype=np.int64))
    assert picture.queries < 600
    assert (picture.labels == 3).all()
    assert (picture.wrong, picture.rechecked) == (0, 200)


def test_a_small_map_is_asked_whole() -> None:
    truth = noise(SMALLEST - 1)
    picture, asked = draw(truth)
    assert (picture.labels == truth).all()
    assert picture.asked.all()
    assert (len(asked), picture.rechecked) == (1, 0)
    assert most_queries(SMALLEST - 1) == truth.size


def test_the_questions_depend_on_the_seed_and_the_labels_alone() -> None:
    assert draw(rings(60), 4)[1] == draw(rings(60), 4)[1]
    assert draw(rings(60), 4)[1] != draw(rings(60), 5)[1]
    assert draw(rings(60), 4)[1] != draw(sectors(60), 4)[1]
