"""A search's linear algebra runs on one thread, and what runs beside it on as many as before."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pytest

from auditor.engine import one_thread
from auditor.engine.one_thread import on_one_thread


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of threads that a library of four was set to."""
    was = [4]
    monkeypatch.setattr(one_thread, "_library", lambda: (lambda: was[-1], was.append))
    return was


def test_a_step_runs_on_one_thread_and_leaves_things_as_they_were(threads: list[int]) -> None:
    assert on_one_thread(lambda: threads[-1]) == 1
    assert threads == [4, 1, 4]


def test_a_step_that_ends_or_fails_does_so_too(threads: list[int]) -> None:
    def search() -> Generator[int, None, str]:
        yield 1
        return "found"

    steps = search()
    assert on_one_thread(lambda: next(steps)) == 1
    with pytest.raises(StopIteration) as end:
        on_one_thread(lambda: next(steps))
    assert end.value.value == "found"
    assert threads[-1] == 4


def test_numpy_with_another_library_works_as_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_thread, "_library", lambda: None)
    assert on_one_thread(lambda: 7) == 7


def test_the_library_of_this_numpy_is_found_if_it_is_openblas() -> None:
    config = np.show_config(mode="dicts")
    blas = config["Build Dependencies"]["blas"]["name"]
    found = one_thread._library()
    assert (found is not None) == ("openblas" in blas)
    if found is not None:
        before = found[0]()
        assert on_one_thread(found[0]) == 1
        assert found[0]() == before
