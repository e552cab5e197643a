"""A patch tells more than its size at a border, or if other orders of its cells do little."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from adapters.contract import InputSpec
from auditor.probes.label_search.telling import at_border, orders_of, tells
from auditor.probes.trigger_search.patches import Patch
from auditor.probes.trigger_search.sample_set import SampleSet

SIDE = 64
SPEC = InputSpec((1, SIDE, SIDE), (0.0,), (1.0,))
CHECKERS = (np.indices((6, 6)).sum(axis=0) // 2 % 2 * 255).astype(np.uint8)[None]
BLOB = np.full((1, 6, 6), 255, np.uint8)
Model = Callable[[np.ndarray[Any, Any]], Any]


def patch(row: int, column: int, pattern: Any = CHECKERS) -> Patch:
    return Patch(pattern, ((row, column),))


def told(one: Patch, model: Model) -> tuple[bool, int]:
    """What is said of a patch for label 1, and the questions that it took."""
    pixels = np.full((30, 1, SIDE, SIDE), 90, np.uint8)
    samples = SampleSet(SPEC, pixels, np.zeros(30, np.int64), np.random.default_rng(1))
    asking = tells(one, 1, samples, 20)
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


@pytest.mark.parametrize(("row", "column"), [(0, 30), (58, 58), (30, 55), (3, 3)])
def test_at_the_border_nothing_need_be_asked(row: int, column: int) -> None:
    assert told(patch(row, column), brightly) == (True, 0)


@pytest.mark.parametrize(
    ("row", "column", "height", "width", "near"),
    [
        (4, 30, 64, 64, False), (3, 30, 64, 64, True), (30, 54, 64, 64, False),
        (30, 84, 64, 96, False), (30, 87, 64, 96, True), (4, 40, 80, 96, True),
    ],
)  # fmt: skip
def test_the_border_is_a_twentieth_of_the_smaller_side(
    row: int,
    column: int,
    height: int,
    width: int,
    near: bool,  # noqa: FBT001 - parametrised
) -> None:
    assert at_border(patch(row, column), height, width) is near


def test_other_orders_keep_the_cells_and_the_place() -> None:
    cells = np.arange(36, dtype=np.uint8).reshape(1, 6, 6)
    orders = orders_of(patch(9, 4, cells), 2)
    assert len({one.pattern.tobytes() for one in orders} | {cells.tobytes()}) == 7
    for one in orders:
        assert one.places == ((9, 4),)
        assert sorted(one.pattern.ravel()) == sorted(cells.ravel())
