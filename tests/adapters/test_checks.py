from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adapters.checks import check_batch, check_labels, top1
from adapters.contract import InputSpec
from adapters.errors import BadReply, TargetError

SPEC = InputSpec((1, 2, 3), (0.0,), (1.0,))


def test_a_good_batch_comes_back_contiguous_float32() -> None:
    given = np.zeros((4, 3, 2, 1)).transpose(0, 3, 2, 1)
    checked = check_batch(given, SPEC, 4)
    assert checked.dtype == np.float32
    assert checked.flags.c_contiguous
    assert checked.shape == (4, 1, 2, 3)


@pytest.mark.parametrize("shape", [(1, 2, 3), (4, 1, 3, 2), (0, 1, 2, 3), (5, 1, 2, 3)])
def test_wrong_shapes_and_sizes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(TargetError):
        check_batch(np.zeros(shape), SPEC, 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    batch = np.zeros((2, 1, 2, 3))
    batch[1, 0, 1, 2] = value
    with pytest.raises(TargetError, match="not finite"):
        check_batch(batch, SPEC, 4)


def test_opposite_infinities_do_not_cancel_and_large_values_pass() -> None:
    batch = np.zeros((2, 1, 2, 3), np.float32)
    batch[0, 0, 0] = 3e38
    assert check_batch(batch, SPEC, 4) is batch
    batch[1, 0, 0, :2] = np.inf, -np.inf
    with pytest.raises(TargetError, match="not finite"):
        check_batch(batch, SPEC, 4)


def test_top1_takes_the_lower_index_of_a_tie() -> None:
    labels = top1(np.array([[1, 3, 3], [5, 5, 5], [-np.inf, 0, np.inf]]), 3)
    assert labels.dtype == np.int64
    assert labels.tolist() == [1, 0, 2]


def test_top1_ignores_spatial_axes_of_size_one() -> None:
    assert top1(np.eye(3).reshape(3, 3, 1, 1), 3).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        (np.zeros(3), "shape"),
        (np.zeros((2, 5)), "shape"),
        (np.zeros((3, 5, 2, 2)), "shape"),
        (np.zeros((3, 1)), "single class"),
        (np.zeros((3, 0)), "single class"),
        (np.full((3, 5), np.nan), "NaN"),
    ],
)
def test_top1_refuses_what_holds_no_label(scores: Any, says: str) -> None:
    with pytest.raises(BadReply, match=says):
        top1(scores, 3)


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 2, 1], dtype=np.uint8),
        np.array([[0], [2], [1]]),
        np.array([0.0, 2.0, 1.0], dtype=np.float32),
    ],
)
def test_whole_numbers_are_labels(labels: Any) -> None:
    checked = check_labels(labels, 3, 3)
    assert checked.dtype == np.int64
    assert checked.tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (np.array([0, 1]), "shape"),
        (np.zeros((3, 2), np.int64), "shape"),
        (np.array([0.5, 1, 2]), "whole number"),
        (np.array([np.nan, 1, 2]), "whole number"),
        (np.array(["a", "b", "c"]), "type"),
        (np.array([True, False, True]), "type"),
        (np.array([0, 1, 3]), r"label 3, outside 0 \.\. 2"),
        (np.array([0, -1, 2]), "label -1"),
    ],
)
def test_what_is_no_label_is_refused(labels: Any, says: str) -> None:
    with pytest.raises(BadReply, match=says):
        check_labels(labels, 3, 3)


def test_an_unknown_number_of_classes_still_has_a_limit() -> None:
    assert check_labels(np.array([65534]), 1, None).tolist() == [65534]
    with pytest.raises(BadReply):
        check_labels(np.array([65535]), 1, None)
