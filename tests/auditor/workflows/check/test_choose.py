"""The choice among several formats that work."""

from __future__ import annotations

from typing import Any

import pytest

from auditor.workflows.check.choose import Working, choose, right


def working(size: int, good: int | None, access: str = "float", answers: str = "abcabc") -> Working:
    return Working({}, "words", access, size, 1, good, tuple(answers))


@pytest.mark.parametrize(
    ("formats", "taken"),
    [
        ([working(900, 6), working(100, 6)], 1),
        ([working(900, 6), working(100, 5)], 1),  # one of six is chance
        ([working(900, 6), working(100, 1)], 0),
        ([working(900, 6), working(100, None)], 0),
        # Unknown names: the same classes under other names, or other classes.
        ([working(900, None), working(100, None, answers="xyzxyz")], 1),
        ([working(900, None), working(100, None, answers="xyzxyx")], 0),
        # None is right: only an array can still be written another way.
        ([working(100, 0, "image"), working(900, 1)], 1),
        ([working(900, 0, "image"), working(100, 1, "image")], 1),
    ],
)
def test_the_leanest_of_the_good_ones(formats: list[Working], taken: int) -> None:
    assert choose(formats) == taken


@pytest.mark.parametrize(
    ("expected", "answers", "count"),
    [
        (["cat", "ant"], ["cat", "ant"], 2),
        (["cat", "ant"], ["2", "0"], 2),  # numbers as texts, in the order of the names
        (None, ["2", "0"], 2),
        (None, ["x", "y"], None),
        (["2", "0"], ["2", "1"], 1),
    ],
)
def test_right_answers(expected: Any, answers: list[str], count: int | None) -> None:
    assert right(expected, ["cat", "ant"], ["ant", "bee", "cat"], answers) == count
