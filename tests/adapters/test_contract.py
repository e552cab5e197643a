"""What every adapter promises, asked of every adapter."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import pytest
import uvicorn
from numpy.typing import NDArray
from onnx import TensorProto
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from adapters.contract import InputSpec, LabelOracle, Layout, WireCount
from adapters.errors import TargetError
from adapters.objects.open import open_object, read_object
from adapters.registry import open_oracle
from adapters.synthetic import nearest_prototype, synthetic_prototypes
from adapters.target import HttpOptions, ReplyFormat, RequestFormat, Target

SHAPE = (3, 6, 5)
NAMES = ("ant", "bee", "cat", "dog")

T = TypeVar("T")
Reference = Callable[..., NDArray[Any]]


@dataclass(frozen=True)
class Case:
    """One adapter with one model.

    Attributes:
        target: the model.
        other: the same adapter with another model.
        labels_of: labels of inputs as the model receives them.
        float_access: whether the model also takes unclipped inputs.
    """

    target: Target
    other: Target
    labels_of: Reference
    float_access: bool = True


def linear(kind: str, first: str, second: str, labels_of: Reference, **how: Any) -> Case:
    return Case(
        Target(kind, first, **how),
        Target(kind, second, **how),
        labels_of,
        how.get("access") is None,
    )


def onnx_case(request: pytest.FixtureRequest, how: dict[str, Any], **target: Any) -> Case:
    write = request.getfixturevalue("onnx_file")
    first, second = (write(f"{seed}.onnx", seed=seed, **how) for seed in (0, 1))
    target.setdefault("trust_model_file", True)
    return linear("onnx", first, second, request.getfixturevalue("reference"), **target)


def torch_case(request: pytest.FixtureRequest, suffix: str, **how: Any) -> Case:
    write = request.getfixturevalue("torch_file")
    first, second = (write(suffix, seed=seed, **how) for seed in (0, 1))
    reference = request.getfixturevalue("reference")
    return linear("torchscript", first, second, reference, shape=SHAPE, trust_model_file=True)


def synthetic_case(_: pytest.FixtureRequest) -> Case:
    return Case(
        Target("synthetic", "prototypes:5:4:3:6:5"),
        Target("synthetic", "prototypes:6:4:3:6:5"),
        nearest_prototype(synthetic_prototypes(5, 4, SHAPE)),
    )


def v2_case(request: pytest.FixtureRequest, **how: Any) -> Case:
    url = request.getfixturevalue("model_server")
    reference = request.getfixturevalue("reference")
    first, second = f"{url}/v2/models/m0", f"{url}/v2/models/m1"
    return linear("http", first, second, reference, **how)


def generic_case(request: pytest.FixtureRequest, path: str, reply: ReplyFormat) -> Case:
    url = request.getfixturevalue("model_server")
    options = HttpOptions(request=RequestFormat(template='{"images": "$INPUTS"}'), reply=reply)
    reference = request.getfixturevalue("reference")
    first, second = f"{url}/{path}/0", f"{url}/{path}/1"
    return linear("http", first, second, reference, shape=SHAPE, classes=NAMES, http=options)


OBJECTS: dict[str, Any] = {}
"""Location of a target of kind ``object`` -> the model object that it stands for."""


def object_case(request: pytest.FixtureRequest, library: str) -> Case:
    make = request.getfixturevalue("model_object")
    for seed in (0, 1):
        OBJECTS[f"{library} {seed}"] = make(library, seed)
    labels_of = request.getfixturevalue("object_labels")
    return Case(
        Target("object", f"{library} 0", shape=SHAPE, layout=LAYOUTS.get(library)),
        Target("object", f"{library} 1", shape=SHAPE, layout=LAYOUTS.get(library)),
        lambda batch: labels_of(library, OBJECTS[f"{library} 0"], batch),
    )


LAYOUTS: dict[str, Layout] = {"sklearn": "NCHW"}
"""The linear classifier was fitted on pictures flattened in this order."""

CASES: dict[str, Callable[[pytest.FixtureRequest], Case]] = {
    "onnx-nchw": lambda r: onnx_case(r, {}),
    "onnx-isolated": lambda r: onnx_case(r, {}, trust_model_file=False),
    "onnx-nhwc": lambda r: onnx_case(r, {"dims": ("n", 6, 5, 3), "nhwc": True}),
    "onnx-fixed-batch": lambda r: onnx_case(r, {"dims": (16, *SHAPE)}),
    "onnx-labels": lambda r: onnx_case(r, {"reply": "ints"}),
    "onnx-names": lambda r: onnx_case(r, {"reply": "names"}, classes=NAMES),
    "onnx-image": lambda r: onnx_case(r, {}, access="image"),
    "onnx-uint8": lambda r: onnx_case(r, {"dtype": TensorProto.UINT8}, access="image"),
    "torch-pt": lambda r: torch_case(r, ".pt"),
    "torch-pt2": lambda r: torch_case(r, ".pt2"),
    "torch-pt2-fixed-batch": lambda r: torch_case(r, ".pt2", batch=16),
    "torch-labels": lambda r: torch_case(r, ".pt", reply="labels"),
    "object-torch": lambda r: object_case(r, "torch"),
    "object-timm": lambda r: object_case(r, "timm"),
    "object-transformers": lambda r: object_case(r, "transformers"),
    "object-pair": lambda r: object_case(r, "pair"),
    "object-keras": lambda r: object_case(r, "keras"),
    "object-sklearn": lambda r: object_case(r, "sklearn"),
    "object-session": lambda r: object_case(r, "session"),
    "synthetic": synthetic_case,
    "http-v2": v2_case,
    "http-v2-image": lambda r: v2_case(r, access="image"),
    "http-scores": lambda r: generic_case(r, "scores", ReplyFormat("replies.*.scores")),
    "http-names": lambda r: generic_case(r, "names", ReplyFormat("replies.*.name", "label")),
}


# Keras on its torch backend copies tensors in a way that NumPy 2 deprecates.
KERAS = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(
    params=[pytest.param(n, marks=[KERAS] if "keras" in n else []) for n in sorted(CASES)]
)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param](request)


@pytest.fixture(scope="session")
def model_server(reference: Reference) -> Iterator[str]:
    """URL of a loopback server with two models, as V2 and as two kinds of plain JSON."""

    async def metadata(request: Request) -> JSONResponse:
        images = {"name": "x", "datatype": "FP32", "shape": [-1, *SHAPE]}
        scores = {"name": "y", "datatype": "FP32", "shape": [-1, len(NAMES)]}
        name = request.path_params["name"]
        return JSONResponse({"name": name, "inputs": [images], "outputs": [scores]})

    async def infer(request: Request) -> JSONResponse:
        sent = (await request.json())["inputs"][0]
        images = np.asarray(sent["data"], np.float32).reshape(sent["shape"])
        scores = np.eye(len(NAMES))[reference(images, int(request.path_params["name"][1:]))]
        data = scores.ravel().tolist()
        reply = {"name": "y", "datatype": "FP32", "shape": list(scores.shape), "data": data}
        return JSONResponse({"model_name": "m", "outputs": [reply]})

    async def plain(request: Request) -> JSONResponse:
        images = np.asarray((await request.json())["images"], np.float32)
        labels = reference(images, int(request.path_params["seed"]))
        if request.path_params["kind"] == "names":
            return JSONResponse({"replies": [{"name": NAMES[i]} for i in labels]})
        scores = np.eye(len(NAMES))[labels].tolist()
        return JSONResponse({"replies": [{"scores": row} for row in scores]})

    routes = [
        Route("/v2/models/{name}", metadata),
        Route("/v2/models/{name}/infer", infer, methods=["POST"]),
        Route("/{kind}/{seed}", plain, methods=["POST"]),
    ]
    config = uvicorn.Config(
        Starlette(routes=routes), log_level="critical", lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    # It listens before the thread starts, so nobody has to wait for the server to be up.
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(30)


def using(target: Target, do: Callable[[LabelOracle], Awaitable[T]]) -> T:
    async def go() -> T:
        if target.kind == "object":
            model = read_object(OBJECTS[target.location])
            assert model is not None
            oracle = await open_object(model, target, target.location)
        else:
            oracle = await open_oracle(target)
        try:
            return await do(oracle)
        finally:
            await oracle.aclose()

    return asyncio.run(go())


def fingerprint(target: Target) -> str:
    async def read(oracle: LabelOracle) -> str:
        return oracle.fingerprint

    return using(target, read)


def inputs_for(spec: InputSpec, batch: NDArray[Any]) -> NDArray[np.float32]:
    """``batch``, drawn around [0, 1], in the units of ``spec``."""
    low, high = (np.asarray(v).reshape(-1, 1, 1) for v in (spec.low, spec.high))
    return np.asarray(low + (high - low) * batch, dtype=np.float32)


def test_it_is_an_oracle(case: Case) -> None:
    async def check(oracle: LabelOracle) -> None:
        assert isinstance(oracle, LabelOracle)
        assert isinstance(oracle.wire, WireCount)
        assert oracle.input_spec.shape == SHAPE
        assert oracle.max_batch >= 1
        assert oracle.request_bytes(2) >= 0
        oracle.take_pace_hint()
        assert oracle.take_pace_hint() is None

    using(case.target, check)


def test_labels_are_the_reference_s_one_int64_per_input(
    case: Case, batch: NDArray[np.float32]
) -> None:
    async def check(oracle: LabelOracle) -> None:
        inputs = inputs_for(oracle.input_spec, batch)
        for n in (1, 5, len(batch)):
            labels = await oracle.predict_labels(inputs[:n])
            assert type(labels) is np.ndarray
            assert labels.dtype == np.int64
            assert labels.shape == (n,)
            expected = case.labels_of(oracle.input_spec.as_sent(inputs[:n]))
            assert labels.tolist() == expected.tolist()

    using(case.target, check)


def test_order_is_kept(case: Case, batch: NDArray[np.float32]) -> None:
    async def check(oracle: LabelOracle) -> None:
        inputs = inputs_for(oracle.input_spec, batch)
        order = np.random.default_rng(3).permutation(len(inputs))
        labels = await oracle.predict_labels(inputs)
        shuffled = await oracle.predict_labels(inputs[order])
        assert len(set(labels.tolist())) > 1
        assert shuffled.tolist() == labels[order].tolist()

    using(case.target, check)


def test_requests_at_the_same_time_do_not_mix(case: Case, batch: NDArray[np.float32]) -> None:
    async def check(oracle: LabelOracle) -> None:
        inputs = inputs_for(oracle.input_spec, batch)
        together = await oracle.predict_labels(inputs)
        asked = oracle.wire.requests
        alone = await asyncio.gather(*(oracle.predict_labels(one[None]) for one in inputs))
        assert np.concatenate(alone).tolist() == together.tolist()
        assert oracle.wire.requests == asked + len(inputs)

    using(case.target, check)


def test_labels_are_in_the_label_space(case: Case, batch: NDArray[np.float32]) -> None:
    async def check(oracle: LabelOracle) -> None:
        labels = await oracle.predict_labels(inputs_for(oracle.input_spec, batch * 4 - 1.5))
        assert labels.min() >= 0
        assert labels.max() < (oracle.label_space.size or 4)
        assert all(oracle.label_space.name(i) for i in labels)

    using(case.target, check)


def test_no_score_is_in_reach(case: Case, batch: NDArray[np.float32]) -> None:
    async def check(oracle: LabelOracle) -> None:
        labels = await oracle.predict_labels(inputs_for(oracle.input_spec, batch))
        assert labels.base is None or labels.base.dtype == np.int64
        found = list(public_values(oracle, 4))
        assert len(found) > 5
        for value in found:
            assert type(value).__module__.partition(".")[0] != "torch"
            assert not (isinstance(value, np.ndarray) and value.dtype.kind == "f")

    using(case.target, check)


def public_values(thing: Any, depth: int) -> Iterator[Any]:
    """Everything that public attributes, keys and items of ``thing`` lead to."""
    yield thing
    if depth == 0 or isinstance(thing, str | bytes | int | float | None) or callable(thing):
        return
    if isinstance(thing, dict):
        parts = list(thing.values())
    elif isinstance(thing, list | tuple | set):
        parts = list(thing)
    else:
        names = [name for name in dir(thing) if not name.startswith("_")]
        parts = [getattr(thing, name) for name in names]
    for part in parts:
        yield from public_values(part, depth - 1)


@pytest.mark.parametrize("shape", [(2, 3, 5, 6), (2, 6, 5, 3), (3, 6, 5), (2, 90), (0, 3, 6, 5)])
def test_wrong_shapes_never_leave(case: Case, shape: tuple[int, ...]) -> None:
    refused(case, lambda _: np.zeros(shape, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_never_leave(case: Case, value: float) -> None:
    refused(case, lambda _: np.full((2, *SHAPE), value, np.float32))


def test_too_many_inputs_never_leave(case: Case) -> None:
    refused(case, lambda oracle: np.zeros((oracle.max_batch + 1, *SHAPE), np.float32))


def refused(case: Case, make: Callable[[LabelOracle], NDArray[Any]]) -> None:
    async def check(oracle: LabelOracle) -> None:
        before = oracle.wire.requests
        with pytest.raises(TargetError):
            await oracle.predict_labels(make(oracle))
        assert oracle.wire.requests == before

    using(case.target, check)


def test_a_full_batch_works(case: Case) -> None:
    async def check(oracle: LabelOracle) -> None:
        many = np.random.default_rng(9).random((oracle.max_batch, *SHAPE))
        inputs = inputs_for(oracle.input_spec, many)
        labels = await oracle.predict_labels(inputs)
        expected = case.labels_of(oracle.input_spec.as_sent(inputs))
        assert labels.tolist() == expected.tolist()

    using(case.target, check)


def test_a_fingerprint_is_the_same_until_something_changes(case: Case) -> None:
    first = fingerprint(case.target)
    assert fingerprint(case.target) == first
    assert fingerprint(case.other) != first
    assert fingerprint(replace(case.target, value_range=(0.0, 3.0))) != first
    assert fingerprint(replace(case.target, batch=2)) == first
    if case.float_access:
        assert fingerprint(replace(case.target, access="image")) != first


def test_the_description_is_json(case: Case) -> None:
    async def check(oracle: LabelOracle) -> None:
        assert json.loads(json.dumps(oracle.description))["kind"] == case.target.kind

    using(case.target, check)


def test_closing_twice_is_fine(case: Case) -> None:
    async def check(oracle: LabelOracle) -> None:
        await oracle.aclose()
        await oracle.aclose()

    using(case.target, check)


# The part of the contract that is arithmetic


SPEC = InputSpec((3, 6, 5), (-1.0, 0.0, -2.5), (1.0, 255.0, 2.25))


def test_pixels_map_as_the_formula_says(batch: NDArray[np.float32]) -> None:
    low = np.reshape(SPEC.low, (-1, 1, 1))
    gain = np.reshape(SPEC.high, (-1, 1, 1)) - low
    many = inputs_for(SPEC, np.random.default_rng(2).normal(0.5, 0.5, (700, *SHAPE)))
    scaled = np.clip((many.astype(np.float64) - low) / gain * 255.0, 0.0, 255.0)
    pixels = SPEC.to_pixels(many)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, np.rint(scaled).astype(np.uint8))
    inputs = np.asarray(low + gain * (pixels.astype(np.float64) / 255.0), dtype=np.float32)
    assert np.array_equal(SPEC.from_pixels(pixels), inputs)
    assert np.array_equal(SPEC.from_pixels(pixels.astype(np.int64)), inputs)
    assert np.array_equal(SPEC.to_pixels(inputs), pixels)
    assert np.array_equal(SPEC.from_pixels(pixels[0]), inputs[0])
    assert np.array_equal(SPEC.to_pixels(inputs[0]), pixels[0])
    assert SPEC.to_pixels(batch[:0]).shape == (0, *SHAPE)


def test_a_spec_comes_back_from_its_record() -> None:
    spec = replace(SPEC, range_source="model metadata")
    record = json.loads(json.dumps(spec.as_record()))
    assert record["origin"] == "model metadata"
    assert set(record) == {"shape", "low", "high", "access", "encoding", "origin"}
    assert InputSpec.from_record(record) == spec


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (-2.1, 2.6)])
def test_pixels_in_float64_and_from_the_faster_ways_are_the_same(low: float, high: float) -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(-1, 1, 1, 1)
    spec = InputSpec((1, 1, 1), (low,), (high,))
    exact = (low + (high - low) * (pixels.astype(np.float64) / 255.0)).astype(np.float32)
    assert np.array_equal(spec.from_pixels(pixels), exact)
    assert np.array_equal(spec.to_pixels(exact), pixels)


@pytest.mark.parametrize(
    ("sent", "recoded", "seen"),
    [
        ("png", "", "png"),
        ("png", "jpeg:75", "jpeg:75"),
        ("jpeg:90", "", "jpeg:90"),
        ("jpeg:90", "jpeg:75/444", "jpeg:75"),
        ("jpeg:90/444", "jpeg:90", "jpeg:90"),
        ("jpeg:90/444", "jpeg:75/444", "jpeg:75/444"),
        ("png", "jpeg:75/444", "jpeg:75/444"),
        ("jpeg:60", "jpeg:75", "jpeg:60"),
    ],
)
def test_of_two_codings_the_model_sees_the_coarser(sent: str, recoded: str, seen: str) -> None:
    spec = InputSpec((1, 2, 2), (0.0,), (1.0,), "image", sent, recoded=recoded)
    assert spec.coding == seen
    assert spec.lossy is (seen != "png")
    assert InputSpec.from_record(spec.as_record()) == spec
    assert ("recoded" in spec.as_record()) is bool(recoded)
