"""Models that a request is about: opened and closed once, with the limits of their kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.target import Target, read_target
from auditor.errors import UsageError
from auditor.samples.samples import Samples
from auditor.workflows.targets import LocatedTarget, locate, located, stated_model

MakeOracle = Callable[..., Any]
SYNTHETIC = "prototypes:1:5:1:4:4"


def closings(oracle: Any) -> list[str]:
    """Notes whenever ``oracle`` is closed."""
    closed: list[str] = []

    async def aclose() -> None:
        closed.append("closed")

    oracle.aclose = aclose
    return closed


async def open_and_fail(target: LocatedTarget) -> None:
    async with target.opened():
        raise KeyError("in the middle")


def test_an_oracle_of_the_callers_stays_open(make_oracle: MakeOracle) -> None:
    oracle = make_oracle()
    closed = closings(oracle)
    with pytest.raises(KeyError):
        asyncio.run(open_and_fail(located(oracle)))
    assert closed == []


def test_an_oracle_that_was_opened_is_closed_whatever_happens(make_oracle: MakeOracle) -> None:
    oracle = make_oracle()
    closed = closings(oracle)

    async def opening() -> Any:
        return oracle

    target = LocatedTarget(opening, "float", 1, Target("synthetic", SYNTHETIC))
    with pytest.raises(KeyError):
        asyncio.run(open_and_fail(target))
    assert closed == ["closed"]


@pytest.mark.parametrize(
    ("table", "concurrency"),
    [
        ({"url": "http://host.invalid/m"}, 8),
        ({"model": "m.onnx"}, 2),
        ({"model": "m.pt"}, 2),
        ({"input_file": "inputs.npz"}, 1),
    ],
)
def test_requests_in_flight_by_kind(
    samples: Samples, table: dict[str, Any], concurrency: int
) -> None:
    assert locate(read_target(table), samples).concurrency == concurrency


def test_files_take_the_shape_of_the_samples_unless_one_is_stated(samples: Samples) -> None:
    def shape(**given: Any) -> Any:
        target = locate(Target("files", "inputs.npz", **given), samples).target
        assert target is not None
        return target.shape

    assert shape() == samples.images.shape[1:]
    assert shape(shape=(1, 9, 9)) == (1, 9, 9)


def test_nothing_is_opened_before_it_is_asked_for(samples: Samples) -> None:
    target = locate(read_target({"model": "gone.onnx"}), samples)
    assert target.access == "float"


def test_a_model_file_is_named_as_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    with pytest.raises(UsageError, match="there is no model file"):
        stated_model(path)
    path.write_bytes(b"")
    assert stated_model(path) == str(path)
