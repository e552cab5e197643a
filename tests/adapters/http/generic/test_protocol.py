from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from adapters.errors import BadReply, ServerFailed, TargetError
from adapters.http import open_oracle
from adapters.target import HttpOptions, Limits, ReplyFormat, RequestFormat, Target

Mount = Callable[[Any], str]


def _options(**fields: Any) -> HttpOptions:
    """HttpOptions from ``request_x`` and ``reply_x`` fields and plain ones."""
    request = {k[8:]: v for k, v in fields.items() if k.startswith("request_")}
    reply = {k[6:]: v for k, v in fields.items() if k.startswith("reply_")}
    rest = {k: v for k, v in fields.items() if not k.startswith(("request_", "reply_"))}
    return HttpOptions(request=RequestFormat(**request), reply=ReplyFormat(**reply), **rest)


def _target(url: str, options: HttpOptions, **fields: Any) -> Target:
    return Target("http", url, http=options, **({"shape": (3, 5, 6)} | fields))


def _ask(target: Target, batch: Any) -> tuple[Any, Any]:
    async def run() -> tuple[Any, Any]:
        oracle = await open_oracle(target)
        try:
            return await oracle.predict_labels(batch), oracle
        finally:
            await oracle.aclose()

    return asyncio.run(run())


class Endpoint:
    """Answers with ``answer(request, body)`` and keeps what came in."""

    def __init__(self, answer: Callable[[Request, bytes], Any]) -> None:
        self.answer = answer
        self.bodies: list[bytes] = []
        self.types: list[str] = []

    async def __call__(self, request: Request) -> Response:
        body = await request.body()
        self.bodies.append(body)
        self.types.append(request.headers.get("content-type", ""))
        return Response(json.dumps(self.answer(request, body)))


def _always(value: Any) -> Endpoint:
    return Endpoint(lambda _request, _body: value)


def _pixels(data: bytes) -> Any:
    """``(1, c, h, w)`` of an encoded picture."""
    array = np.asarray(Image.open(io.BytesIO(data)))
    return array.transpose(2, 0, 1)[None] if array.ndim == 3 else array[None, None]


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_arrays_to_scores(mount: Mount, model: Any, layout: str, transport: str) -> None:
    def answer(_: Request, body: bytes) -> Any:
        inputs = np.array(json.loads(body)["instances"])
        if layout == "NHWC":
            inputs = inputs.transpose(0, 3, 1, 2)
        return {"predictions": model.scores(inputs).tolist()}

    options = _options(
        request_template='{"instances": "$INPUTS"}', reply_path="predictions", transport=transport
    )
    target = _target(mount(Endpoint(answer)), options, layout=layout)
    for n in (1, 5):
        labels, oracle = _ask(target, model.batch(n))
        assert labels.tolist() == model.labels(model.batch(n)).tolist()
    assert oracle.max_batch == 64
    assert oracle.label_space.size == 10


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(("axes", "channels"), [("flat", 3), ("flat", 1), ("grey", 1)])
@pytest.mark.parametrize("many", [True, False])
def test_arrays_without_a_channel_axis_and_flat_ones(
    mount: Mount, model: Any, layout: str, axes: str, channels: int, *, many: bool
) -> None:
    model = type(model)((channels, 5, 6))
    wire = (channels, 5, 6) if layout == "NCHW" else (5, 6, channels)

    def answer(_: Request, body: bytes) -> Any:
        values = np.array(json.loads(body)["x"])
        values = values if many else values[None]
        assert values.shape[1:] == ((5, 6) if axes == "grey" else (channels * 30,))
        inputs = values.reshape(-1, *wire)
        return model.scores(inputs if layout == "NCHW" else inputs.transpose(0, 3, 1, 2)).tolist()

    template = '{"x": "$INPUTS"}' if many else '{"x": "$INPUT"}'
    options = _options(request_template=template, request_axes=axes)
    target = _target(mount(Endpoint(answer)), options, layout=layout, shape=(channels, 5, 6))
    batch = model.batch(3 if many else 1)
    labels, _ = _ask(target, batch)
    assert labels.tolist() == model.labels(batch).tolist()


def test_float_access_is_not_clipped(mount: Mount, model: Any) -> None:
    endpoint = _always([[0, 1]])
    _ask(_target(mount(endpoint), _options()), model.batch(1))
    sent = np.array(json.loads(endpoint.bodies[0])["inputs"])
    assert (sent.astype(np.float32) == model.batch(1)).all()


def test_whole_numbers_still_look_like_floats(mount: Mount) -> None:
    endpoint = _always([[0, 1]])
    _ask(_target(mount(endpoint), _options()), np.ones((1, 3, 5, 6), np.float32))
    values = np.array(json.loads(endpoint.bodies[0])["inputs"])
    assert values.dtype == np.float64


def _picture_model(model: Any) -> Callable[[bytes], int]:
    return lambda data: int(model.labels(_pixels(data) / 255.0)[0])


def _expected(model: Any, oracle: Any, batch: Any) -> list[int]:
    labels: list[int] = model.labels(oracle.input_spec.to_pixels(batch) / 255.0).tolist()
    return labels


@pytest.mark.parametrize("body", ["raw", "multipart", "base64", "data-uri"])
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_uploads_carry_the_eight_bit_picture(
    mount: Mount, model: Any, body: str, transport: str
) -> None:
    label = _picture_model(model)
    kinds: list[str] = []

    def answer(request: Request, data: bytes) -> Any:
        kinds.append(request.headers["content-type"])
        if body == "multipart":
            data = data.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
        if body in {"base64", "data-uri"}:
            text = json.loads(data)["input"]["image"]
            assert text.startswith("data:image/png;base64,") == (body == "data-uri")
            data = base64.b64decode(text.rpartition(",")[2])
        return {"label": label(data)}

    options = _options(
        request_body=body if body in {"raw", "multipart"} else "json",
        request_value=body if body in {"base64", "data-uri"} else "array",
        request_template='{"input": {"image": "$INPUT"}}',
        reply_path="label",
        reply_kind="index",
        transport=transport,
    )
    batch = model.batch(1)
    endpoint = Endpoint(answer)
    labels, oracle = _ask(_target(mount(endpoint), options, access="image"), batch)
    assert labels.tolist() == _expected(model, oracle, batch)
    assert oracle.max_batch == 1
    assert oracle.input_spec.encoding == "png"
    assert oracle.request_bytes(1) == pytest.approx(len(endpoint.bodies[0]) + 300, rel=0.3)
    if body == "raw":
        assert kinds == ["image/png"]
    if body == "multipart":
        assert b'name="file"; filename="input.png"' in endpoint.bodies[0]
        assert b"Content-Type: image/png" in endpoint.bodies[0]


def test_further_fields_of_a_form(mount: Mount, model: Any) -> None:
    endpoint = _always({"label": 1})
    options = _options(
        request_body="multipart",
        request_form={"model": "small", "lang": "en"},
        reply_path="label",
        reply_kind="index",
    )
    _ask(_target(mount(endpoint), options, access="image"), model.batch(1))
    assert b'name="model"\r\n\r\nsmall\r\n' in endpoint.bodies[0]
    assert b'name="lang"\r\n\r\nen\r\n' in endpoint.bodies[0]
    assert b'name="file"; filename="input.png"' in endpoint.bodies[0]


def test_jpeg_upload(mount: Mount, model: Any) -> None:
    endpoint = _always({"label": 1})
    options = _options(request_body="raw", reply_path="label", reply_kind="index")
    target = _target(mount(endpoint), options, access="image", encoding="jpeg:95")
    _ask(target, model.batch(1))
    assert endpoint.types == ["image/jpeg"]
    assert Image.open(io.BytesIO(endpoint.bodies[0])).format == "JPEG"


def test_raw_float32_upload(mount: Mount, model: Any) -> None:
    endpoint = _always({"label": 1})
    options = _options(request_body="raw", reply_path="label", reply_kind="index")
    _ask(_target(mount(endpoint), options, encoding="float32"), model.batch(1))
    assert endpoint.bodies[0] == model.batch(1).tobytes()
    assert endpoint.types == ["application/octet-stream"]


def test_whole_pixels_in_json(mount: Mount, model: Any) -> None:
    endpoint = _always([[0, 1]])
    options = _options(request_value="pixels")
    _, oracle = _ask(_target(mount(endpoint), options, access="image"), model.batch(1))
    sent = np.array(json.loads(endpoint.bodies[0])["inputs"])
    assert sent.dtype == np.int64
    assert (sent == oracle.input_spec.to_pixels(model.batch(1))).all()


def test_image_access_arrays_are_eight_bit_values_in_model_units(mount: Mount, model: Any) -> None:
    endpoint = _always([[0, 1]])
    target = _target(mount(endpoint), _options(), access="image", value_range=(-1.0, 1.0))
    _, oracle = _ask(target, model.batch(1))
    sent = np.array(json.loads(endpoint.bodies[0])["inputs"]).astype(np.float32)
    assert (sent == oracle.input_spec.as_sent(model.batch(1))).all()
    assert sent.min() >= -1


def test_every_item_of_a_batch_may_be_wrapped(mount: Mount, model: Any) -> None:
    label = _picture_model(model)

    def answer(_: Request, body: bytes) -> Any:
        items = json.loads(body)["instances"]
        found = [label(base64.b64decode(item["b64"])) for item in items]
        return {"predictions": [{"label": f"c{k}"} for k in found]}

    options = _options(
        request_template='{"instances": "$INPUTS", "parameters": {}}',
        request_item='{"b64": "$INPUT"}',
        request_value="base64",
        reply_path="predictions.*.label",
        reply_kind="label",
    )
    batch = model.batch(4)
    labels, oracle = _ask(_target(mount(Endpoint(answer)), options, access="image"), batch)
    named = [oracle.label_space.name(k) for k in labels]
    assert named == [f"c{k}" for k in _expected(model, oracle, batch)]


REPLIES = {
    "litserve": ({"label": 2, "scores": [[0, 0, 9]]}, {"path": "label", "kind": "index"}),
    "litserve scores": ({"scores": [[0, 0, 9]]}, {"path": "scores", "kind": "scores"}),
    "bentoml": ([2], {"kind": "index"}),
    "azure": ({"result": [2]}, {"path": "result", "kind": "index"}),
    "mlflow": ({"predictions": {"o": [[0, 0, 9]]}}, {"path": "predictions.o"}),
    "one vector": ([0.1, 0.2, 0.7], {}),
    "cog": (
        {"output": "2", "status": "succeeded", "error": None},
        {
            "path": "output",
            "kind": "index",
            "success_path": "status",
            "success_value": "succeeded",
            "error_path": "error",
        },
    ),
    "whole float": ({"class": 2.0}, {"path": "class", "kind": "index"}),
}


@pytest.mark.parametrize("name", REPLIES)
def test_index_and_score_replies_of_real_servers(mount: Mount, model: Any, name: str) -> None:
    reply, rule = REPLIES[name]
    options = _options(**{f"reply_{key}": value for key, value in rule.items()})
    labels, _ = _ask(_target(mount(_always(reply)), options), model.batch(1))
    assert labels.tolist() == [2]


NAMED = {
    "mosec": ({"label": "cat"}, {"path": "label", "kind": "label"}),
    "hf": (
        [{"label": "dog", "score": 0.1}, {"label": "cat", "score": 0.9}],
        {"kind": "label-score-list"},
    ),
    "gradio": (
        {"data": [{"confidences": [{"label": "cat", "confidence": 0.9}]}]},
        {"path": "data.0.confidences", "kind": "label-score-list", "score_key": "confidence"},
    ),
    "rekognition": (
        {"Labels": [{"Name": "dog", "Confidence": 1}, {"Name": "cat", "Confidence": 99}]},
        {
            "path": "Labels",
            "kind": "label-score-list",
            "label_key": "Name",
            "score_key": "Confidence",
        },
    ),
    "torchserve": ({"dog": 0.0004, "cat": 0.9994}, {"kind": "label-score-dict"}),
    "clarifai": (
        {"outputs": [{"data": {"concepts": [{"name": "cat", "value": 1}]}}]},
        {
            "path": "outputs.*.data.concepts",
            "kind": "label-score-list",
            "label_key": "name",
            "score_key": "value",
        },
    ),
}


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("classes", [None, ("dog", "bird", "cat")])
def test_named_replies_of_real_servers(
    mount: Mount, model: Any, name: str, classes: tuple[str, ...] | None
) -> None:
    reply, rule = NAMED[name]
    options = _options(**{f"reply_{key}": value for key, value in rule.items()})
    target = _target(mount(_always(reply)), options, classes=classes)
    labels, oracle = _ask(target, model.batch(1))
    assert [oracle.label_space.name(k) for k in labels] == ["cat"]
    assert labels.tolist() == [0 if classes is None else 2]


@pytest.mark.parametrize(
    ("reply", "rule", "words"),
    [
        ({"x": 1}, {"path": "label", "kind": "index"}, "no 'label'.*an object with x"),
        ({"label": None}, {"path": "label", "kind": "index"}, "null"),
        ({"label": True}, {"path": "label", "kind": "index"}, "true"),
        ({"label": -1}, {"path": "label", "kind": "index"}, "label -1"),
        ({"label": 1.5}, {"path": "label", "kind": "index"}, "1.5"),
        ({"label": 10**12}, {"path": "label", "kind": "index"}, "index"),
        ({"label": ""}, {"path": "label", "kind": "label"}, "no class name"),
        ({"label": "x" * 300}, {"path": "label", "kind": "label"}, "no class name"),
        ({"label": "\ud800"}, {"path": "label", "kind": "label"}, "no class name"),
        ({"label": {}}, {"path": "label", "kind": "label"}, "not with a class name"),
        ([], {"kind": "index"}, "0 labels for 1"),
        ([1, 2], {"kind": "index"}, "2 labels for 1"),
        ([], {"kind": "label-score-list"}, "no class at all"),
        ([{"label": "a"}], {"kind": "label-score-list"}, "'score'"),
        ([{"label": "a", "score": "high"}], {"kind": "label-score-list"}, "score should be"),
        ({}, {"kind": "label-score-dict"}, "no class at all"),
        ([[1.0]], {}, "single class"),
        ([["a", "b"]], {}, "numbers should be"),
        ([[1, [2]]], {}, "unequal"),
        ({"p": 3}, {"path": "p.*.x"}, "a list"),
        ("cat", {"path": "label", "kind": "label"}, "a str"),
    ],
)
def test_no_label_is_made_up(
    mount: Mount, model: Any, reply: Any, rule: dict[str, Any], words: str
) -> None:
    options = _options(**{f"reply_{key}": value for key, value in rule.items()})
    with pytest.raises(BadReply, match=words):
        _ask(_target(mount(_always(reply)), options), model.batch(1))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\xff\xfe", "UTF-8"),
        (b"<html>", "not JSON"),
        (b"", "not JSON"),
        (b"[[1, NaN]]", "NaN"),
        (b"[[1, -Infinity]]", "Infinity"),
        (b"[[1, 1e999]]", "infinite"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b"[" * 100_000, "nested"),
        (b"[" + b"9" * 5000 + b"]", "5000 digits"),
        (b"[[1, 2]] x", "not JSON"),
    ],
)
def test_json_that_reads_two_ways_is_refused(
    mount: Mount, model: Any, body: bytes, words: str
) -> None:
    async def raw(_: Request) -> Response:
        return Response(body)

    with pytest.raises(BadReply, match=words):
        _ask(_target(mount(raw), _options()), model.batch(1))


def test_fewer_labels_than_inputs(mount: Mount, model: Any) -> None:
    options = _options(reply_path="p.*.k", reply_kind="index")
    endpoint = _always({"p": [{"k": 1}, {"k": 2}]})
    with pytest.raises(BadReply, match="2 labels for 3 inputs"):
        _ask(_target(mount(endpoint), options), model.batch(3))


def test_one_answer_for_many_inputs(mount: Mount, model: Any) -> None:
    options = _options(reply_path="k", reply_kind="index")
    with pytest.raises(BadReply, match="one answer for 3 inputs"):
        _ask(_target(mount(_always({"k": 1})), options), model.batch(3))


def test_unknown_name_in_a_closed_space_is_named(mount: Mount, model: Any) -> None:
    options = _options(reply_path="k", reply_kind="label")
    target = _target(mount(_always({"k": "wolf"})), options, classes=("cat", "dog"))
    with pytest.raises(BadReply, match="'wolf'"):
        _ask(target, model.batch(1))


def test_success_status_in_the_body(mount: Mount, model: Any) -> None:
    options = _options(
        reply_path="output", reply_kind="index", reply_success_path="ok", reply_success_value="true"
    )
    labels, _ = _ask(_target(mount(_always({"ok": True, "output": 4})), options), model.batch(1))
    assert labels.tolist() == [4]
    with pytest.raises(ServerFailed, match="ok = false"):
        _ask(_target(mount(_always({"ok": False, "output": 4})), options), model.batch(1))


def test_error_in_the_body(mount: Mount, model: Any) -> None:
    options = _options(reply_path="output", reply_kind="index", reply_error_path="error")
    endpoint = _always({"error": "out of \x1b[31mmemory", "output": 4})
    with pytest.raises(ServerFailed, match=r"out of \\x1b\[31mmemory") as caught:
        _ask(_target(mount(endpoint), options), model.batch(1))
    assert caught.value.advice.kind == "odd"


@pytest.mark.parametrize(
    ("options", "fields", "words"),
    [
        ({}, {"shape": None}, "--shape C,H,W"),
        ({"request_body": "multipart"}, {}, "--access image"),
        ({"request_body": "raw"}, {"encoding": "jpeg:90"}, "--access image"),
        ({"request_value": "base64"}, {}, "--access image"),
        ({"request_value": "pixels"}, {}, "--access image"),
        ({}, {"encoding": "png", "access": "image"}, "carries an array"),
        ({"request_body": "raw"}, {"encoding": "jpeg:101", "access": "image"}, "no encoding"),
        ({"request_body": "raw"}, {"shape": (4, 5, 6), "access": "image"}, "1 or 3 channels"),
        ({"request_template": '{"x": 1}'}, {}, "0 times"),
        ({"request_template": '["$INPUT", "$INPUT"]'}, {}, "2 times"),
        ({"request_template": '{"x": "$INPUTS"'}, {}, "not JSON"),
        ({"request_item": "{}"}, {}, "request item holds .* 0 times"),
        ({"request_axes": "grey"}, {}, "the input has 3 channels"),
        ({"request_axes": "flat", "request_value": "base64"}, {"access": "image"}, "has none"),
        ({"request_axes": "flat", "request_body": "raw"}, {"access": "image"}, "carries a file"),
        ({"request_form": {"a": "b"}}, {}, "request.form needs"),
        ({"reply_path": "a..b"}, {}, "not a path"),
        ({"reply_path": "*.b.*"}, {}, "not a path"),
        (
            {"request_body": "multipart", "headers": {"Content-Type": "x/y"}},
            {"access": "image"},
            "Content-Type",
        ),
    ],
)
def test_descriptions_that_cannot_work(
    options: dict[str, Any], fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(TargetError, match=words):
        _ask(_target("http://127.0.0.1:9/x", _options(**options), **fields), None)


def test_method_headers_and_content_type(mount: Mount, model: Any) -> None:
    seen: dict[str, str] = {}

    def answer(request: Request, _: bytes) -> Any:
        seen.update(request.headers, method=request.method)
        return [[0, 1]]

    options = _options(
        request_method="PUT", headers={"Content-Type": "application/x-amz-json-1.1", "X-Model": "a"}
    )
    _ask(_target(mount(Endpoint(answer)), options), model.batch(1))
    assert seen["method"] == "PUT"
    assert seen["content-type"] == "application/x-amz-json-1.1"
    assert seen["x-model"] == "a"
    assert seen["accept"] == "application/json"
    assert seen["accept-encoding"] == "identity"


def test_fingerprint_changes_with_what_makes_answers_incomparable(mount: Mount, model: Any) -> None:
    url = mount(_always([[0, 1]]))

    def fingerprint(options: HttpOptions, **fields: Any) -> str:
        text: str = _ask(_target(url, options, **fields), model.batch(1))[1].fingerprint
        return text

    base = fingerprint(_options())
    assert fingerprint(_options(transport="httpx"), limits=Limits(timeout=5)) == base
    others = [
        fingerprint(_options(), access="image"),
        fingerprint(_options(), layout="NHWC"),
        fingerprint(_options(), value_range=(-1.0, 1.0)),
        fingerprint(_options(), mean=(0.5,)),
        fingerprint(_options(request_template='{"inputs": "$INPUTS", "model": "b"}')),
        fingerprint(_options(reply_path="0", reply_kind="scores")),
    ]
    assert len({base, *others}) == 7


def test_large_inputs_lower_the_default_batch() -> None:
    async def limits() -> int:
        oracle = await open_oracle(_target("http://127.0.0.1:9", _options(), shape=(3, 224, 224)))
        await oracle.aclose()
        return oracle.max_batch

    assert 1 <= asyncio.run(limits()) < 64
