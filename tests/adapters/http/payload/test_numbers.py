from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.http.payload.numbers import flat, nested


def _back(text: bytes) -> NDArray[np.float32]:
    return np.array(json.loads(text), dtype=np.float64).astype(np.float32)


def test_every_float32_comes_back_bit_by_bit() -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, size=200_000, dtype=np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    assert (_back(flat(values)).view(np.uint32) == values.view(np.uint32)).all()


def test_edges_come_back() -> None:
    info = np.finfo(np.float32)
    tens = np.array([10.0**k for k in range(-37, 39)], dtype=np.float32)
    twos = np.array([2.0**k for k in range(-149, 128)], dtype=np.float32)
    with np.errstate(over="ignore"):
        values = np.concatenate(
            [
                twos,
                np.nextafter(twos, np.float32(0)),
                tens,
                np.nextafter(tens, np.float32(0)),
                np.nextafter(tens, np.float32(1e38)),
                np.array([0.0, -0.0, 255, -1, 9.9999999e9], dtype=np.float32),
                np.array([info.max, -info.max, info.tiny, info.smallest_subnormal]),
            ]
        ).astype(np.float32)
    assert (_back(flat(values)).view(np.uint32) == values.view(np.uint32)).all()


@pytest.mark.parametrize("shape", [(1,), (7,), (1, 1), (2, 1, 3), (1, 3, 1, 1), (2, 3, 4, 5)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_shape_and_values_are_kept(shape: tuple[int, ...], dtype: type) -> None:
    array: NDArray[Any] = (np.random.default_rng(1).random(shape) * 255).astype(dtype)
    back = np.array(json.loads(nested(array)))
    assert back.shape == shape
    assert (back.astype(dtype) == array).all()


def test_floats_never_read_as_integers() -> None:
    assert all(isinstance(v, float) for v in json.loads(flat(np.arange(4, dtype=np.float32))))
    assert all(isinstance(v, int) for v in json.loads(flat(np.arange(4, dtype=np.uint8))))


def test_values_take_the_fewest_digits() -> None:
    array = np.array([0.1, -2.5, 1e-7, 3.0], dtype=np.float32)
    assert flat(array) == b"[0.1,-2.5,1e-7,3.0]"
    noise = np.random.default_rng(2).normal(size=100).astype(np.float32)
    assert len(flat(noise)) <= sum(len(str(value)) + 1 for value in noise) + 1


def test_views_are_written_as_they_look() -> None:
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for view in (array[:, ::-1], array.transpose(2, 0, 1), array[..., :2]):
        assert json.loads(nested(view)) == view.tolist()
