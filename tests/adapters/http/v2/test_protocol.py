from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.responses import Response

from adapters.errors import BadReply, InputRejected, NotFound, ServerFailed, TargetError
from adapters.http import open_oracle
from adapters.target import HttpOptions, ReplyFormat, Target

Mount = Callable[[Any], str]


def _target(url: str, *, http: dict[str, Any] | None = None, **options: Any) -> Target:
    options.setdefault("value_range", (0.0, 1.0))
    return Target("http", f"{url}/v2/models/audit", http=HttpOptions(**(http or {})), **options)


def _ask(target: Target, *batches: Any) -> tuple[list[Any], Any]:
    async def run() -> tuple[list[Any], Any]:
        oracle = await open_oracle(target)
        try:
            return [await oracle.predict_labels(batch) for batch in batches], oracle
        finally:
            await oracle.aclose()

    return asyncio.run(run())


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_url_and_range_suffice(mount: Mount, v2: Any, model: Any, transport: str) -> None:
    batch = model.batch(7)
    (labels,), oracle = _ask(_target(mount(v2), http={"transport": transport}), batch)
    assert labels.dtype == np.int64
    assert labels.tolist() == model.labels(batch).tolist()
    assert len(set(labels.tolist())) > 1
    assert oracle.input_spec.shape == model.shape
    assert oracle.max_batch == 64
    assert oracle.label_space.size == 10
    assert oracle.description["transport"] == transport
    json.dumps(oracle.description)


def test_json_brings_every_float32_unclipped_and_unchanged(
    mount: Mount, v2: Any, model: Any
) -> None:
    batch = model.batch(3)
    _ask(_target(mount(v2)), batch)
    assert (v2.seen[0].astype(np.float32) == batch).all()
    assert batch.min() < 0
    assert batch.max() > 1


@pytest.mark.parametrize("ending", ["", "/", "/infer", "/versions/3", "/versions/3/infer"])
def test_every_way_to_write_the_url(mount: Mount, v2: Any, model: Any, ending: str) -> None:
    url = f"{mount(v2)}/v2/models/audit"
    target = Target("http", url + ending, value_range=(0, 1))
    _, oracle = _ask(target, model.batch(1))
    version = "/versions/3" if "3" in ending else ""
    assert v2.requests[-1] == f"POST /v2/models/audit{version}/infer"
    assert oracle.fingerprint.startswith(f"{url}{version}; ")
    assert f"version {'3' if version else '1'};" in oracle.fingerprint


def test_query_goes_to_every_url(mount: Mount, v2: Any, model: Any) -> None:
    seen: list[str] = []

    async def watch(request: Any) -> Any:
        seen.append(request.url.query)
        return await v2(request)

    _ask(Target("http", f"{mount(watch)}/v2/models/audit/infer?tenant=a%20b"), model.batch(1))
    assert set(seen) == {"tenant=a%20b"}
    assert len(seen) == 3


def test_nhwc_is_read_from_the_shape(mount: Mount, v2: Any, model: Any) -> None:
    v2.layout, v2.dims = "NHWC", [-1, 5, 6, 3]
    batch = model.batch(6)
    (labels,), oracle = _ask(_target(mount(v2)), batch)
    assert labels.tolist() == model.labels(batch).tolist()
    assert oracle.input_spec.shape == (3, 5, 6)
    assert oracle.description["layout"] == "NHWC"


@pytest.mark.parametrize(
    ("dims", "options", "words"),
    [
        ([-1, 3, 5, 3], {}, "--layout"),
        ([-1, 7, 8, 9], {}, "--layout"),
        ([-1, 3, -1, -1], {}, "--shape"),
        ([-1, -1, -1, -1], {"shape": (3, 5, 6)}, "--layout"),
        ([-1, 3, 5, 6], {"shape": (3, 9, 6)}, "does not fit"),
        ([-1, 90], {}, "--shape"),
        ([-1, 91], {"shape": (3, 5, 6)}, "91 values"),
        ([-1, 1, 3, 5, 6], {}, "not that of an image"),
    ],
)
def test_an_open_choice_is_asked_not_guessed(
    mount: Mount, v2: Any, dims: list[int], options: dict[str, Any], words: str
) -> None:
    v2.dims = dims
    with pytest.raises(TargetError, match=words):
        _ask(_target(mount(v2), **options))


@pytest.mark.parametrize(
    ("dims", "options"),
    [
        ([-1, 3, -1, -1], {"shape": (3, 5, 6)}),
        ([-1, -1, -1, -1], {"shape": (3, 5, 6), "layout": "NCHW"}),
        ([-1, 90], {"shape": (3, 5, 6)}),
        ([3, 5, 6], {}),
    ],
)
def test_shape_fills_open_sizes(
    mount: Mount, v2: Any, model: Any, dims: list[int], options: dict[str, Any]
) -> None:
    v2.dims = dims
    batch = model.batch(1)
    (labels,), oracle = _ask(_target(mount(v2), **options), batch)
    assert labels.tolist() == model.labels(batch).tolist()
    tensor = json.loads(v2.bodies[-1])["inputs"][0]
    assert len(tensor["shape"]) == len(dims)
    assert oracle.max_batch == (1 if len(dims) == 3 else 64)


def test_grey_without_channel_axis(mount: Mount, v2: Any, model: Any) -> None:
    model.__init__(shape=(1, 6, 7))
    v2.dims = [-1, 6, 7]
    batch = model.batch(2)
    (labels,), oracle = _ask(_target(mount(v2)), batch)
    assert labels.tolist() == model.labels(batch).tolist()
    assert oracle.input_spec.shape == (1, 6, 7)


def test_unbatched_scores_may_lack_the_batch_axis_too(mount: Mount, v2: Any, model: Any) -> None:
    v2.dims = [3, 5, 6]
    v2.output["shape"] = [10]
    v2.answer = lambda scores: [
        {"name": "logits", "datatype": "FP32", "shape": [10], "data": scores[0].tolist()}
    ]
    batch = model.batch(1)
    (labels,), _ = _ask(_target(mount(v2)), batch)
    assert labels.tolist() == model.labels(batch).tolist()


def test_fixed_batch_is_filled_up_and_said(mount: Mount, v2: Any, model: Any) -> None:
    v2.dims = [4, 3, 5, 6]
    full, rest = model.batch(4), model.batch(3, seed=1)
    (a, b), oracle = _ask(_target(mount(v2)), full, rest)
    assert a.tolist() == model.labels(full).tolist()
    assert b.tolist() == model.labels(rest).tolist()
    assert oracle.max_batch == 4
    assert "4" in oracle.description["padding"]
    assert len(v2.seen[1]) == 4


def test_batch_limits(mount: Mount, v2: Any, model: Any) -> None:
    v2.name, v2.config = "triton", {"max_batch_size": 5}
    _, oracle = _ask(_target(mount(v2)))
    assert oracle.max_batch == 5
    _, oracle = _ask(_target(mount(v2), batch=3))
    assert oracle.max_batch == 3
    with pytest.raises(TargetError, match="4 inputs"):
        _ask(_target(mount(v2), batch=3), model.batch(4))


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize("datatype", ["FP32", "FP64", "FP16"])
def test_raw_tensors_where_listed(
    mount: Mount, v2: Any, model: Any, datatype: str, transport: str
) -> None:
    v2.datatype, v2.takes_binary, v2.extensions = datatype, True, ["binary_tensor_data"]
    batch = model.batch(9)
    (labels,), oracle = _ask(_target(mount(v2), http={"transport": transport}), batch)
    sent = batch.astype(np.float16) if datatype == "FP16" else batch
    assert labels.tolist() == model.labels(sent).tolist()
    assert (v2.seen[-1] == sent).all()
    assert oracle.description["protocol"] == "v2-binary"


def test_unlisted_raw_tensors_only_when_asked(mount: Mount, v2: Any, model: Any) -> None:
    v2.takes_binary = True
    url = mount(v2)
    _, quiet = _ask(_target(url), model.batch(1))
    assert quiet.description["protocol"] == "v2"
    _, asked = _ask(_target(url, http={"protocol": "v2-binary"}), model.batch(1))
    assert asked.description["protocol"] == "v2-binary"
    assert asked.fingerprint == quiet.fingerprint


def test_raw_tensors_fall_back_to_json_and_say_so(mount: Mount, v2: Any, model: Any) -> None:
    v2.extensions = ["binary_tensor_data"]
    batch = model.batch(2)

    async def run() -> tuple[Any, Any]:
        oracle = await open_oracle(_target(mount(v2)))
        try:
            with pytest.raises(ServerFailed) as failure:
                await oracle.predict_labels(batch)
            assert failure.value.advice.kind == "transient"
            return await oracle.predict_labels(batch), oracle
        finally:
            await oracle.aclose()

    labels, oracle = asyncio.run(run())
    assert labels.tolist() == model.labels(batch).tolist()
    assert "could not be read" in oracle.description["fallback"]
    # Both sends are the caller's own: opening asks the model nothing.
    assert sum("infer" in line for line in v2.requests) == 2


def test_one_odd_success_does_not_change_the_format(mount: Mount, v2: Any, model: Any) -> None:
    v2.takes_binary, v2.extensions = True, ["binary_tensor_data"]
    pages = [Response(b"<title>one moment</title>")]

    async def answer(request: Any) -> Any:
        return pages.pop() if request.url.path.endswith("/infer") and pages else await v2(request)

    async def run() -> Any:
        oracle = await open_oracle(_target(mount(answer)))
        try:
            with pytest.raises(BadReply, match="one moment") as odd:
                await oracle.predict_labels(model.batch(2))
            assert odd.value.advice.kind == "odd"
            return await oracle.predict_labels(model.batch(2)), oracle
        finally:
            await oracle.aclose()

    labels, oracle = asyncio.run(run())
    assert labels.tolist() == model.labels(model.batch(2)).tolist()
    assert "fallback" not in oracle.description


def test_opening_asks_the_model_nothing(mount: Mount, v2: Any) -> None:
    v2.takes_binary, v2.extensions = True, ["binary_tensor_data"]
    _ask(_target(mount(v2)))
    assert not any("infer" in line for line in v2.requests)


def test_raw_tensors_asked_and_refused(mount: Mount, v2: Any, model: Any) -> None:
    with pytest.raises(ServerFailed):
        _ask(_target(mount(v2), http={"protocol": "v2-binary"}), model.batch(1))


def test_json_where_json_is_asked_for(mount: Mount, v2: Any, model: Any) -> None:
    v2.takes_binary, v2.extensions = True, ["binary_tensor_data"]
    _, oracle = _ask(_target(mount(v2), http={"protocol": "v2-json"}), model.batch(1))
    assert oracle.description["protocol"] == "v2"
    assert json.loads(v2.bodies[0])["inputs"][0]["data"]


def test_fp16_overflow_is_refused(mount: Mount, v2: Any, model: Any) -> None:
    v2.datatype, v2.takes_binary = "FP16", True
    with pytest.raises(TargetError, match="FP16"):
        _ask(_target(mount(v2)), model.batch(1) * 1e5)


def test_fp64_json_holds_the_float32_exactly(mount: Mount, v2: Any, model: Any) -> None:
    v2.datatype = "FP64"
    batch = model.batch(2)
    _ask(_target(mount(v2)), batch)
    assert (v2.seen[0] == batch.astype(np.float64)).all()


def test_uint8_gets_pixels(mount: Mount, v2: Any, model: Any) -> None:
    v2.datatype = "UINT8"
    batch = model.batch(5)
    (labels,), oracle = _ask(_target(mount(v2), access="image"), batch)
    pixels = oracle.input_spec.to_pixels(batch)
    assert (v2.seen[0] == pixels).all()
    assert labels.tolist() == model.labels(pixels / 255.0).tolist()


def test_image_access_sends_eight_bit_values_in_model_units(
    mount: Mount, v2: Any, model: Any
) -> None:
    batch = model.batch(5)
    target = _target(mount(v2), access="image", mean=(0.5,), std=(0.25,))
    _, oracle = _ask(target, batch)
    sent = v2.seen[0].astype(np.float32)
    assert (sent == oracle.input_spec.as_sent(batch)).all()
    assert sent.min() >= -2
    assert sent.max() <= 2
    assert len(np.unique(sent)) <= 256


def test_int32_gets_whole_numbers_where_the_range_gives_them(
    mount: Mount, v2: Any, model: Any
) -> None:
    v2.datatype = "INT32"
    target = _target(mount(v2), access="image", value_range=(0.0, 255.0))
    _ask(target, model.batch(2) * 100)
    assert v2.seen[0].dtype.kind == "i"
    assert v2.seen[0].max() > 1
    with pytest.raises(TargetError, match="0,255"):
        _ask(_target(mount(v2), access="image", value_range=(0.0, 1.0)))


@pytest.mark.parametrize(
    ("datatype", "options", "words"),
    [
        ("UINT8", {}, "--access image"),
        ("INT64", {}, "--access image"),
        ("BYTES", {"access": "image"}, "pass --shape"),
        ("BF16", {}, "protocol http"),
        ("FP32", {"encoding": "uint8"}, "--access image"),
        ("FP32", {"access": "image", "encoding": "png"}, "decode images into"),
        ("FP32", {"access": "image", "encoding": "gif"}, "no encoding"),
    ],
)
def test_values_that_cannot_travel_are_refused(
    mount: Mount, v2: Any, datatype: str, options: dict[str, Any], words: str
) -> None:
    v2.datatype = datatype
    with pytest.raises(TargetError, match=words):
        _ask(_target(mount(v2), **options))


@pytest.mark.parametrize("columns", [False, True])
def test_integer_outputs_are_labels(mount: Mount, v2: Any, model: Any, *, columns: bool) -> None:
    v2.output = {"name": "label", "datatype": "INT64", "shape": [-1, 1]}
    v2.answer = lambda scores: [
        {
            "name": "label",
            "datatype": "INT64",
            "shape": [len(scores), 1] if columns else [len(scores)],
            "data": scores.argmax(1).tolist(),
        }
    ]
    batch = model.batch(6)
    (labels,), _ = _ask(_target(mount(v2)), batch)
    assert labels.tolist() == model.labels(batch).tolist()


def test_wide_integers_are_not_taken_for_scores(mount: Mount, v2: Any, model: Any) -> None:
    v2.answer = lambda _: [
        {"name": "logits", "datatype": "INT64", "shape": [1, 5], "data": [3, 1, 4, 0, 9]}
    ]
    with pytest.raises(BadReply, match="scores or indices"):
        _ask(_target(mount(v2)), model.batch(1))


def test_triton_classification(mount: Mount, v2: Any, model: Any) -> None:
    v2.output = {"name": "logits", "datatype": "BYTES", "shape": [-1, 2]}

    def top_two(scores: Any) -> list[dict[str, Any]]:
        order = np.argsort(-scores, axis=1)[:, :2]
        data = [f"{scores[i, k]:f}:{k}:c{k}" for i, row in enumerate(order) for k in row]
        return [{"name": "logits", "datatype": "BYTES", "shape": list(order.shape), "data": data}]

    v2.answer = top_two
    batch = model.batch(6)
    (labels,), _ = _ask(_target(mount(v2)), batch)
    assert labels.tolist() == model.labels(batch).tolist()


def test_class_names_as_bytes(mount: Mount, v2: Any, model: Any) -> None:
    v2.output = {"name": "name", "datatype": "BYTES", "shape": [-1]}
    v2.answer = lambda scores: [
        {
            "name": "name",
            "datatype": "BYTES",
            "shape": [len(scores)],
            "data": [f"class {k}" for k in scores.argmax(1)],
        }
    ]
    batch = model.batch(6)
    (labels,), oracle = _ask(_target(mount(v2)), batch)
    names = [oracle.label_space.name(k) for k in labels]
    assert names == [f"class {k}" for k in model.labels(batch)]
    with pytest.raises(BadReply, match="'class "):
        _ask(_target(mount(v2), classes=("cat", "dog")), batch)


def test_several_outputs_need_a_name(mount: Mount, v2: Any, model: Any) -> None:
    v2.extra_outputs = [{"name": "embedding", "datatype": "FP32", "shape": [-1, 512]}]
    with pytest.raises(TargetError, match="logits, embedding"):
        _ask(_target(mount(v2)))
    batch = model.batch(2)
    (labels,), _ = _ask(_target(mount(v2), http={"reply": ReplyFormat(path="logits")}), batch)
    assert labels.tolist() == model.labels(batch).tolist()
    assert json.loads(v2.bodies[-1])["outputs"] == [{"name": "logits"}]


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({"shape": [1, 10], "data": [0.0] * 9}, "9 values"),
        ({"shape": [2, 5], "data": [0.0] * 10}, "2 labels for 1 inputs"),
        ({"shape": [1, 9], "data": [0.0] * 9}, "9 classes"),
        ({"shape": [1, 10], "data": ["a"] * 10}, "something else"),
        ({"shape": [1, 10], "data": [[0.0], [1.0, 2.0]]}, "unequal"),
        ({"shape": [1, 10], "data": None}, "no data"),
        ({"shape": None, "data": [0.0] * 10}, "no shape"),
        ({"shape": [1, 10], "data": [0.0] * 10, "datatype": "XY"}, "datatype"),
        ({"shape": [1, 10], "data": [0.0] * 10, "name": "other"}, "no output 'logits'"),
        ({"shape": [1, 1], "data": [70000], "datatype": "INT64"}, "outside"),
        ({"shape": [1, 1], "data": [0.5], "datatype": "INT64"}, "other numbers"),
    ],
)
def test_no_label_is_made_up(
    mount: Mount, v2: Any, model: Any, output: dict[str, Any], words: str
) -> None:
    v2.answer = lambda _: [{"name": "logits", "datatype": "FP32"} | output]
    with pytest.raises(BadReply, match=words):
        _ask(_target(mount(v2)), model.batch(1))


@pytest.mark.parametrize("raw", ["short", "length", "size"])
def test_broken_raw_replies(mount: Mount, v2: Any, model: Any, raw: str) -> None:
    v2.takes_binary = True
    from_model = v2._binary

    def broken(outputs: Any) -> Any:
        response = from_model(outputs)
        if raw == "short":
            body = response.body[:-8]
        elif raw == "length":
            response.headers["inference-header-content-length"] = "999999"
            body = response.body
        else:
            body = response.body.replace(b'"binary_data_size": 40', b'"binary_data_size": -4')
        response.body = body
        response.headers["content-length"] = str(len(body))
        return response

    v2._binary = broken
    with pytest.raises(BadReply):
        _ask(_target(mount(v2), http={"protocol": "v2-binary"}), model.batch(1))


def test_a_new_model_version_is_another_origin(mount: Mount, v2: Any, model: Any) -> None:
    async def run() -> None:
        oracle: Any = await open_oracle(_target(mount(v2)))
        await oracle.predict_labels(model.batch(1))
        assert oracle.server_identity["model_version"] == "1"
        v2.version = "2"
        await oracle.predict_labels(model.batch(1))
        assert oracle.server_identity["model_version"] == "2"
        await oracle.aclose()

    asyncio.run(run())


def test_classes_must_match_the_scores(mount: Mount, v2: Any) -> None:
    with pytest.raises(TargetError, match="10 classes"):
        _ask(_target(mount(v2), classes=("cat", "dog")))


def test_unknown_model_and_wrong_url(mount: Mount, v2: Any) -> None:
    with pytest.raises(NotFound, match="unknown model"):
        _ask(Target("http", f"{mount(v2)}/v2/models/other"))
    with pytest.raises(TargetError, match="/v2/models/NAME"):
        _ask(Target("http", mount(v2), http=HttpOptions(protocol="v2")))


def test_server_words_reach_the_user(mount: Mount, v2: Any, model: Any) -> None:
    v2.dims = [-1, 3, 5, 6]

    async def run() -> None:
        oracle = await open_oracle(_target(mount(v2)))
        v2.dims = [9, 3, 5, 6]
        try:
            with pytest.raises(InputRejected, match="unexpected shape for input"):
                await oracle.predict_labels(model.batch(1))
        finally:
            await oracle.aclose()

    asyncio.run(run())


@pytest.mark.parametrize("protocol", ["v2", "v2-binary"])
def test_request_bytes_is_a_fair_estimate(mount: Mount, v2: Any, model: Any, protocol: str) -> None:
    v2.takes_binary = True
    _, oracle = _ask(_target(mount(v2), http={"protocol": protocol}), model.batch(16))
    assert oracle.request_bytes(16) == pytest.approx(len(v2.bodies[-1]) + 300, rel=0.2)
