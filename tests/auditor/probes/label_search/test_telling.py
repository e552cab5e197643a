"""A patch tells more than its size if other orders of its cells do little."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from adapters.contract import InputSpec
from auditor.probes.label_search.telling import in_corner, orders_of, tells
from auditor.probes.trigger_search.patches import Patch
from auditor.probes.trigger_search.sample_set import SampleSet

SIDE = 64
SPEC = InputSpec((1, SIDE, SIDE), (0.0,), (1.0,))
CHECKERS = (np.indices((6, 6)).sum(axis=0) // 2 % 2 * 255).astype(np.uint8)[None]
BLOB = np.full((1, 6, 6), 255, np.uint8)
Model = Callable[[np.ndarray[Any, Any]], Any]


def patch(row: int, column: int, pattern: Any = CHECKERS) -> Patch:
    return Patch(pattern, ((row, column),))


def told(one: Patch, model: Model, limits: float = 1.0) -> tuple[bool, int]:
    """What is said of a patch for label 1, and the questions that it took."""
    pixels = np.full((30, 1, SIDE, SIDE), 90, np.uint8)
    samples = SampleSet(SPEC, pixels, np.zeros(30, np.int64), np.random.default_rng(1))
    asking = tells(one, 1, samples, 20, limits)
    try:
        asked = next(asking)
        while True:
            asked = asking.send(np.array([model(picture) for picture in asked.pixels]))
    except StopIteration as end:
        return bool(end.value), samples.total()


def exactly(picture: Any) -> int:
    """A model that answers to the very pattern."""
    return int(np.array_equal(picture[:, 30:36, 30:36], CHECKERS))


def brightly(picture: Any) -> int:
    """A model that answers to light in the middle, in whatever order."""
    return int(picture[:, 28:38, 28:38].mean() > 91)


def test_a_pattern_that_works_in_its_own_order_alone_tells() -> None:
    assert told(patch(30, 30), exactly) == (True, 6 * 20)


def test_a_blob_that_works_in_any_order_does_not() -> None:
    assert told(patch(30, 30), brightly) == (False, 6 * 20)
    assert told(patch(30, 30, BLOB), brightly) == (False, 6 * 20)


def in_half_of_its_orders(row: int, column: int) -> Model:
    """A model that answers to the pattern at a place, and to three of its other orders of cells."""
    known = [one.pattern for one in orders_of(patch(row, column), 2)[:3]]

    def model(picture: Any) -> int:
        there = picture[:, row : row + 6, column : column + 6]
        return int(any(np.array_equal(there, one) for one in known))

    return model


@pytest.mark.parametrize(("row", "column", "tell"), [(0, 0, True), (30, 0, False), (30, 30, False)])
def test_in_a_corner_more_of_its_orders_may_work(
    row: int,
    column: int,
    tell: bool,  # noqa: FBT001 - parametrised
) -> None:
    assert told(patch(row, column), in_half_of_its_orders(row, column)) == (tell, 6 * 20)


def test_half_of_the_limits_lets_fewer_of_its_orders_work() -> None:
    assert told(patch(0, 0), in_half_of_its_orders(0, 0), 0.5) == (False, 6 * 20)
    assert told(patch(30, 30), exactly, 0.5) == (True, 6 * 20)


def test_a_blob_in_a_corner_does_not_tell() -> None:
    assert told(patch(0, 0, BLOB), lambda picture: int(picture[:, :8, :8].mean() > 91)) == (
        False,
        6 * 20,
    )


@pytest.mark.parametrize(
    ("row", "column", "height", "width", "near"),
    [
        (3, 3, 64, 64, True), (4, 3, 64, 64, False), (3, 30, 64, 64, False),
        (57, 55, 64, 64, True), (57, 2, 64, 96, True), (57, 88, 64, 96, True),
        (57, 86, 64, 96, False),
    ],
)  # fmt: skip
def test_a_corner_is_a_twentieth_of_the_smaller_side(
    row: int,
    column: int,
    height: int,
    width: int,
    near: bool,  # noqa: FBT001 - parametrised
) -> None:
    assert in_corner(patch(row, column), height, width) is near


def test_other_orders_keep_the_cells_and_the_place() -> None:
    cells = np.arange(36, dtype=np.uint8).reshape(1, 6, 6)
    orders = orders_of(patch(9, 4, cells), 2)
    assert len({one.pattern.tobytes() for one in orders} | {cells.tobytes()}) == 7
    for one in orders:
        assert one.places == ((9, 4),)
        assert sorted(one.pattern.ravel()) == sorted(cells.ravel())
