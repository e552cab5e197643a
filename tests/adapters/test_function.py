"""A function as a target: what it is given, what it may answer, what is refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from adapters.errors import BadReply, EndpointError, TargetError
from adapters.function import FunctionOracle
from adapters.target import Target

SHAPE = (3, 4, 5)
BATCH = np.random.default_rng(0).uniform(-0.5, 1.5, (6, *SHAPE)).astype(np.float32)
NAMES = ("ant", "bee", "cat")


def opened(function: Callable[..., Any], *, named: bool = False, **how: Any) -> FunctionOracle:
    target = Target("function", "", shape=how.pop("shape", SHAPE), **how)
    return FunctionOracle(function, target, "mine", named=named)


def ask(function: Callable[..., Any], *, named: bool = False, **how: Any) -> list[int]:
    oracle = opened(function, named=named, **how)

    async def once() -> list[int]:
        try:
            labels = await oracle.predict_labels(BATCH)
        finally:
            await oracle.aclose()
        assert labels.dtype == np.int64
        return [int(label) for label in labels]

    return asyncio.run(once())


def seen_by(**how: Any) -> Any:
    seen: list[Any] = []

    def look(images: Any) -> Any:
        seen.append(images)
        return np.zeros(len(images), int)

    ask(look, **how)
    return seen[0]


def test_float_access_gives_the_inputs_unclipped() -> None:
    images = seen_by()
    assert images.dtype == np.float32
    assert np.array_equal(images, BATCH)


def test_channels_last_where_the_layout_says_so() -> None:
    assert np.array_equal(seen_by(layout="NHWC"), BATCH.transpose(0, 2, 3, 1))


def test_image_access_gives_8_bit_pixels() -> None:
    images = seen_by(access="image", layout="NHWC")
    assert images.dtype == np.uint8
    expected = np.rint(np.clip(BATCH.astype(float), 0, 1) * 255).transpose(0, 2, 3, 1)
    assert np.array_equal(images, expected)


def test_image_access_in_model_units_where_the_encoding_says_so() -> None:
    images = seen_by(access="image", encoding="float32", value_range=(0.0, 255.0))
    assert images.dtype == np.float32
    assert np.array_equal(images, np.rint(np.clip(BATCH, 0, 255)))


@pytest.mark.parametrize(
    "answer",
    [
        [0, 1, 2, 0, 1, 2],
        np.array([0, 1, 2, 0, 1, 2], np.uint8),
        np.array([[0], [1], [2], [0], [1], [2]]),
        np.array([0.0, 1.0, 2.0, 0.0, 1.0, 2.0]),
        ["ant", "bee", "cat", "ant", "bee", "cat"],
        np.array(["ant", "bee", "cat", "ant", "bee", "cat"], object),
    ],
)
def test_indices_and_names_are_labels(answer: Any) -> None:
    assert ask(lambda _: answer, classes=NAMES) == [0, 1, 2, 0, 1, 2]


def test_names_without_a_list_make_their_own() -> None:
    oracle = opened(lambda _: ["b", "a", "b", "a", "a", "b"], named=True)
    assert asyncio.run(oracle.predict_labels(BATCH)).tolist() == [0, 1, 0, 1, 1, 0]
    assert oracle.label_space.names == ["b", "a"]
    asyncio.run(oracle.aclose())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (np.full((6, 3), 1 / 3), "argmax"),
        (np.eye(6, 3, dtype=int), "argmax"),
        (np.full((6, 1), 0.5), "not scores"),
        (np.full((6, 1), 1.0), "not scores"),
        (np.full(6, 0.5), "not scores"),
        (np.full(6, np.nan), "not scores"),
        ([0, 1], "6 inputs"),
        ([0, 1, 2, 0, 1, 3], "outside 0 .. 2"),
        ([0, 1, 2, 0, 1, -1], "outside 0 .. 2"),
        (["ant", "bee", "cat", "ant", "bee", "dog"], "'dog'"),
        (["ant", "bee"], "6 images"),
        (None, "returned NoneType for 6 images"),
        ({"labels": [0] * 6}, "returned dict for 6 images"),
        (iter([0] * 6), "returned list_iterator for 6 images"),
        ([None] * 6, "None"),
        ([True] * 6, "not whole numbers"),
        ([[1], [1, 2], [], [], [], []], "no array of labels"),
    ],
)
def test_anything_else_is_refused_in_one_sentence(answer: Any, said: str) -> None:
    with pytest.raises(BadReply) as caught:
        ask(lambda _: answer, classes=NAMES)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_and_names_are_never_guessed_into_each_other() -> None:
    with pytest.raises(BadReply, match="samples name their classes"):
        ask(lambda images: [0] * len(images), named=True)
    with pytest.raises(BadReply, match="samples number theirs"):
        ask(lambda images: ["ant"] * len(images))


def test_a_failure_says_what_failed_and_keeps_its_cause() -> None:
    def broken(_: Any) -> Any:
        raise KeyError("weights\nmissing")

    with pytest.raises(EndpointError, match="6 images with KeyError") as caught:
        ask(broken)
    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.advice.kind == "never"


def test_too_little_memory_asks_for_fewer_images() -> None:
    def full(_: Any) -> Any:
        raise MemoryError

    with pytest.raises(EndpointError) as caught:
        ask(full)
    assert caught.value.advice.kind == "too-large"


def test_a_function_that_spoils_its_input_spoils_nothing_else() -> None:
    def spoil(images: Any) -> Any:
        images[:] = 0
        return np.zeros(len(images), int)

    before = BATCH.copy()
    ask(spoil)
    assert np.array_equal(before, BATCH)


def test_it_runs_on_one_thread_and_coroutines_on_the_loop() -> None:
    threads = set()

    def plain(images: Any) -> Any:
        threads.add(threading.current_thread())
        return np.zeros(len(images), int)

    async def slow(images: Any) -> Any:
        await asyncio.sleep(0)
        threads.add(threading.current_thread())
        return np.ones(len(images), int)

    assert ask(plain) == [0] * 6
    assert threading.main_thread() not in threads
    threads.clear()
    assert ask(slow) == [1] * 6
    assert threads == {threading.main_thread()}


def test_what_decides_an_answer_is_in_the_fingerprint() -> None:
    def zero(images: Any) -> Any:
        return np.zeros(len(images), int)

    prints = {
        opened(zero, **how).fingerprint
        for how in (
            {},
            {"access": "image"},
            {"layout": "NHWC"},
            {"value_range": (-1.0, 1.0)},
            {"shape": (1, 4, 5)},
        )
    }
    assert len(prints) == 5


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"shape": None}, "shape="),
        ({"encoding": "png"}, "float32 or uint8"),
        ({"encoding": "uint8"}, "image"),
    ],
)
def test_a_description_that_cannot_work_is_refused(how: dict[str, Any], said: str) -> None:
    with pytest.raises(TargetError, match=said):
        opened(len, **how)
