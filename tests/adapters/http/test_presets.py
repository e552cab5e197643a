"""Every preset against a fake that takes its server's documented format and nothing else.

TensorFlow Serving, OpenVINO Model Server and the clouds cannot run in a test; these fakes answer in
the format their documentation records, and refuse whatever it refuses.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from adapters.errors import (
    AccessDenied,
    BadReply,
    EndpointError,
    InputRejected,
    MissingExtra,
    RetryAdvice,
    ServerFailed,
    TargetError,
    Throttled,
    Unreachable,
)
from adapters.http import open_oracle
from adapters.http.client.client import Client
from adapters.images import resized
from adapters.target import Target, read_target

Mount = Callable[[Any], str]
SHAPE = (3, 5, 6)
NAMES = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen", "ibis", "jay")
KEY = "the-key-of-the-test"


class Refusal(Exception):
    """What the documented server refuses."""

    def __init__(self, status: int, body: Any, **headers: str) -> None:
        super().__init__(str(body))
        self.status, self.body, self.headers = status, body, headers


@dataclass
class Fake:
    """A documented server.

    Attributes:
        answer: from ``(request, body)`` to a JSON value or ``(status, JSON value)``.
        seen: every request.
    """

    answer: Callable[[Request, bytes], Any]
    seen: list[Request] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        body = await request.body()
        self.seen.append(request)
        status, headers = 200, {}
        try:
            value = self.answer(request, body)
        except Refusal as refusal:
            status, value, headers = refusal.status, refusal.body, refusal.headers
        if isinstance(value, tuple):
            status, value = value
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        return Response(content, status, headers=headers)


def refuse_unless(holds: object, status: int, body: Any) -> None:
    if not holds:
        raise Refusal(status, body)


def only_keys(value: Any, known: set[str], status: int, body: Any) -> None:
    refuse_unless(isinstance(value, dict) and set(value) <= known, status, body)


def parsed(request: Request, body: bytes, wrong: Any, kind: str = "application/json") -> Any:
    refuse_unless(request.headers.get("content-type") == kind, 415, wrong)
    try:
        return json.loads(body)
    except ValueError:
        raise Refusal(400, wrong) from None


def picture(data: str | bytes) -> NDArray[np.uint8]:
    """Pixels ``(c, h, w)`` of an encoded picture, base64 or not."""
    raw = base64.b64decode(data, validate=True) if isinstance(data, str) else data
    return np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")).transpose(2, 0, 1)


def label_of(model: Any, pixels: NDArray[Any]) -> int:
    return int(model.labels(pixels[None] / 255.0)[0])


def ask(target: Target, batch: Any) -> tuple[list[str], Any]:
    async def run() -> tuple[list[str], Any]:
        oracle = await open_oracle(target)
        try:
            labels = await oracle.predict_labels(batch)
            return [oracle.label_space.name(int(label)) for label in labels], oracle
        finally:
            await oracle.aclose()

    return asyncio.run(run())


def described(url: str, preset: Any, **tables: Any) -> Target:
    table = {"url": url, "preset": preset, "input": {"shape": list(SHAPE)}}
    for name, value in tables.items():
        table[name] = {**table.get(name, {}), **value} if isinstance(value, dict) else value
    return read_target(table)


def expected(model: Any, batch: Any, *, named: bool = True) -> list[str]:
    """What the model calls ``batch`` after it was clipped and rounded to pixels."""
    pixels = np.rint(np.clip(batch, 0, 1) * 255).astype(np.uint8)
    return [NAMES[k] if named else str(k) for k in model.labels(pixels / 255.0)]


@pytest.fixture
def batch(model: Any) -> NDArray[np.float32]:
    """Three inputs, partly outside the range of pixels."""
    return np.asarray(model.batch(3))


# ---- arrays ------------------------------------------------------------------------------------


def test_tensorflow_serving(mount: Mount, model: Any, batch: Any) -> None:
    def answer(request: Request, body: bytes) -> Any:
        wrong = {"error": "JSON Value: ... Is not object"}
        message = parsed(request, body, wrong)
        only_keys(message, {"signature_name", "instances"}, 400, {"error": "unknown key"})
        inputs = np.array(message["instances"], dtype=np.float64)
        refuse_unless(inputs.shape[1:] == SHAPE, 400, {"error": "input size does not match"})
        return {"predictions": model.scores(inputs).tolist()}

    fake = Fake(answer)
    url = mount(fake) + "/v1/models/audit:predict"
    labels, _ = ask(described(url, "instances"), batch)
    assert labels == [str(k) for k in model.labels(batch)]
    with pytest.raises(InputRejected, match="input size does not match"):
        ask(described(url, "instances", input={"layout": "NHWC"}), batch)


def test_tensorflow_serving_says_not_a_number(mount: Mount, batch: Any) -> None:
    fake = Fake(lambda *_: b'{"predictions": [[0.1, NaN], [1, 2], [1, 2]]}')
    with pytest.raises(BadReply, match="NaN"):
        ask(described(mount(fake), "instances"), batch)


def test_pictures_as_b64_instances(mount: Mount, model: Any, batch: Any) -> None:
    def answer(request: Request, body: bytes) -> Any:
        message = parsed(request, body, {"error": "no JSON"})
        for item in message["instances"]:
            only_keys(item, {"b64"}, 400, {"error": "Unsupported instance"})
        found = [picture(item["b64"]) for item in message["instances"]]
        return {"predictions": model.scores(np.stack(found) / 255.0).tolist()}

    labels, _ = ask(described(mount(Fake(answer)), "instances-b64"), batch)
    assert labels == expected(model, batch, named=False)


@pytest.mark.parametrize("flavour", ["onnx", "pyfunc"])
def test_mlflow(mount: Mount, model: Any, batch: Any, flavour: str) -> None:
    def answer(request: Request, body: bytes) -> Any:
        wrong = {"error_code": "BAD_REQUEST", "message": "The received input is not valid"}
        message = parsed(request, body, wrong)
        refuse_unless(len(set(message) & {"inputs", "instances"}) == 1, 400, wrong)
        scores = model.scores(np.array(message["inputs"]))
        if flavour == "onnx":
            return {"predictions": {"logits": scores.tolist()}}
        return {"predictions": scores.argmax(axis=1).tolist()}

    kind = {} if flavour == "onnx" else {"response": {"kind": "index"}}
    labels, _ = ask(described(mount(Fake(answer)) + "/invocations", "mlflow", **kind), batch)
    assert labels == [str(k) for k in model.labels(batch)]


def test_azure_machine_learning(
    mount: Mount, model: Any, batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: Request, body: bytes) -> Any:
        key = request.headers.get("authorization")
        refuse_unless(key == f"Bearer {KEY}", 401, {"error": {"code": "key_auth_bad_header"}})
        message = parsed(request, body, {"message": "An unexpected error occurred"})
        refuse_unless(set(message) == {"data"}, 500, {"message": "An unexpected error occurred"})
        return {"result": model.labels(np.array(message["data"])).tolist()}

    url = mount(Fake(answer)) + "/score"
    with pytest.raises(AccessDenied):
        ask(described(url, "azureml"), batch)
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", KEY)
    assert ask(described(url, "azureml"), batch)[0] == [str(k) for k in model.labels(batch)]


def test_azure_automl_images(mount: Mount, model: Any, batch: Any) -> None:
    def answer(request: Request, body: bytes) -> Any:
        message = parsed(request, body, {"message": "no JSON"})
        only_keys(message, {"input_data"}, 424, {"message": "input_data missing"})
        data = message["input_data"]
        only_keys(data, {"columns", "index", "data"}, 424, {"message": "not a split frame"})
        refuse_unless(len(data["index"]) == len(data["data"]), 424, {"message": "index"})
        rows = []
        for text in data["data"]:
            probs = [0.0] * len(NAMES)
            probs[label_of(model, picture(text))] = 1.0
            rows.append({"filename": "/tmp/x", "probs": probs, "labels": list(NAMES)})
        return rows

    target = described(mount(Fake(answer)), "azureml-image")
    assert ask(target, batch[:1])[0] == expected(model, batch[:1])


@pytest.mark.parametrize("preset", ["bentoml", "litserve"])
def test_services_that_take_arrays(mount: Mount, model: Any, batch: Any, preset: str) -> None:
    key, path = {"bentoml": ("x", "labels"), "litserve": ("input", "label")}[preset]

    def answer(request: Request, body: bytes) -> Any:
        message = parsed(request, body, {"error": "400 Bad Request"})
        refuse_unless(set(message) == {key}, 500, {"detail": "Internal server error"})
        return {path: model.labels(np.array(message[key])).tolist(), "scores": []}

    labels, _ = ask(described(mount(Fake(answer)), preset), batch)
    assert labels == [str(k) for k in model.labels(batch)]


# ---- pictures ----------------------------------------------------------------------------------


def _ranked(model: Any, pixels: NDArray[Any], label: str, score: str) -> list[dict[str, Any]]:
    best = label_of(model, pixels)
    chances = [0.9 if k == best else 0.01 for k in range(len(NAMES))]
    # Not sorted: the highest score counts, not the first place.
    return [{label: name, score: c} for name, c in zip(NAMES, chances, strict=True)]


@pytest.mark.parametrize("encoding", ["png", "jpeg:95"])
def test_hugging_face(mount: Mount, model: Any, batch: Any, encoding: str) -> None:
    def answer(request: Request, body: bytes) -> Any:
        kind = request.headers.get("content-type", "")
        refuse_unless(kind in {"image/png", "image/jpeg"}, 400, {"message": "Content type"})
        refuse_unless(kind.endswith(encoding[:3].replace("jpe", "jpeg")), 400, {"message": "kind"})
        return _ranked(model, picture(body), "label", "score")

    target = described(mount(Fake(answer)), "hf", input={"encoding": encoding})
    labels, oracle = ask(target, batch[:1])
    assert labels[0] in NAMES
    assert oracle.input_spec.access == "image"
    if encoding == "png":
        assert labels == expected(model, batch[:1])


def test_torchserve_and_its_token(
    mount: Mount, model: Any, batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: Request, body: bytes) -> Any:
        wrong = {
            "code": 400,
            "type": "InvalidKeyException",
            "message": "Token Authorization failed",
        }
        refuse_unless(request.headers.get("authorization") == f"Bearer {KEY}", 400, wrong)
        best = label_of(model, picture(body))
        return {name: 0.9 if k == best else 0.01 for k, name in enumerate(NAMES)}

    url = mount(Fake(answer)) + "/predictions/audit"
    with pytest.raises(AccessDenied, match="refused the key") as caught:
        ask(described(url, "torchserve"), batch[:1])
    assert caught.value.advice.kind == "never"
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", KEY)
    assert ask(described(url, "torchserve"), batch[:1])[0] == expected(model, batch[:1])


def test_torchserve_fails_on_a_picture_with_503_and_that_is_no_wish_to_slow_down(
    mount: Mount, batch: Any
) -> None:
    said = {"code": 503, "type": "InternalServerException", "message": "Prediction failed"}
    fake = Fake(lambda *_: (503, said))
    with pytest.raises(ServerFailed, match="Prediction failed") as caught:
        ask(described(mount(fake), "torchserve"), batch[:1])
    assert caught.value.advice.kind == "transient"


def test_mosec_answers_nothing_with_200(mount: Mount, model: Any, batch: Any) -> None:
    good = Fake(lambda _, body: {"label": label_of(model, picture(body))})
    labels, _ = ask(described(mount(good), "mosec"), batch[:1])
    assert labels == expected(model, batch[:1], named=False)
    with pytest.raises(BadReply, match="not JSON"):
        ask(described(mount(Fake(lambda *_: b"no data provided")), "mosec"), batch[:1])


@pytest.mark.parametrize(
    ("preset", "field", "label"),
    [("bentoml-image", "image", "3"), ("litserve-image", "content", 3)],
)
def test_services_that_take_a_picture(
    mount: Mount, batch: Any, preset: str, field: str, label: Any
) -> None:
    def answer(request: Request, body: bytes) -> Any:
        kind = request.headers.get("content-type", "")
        refuse_unless(kind.startswith("multipart/form-data; boundary="), 415, {"error": "kind"})
        refuse_unless(f'name="{field}"; filename="input.png"'.encode() in body, 422, {"error": "f"})
        assert picture(body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]).shape == SHAPE
        return {"label": label, "score": 0.9}

    assert ask(described(mount(Fake(answer)), preset), batch[:1])[0] == ["3"]


# ---- answers that come later -------------------------------------------------------------------


class Replicate:
    """Cog and Replicate: busy, then a job, then its answer."""

    def __init__(self, model: Any, url: str = "") -> None:
        self.model, self.looks, self.busy, self.url = model, 0, 0, url
        self.states = ["processing", "processing", "succeeded"]
        self.place = "/v1/predictions/p1"
        self.first = (201, "starting")
        self.output = ""

    def __call__(self, request: Request, body: bytes) -> Any:
        if request.method == "GET":
            state = self.states[min(self.looks, len(self.states) - 1)]
            self.looks += 1
            if state == "hiccup":
                return 502, {"detail": "bad gateway"}
            error = "out of memory" if state == "failed" else None
            return {"id": "p1", "status": state, "output": self.output, "error": error}
        if self.busy:
            self.busy -= 1
            return 409, {"error": "At capacity - all prediction slots busy", "status": "failed"}
        message = parsed(request, body, {"detail": "no JSON"})
        refuse_unless(set(message) == {"input"}, 422, {"detail": "input missing"})
        refuse_unless(request.headers.get("prefer") == "wait", 400, {"detail": "prefer"})
        text = message["input"]["image"]
        refuse_unless(text.startswith("data:image/png;base64,"), 422, {"detail": "no data URI"})
        self.output = NAMES[label_of(self.model, picture(text.partition(",")[2]))]
        status, state = self.first
        place = {"get": self.url + self.place}
        job = {"id": "p1", "status": state, "urls": place, "error": None}
        return status, job if state != "succeeded" else {**job, "output": self.output}


def _replicate(url: str, **tables: Any) -> Target:
    quick = {"interval": 0.01, "timeout": 5}
    return described(url + "/v1/predictions", "replicate", poll=quick, **tables)


def test_replicate_is_asked_once_and_looked_at_until_it_is_done(
    mount: Mount, model: Any, batch: Any
) -> None:
    server = Replicate(model)
    server.states.insert(1, "hiccup")
    server.url = mount(fake := Fake(server))
    labels, oracle = ask(_replicate(server.url), batch[:1])
    assert labels == expected(model, batch[:1])
    assert [r.method for r in fake.seen].count("POST") == 1
    assert server.looks == 4
    assert oracle.wire.requests == 5


def test_cog_answers_at_once(mount: Mount, model: Any, batch: Any) -> None:
    server = Replicate(model)
    server.first = (200, "succeeded")
    server.url = mount(Fake(server))
    assert ask(_replicate(server.url), batch[:1])[0] == expected(model, batch[:1])
    assert server.looks == 0


def test_cog_at_capacity_is_throttling(mount: Mount, model: Any, batch: Any) -> None:
    server = Replicate(model)
    server.busy = 1
    server.url = mount(Fake(server))
    with pytest.raises(Throttled, match="At capacity"):
        ask(_replicate(server.url), batch[:1])


def test_a_failed_prediction_is_no_label_although_it_is_200(
    mount: Mount, model: Any, batch: Any
) -> None:
    server = Replicate(model)
    server.states = ["failed"]
    server.url = mount(Fake(server))
    with pytest.raises(ServerFailed, match="out of memory"):
        ask(_replicate(server.url), batch[:1])


def test_a_look_that_never_left_says_nothing_about_the_job(
    mount: Mount, model: Any, batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Replicate(model)
    server.states = ["processing"]
    server.url = mount(Fake(server))

    async def gone(*_: Any) -> Any:
        raise Unreachable("the host name does not resolve", RetryAdvice("never", unsent=True))

    monkeypatch.setattr(Client, "get", gone)
    with pytest.raises(Unreachable) as caught:
        ask(_replicate(server.url), batch[:1])
    assert caught.value.advice == RetryAdvice("never", outcome_unknown=True)


def test_a_job_that_never_ends_is_given_up_as_perhaps_paid_for(
    mount: Mount, model: Any, batch: Any
) -> None:
    server = Replicate(model)
    server.states = ["processing"]
    server.url = mount(Fake(server))
    target = _replicate(server.url)
    poll = {"url_path": "urls.get", "pending": ["processing", "starting"]}
    target = described(
        target.location, "replicate", poll={**poll, "interval": 0.01, "timeout": 0.2}
    )
    with pytest.raises(ServerFailed, match=r"no answer within poll\.timeout") as caught:
        ask(target, batch[:1])
    assert caught.value.advice.outcome_unknown


def test_a_job_on_another_server_is_not_followed_with_the_key(
    mount: Mount, model: Any, batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", KEY)
    server = Replicate(model, url="http://localhost:1")
    url = mount(Fake(server))
    with pytest.raises(BadReply, match="another server"):
        ask(_replicate(url), batch[:1])
    assert server.looks == 0


def _gradio_picture(request: Request, body: bytes) -> NDArray[Any]:
    message = parsed(request, body, {"detail": "no JSON"})
    refuse_unless(set(message) == {"data"}, 422, {"detail": "data missing"})
    (entry,) = message["data"]
    refuse_unless(entry["meta"] == {"_type": "gradio.FileData"}, 500, {"error": "no file"})
    return picture(entry["url"].partition(",")[2])


def _gradio_answer(model: Any, pixels: NDArray[Any]) -> list[Any]:
    name = NAMES[label_of(model, pixels)]
    return [{"label": name, "confidences": [{"label": name, "confidence": 0.9}]}]


def test_gradio_in_one_step(mount: Mount, model: Any, batch: Any) -> None:
    fake = Fake(lambda r, b: {"data": _gradio_answer(model, _gradio_picture(r, b)), "duration": 1})
    target = described(mount(fake) + "/gradio_api/run/predict", "gradio")
    assert ask(target, batch[:1])[0] == expected(model, batch[:1])


@pytest.mark.parametrize("ending", ["complete", "error", "neither"])
def test_gradio_events(mount: Mount, model: Any, batch: Any, ending: str) -> None:
    told: list[Any] = []

    def answer(request: Request, body: bytes) -> Any:
        if request.method == "POST":
            told.append(_gradio_answer(model, _gradio_picture(request, body)))
            return {"event_id": "e/1"}
        assert request.url.path.endswith("/call/predict/e/1")
        assert "e%2F1" in request.scope["raw_path"].decode()
        refuse_unless("event-stream" in request.headers["accept"], 406, {})
        data = json.dumps(told[0]) if ending == "complete" else '"out of memory"'
        name = ending if ending != "neither" else "generating"
        return f"event: heartbeat\ndata: null\n\nevent: {name}\ndata: {data}\n\n".encode()

    target = described(mount(Fake(answer)) + "/gradio_api/call/predict", "gradio-events")
    if ending == "complete":
        assert ask(target, batch[:1])[0] == expected(model, batch[:1])
        return
    kind, words = (ServerFailed, "out of memory") if ending == "error" else (BadReply, "ended")
    with pytest.raises(kind, match=words):
        ask(target, batch[:1])


# ---- clouds ------------------------------------------------------------------------------------


def test_vertex_automl(mount: Mount, batch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: Request, body: bytes) -> Any:
        refuse_unless(request.headers.get("authorization") == f"Bearer {KEY}", 401, {"error": {}})
        refuse_unless(len(body) <= 1_500_000, 400, {"error": {"message": "too large"}})
        message = parsed(request, body, {"error": {"message": "no JSON"}})
        only_keys(message, {"instances", "parameters"}, 400, {"error": {"message": "field"}})
        only_keys(message["instances"][0], {"content", "mimeType"}, 400, {"error": {}})
        assert picture(message["instances"][0]["content"]).shape == SHAPE
        order = ["dog", "cat"]
        row = {"ids": ["1", "2"], "displayNames": order, "confidences": [0.2, 0.8]}
        return {"predictions": [row], "deployedModelId": "7"}

    monkeypatch.setenv("XRAY_AUDIT_API_KEY", KEY)
    assert ask(described(mount(Fake(answer)), "vertex"), batch[:1])[0] == ["cat"]


class Vision:
    """Google Vision's images:annotate."""

    def __init__(self) -> None:
        self.responses: Callable[[int], list[Any]] = lambda n: (
            [{"labelAnnotations": [{"mid": "/m/1", "description": "cat", "score": 0.97}]}] * n
        )

    def __call__(self, request: Request, body: bytes) -> Any:
        wrong = {"error": {"code": 400, "message": "Invalid", "status": "INVALID_ARGUMENT"}}
        refuse_unless(request.headers.get("x-goog-api-key") == KEY, 403, {"error": {"code": 403}})
        message = parsed(request, body, wrong)
        only_keys(message, {"requests"}, 400, wrong)
        refuse_unless(1 <= len(message["requests"]) <= 16, 400, wrong)
        for entry in message["requests"]:
            only_keys(entry, {"image", "features", "imageContext"}, 400, wrong)
            only_keys(entry["image"], {"content", "source"}, 400, wrong)
            only_keys(entry["features"][0], {"type", "maxResults", "model"}, 400, wrong)
            picture(entry["image"]["content"])
        return {"responses": self.responses(len(message["requests"]))}


@pytest.fixture
def vision(monkeypatch: pytest.MonkeyPatch) -> Vision:
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", KEY)
    return Vision()


def test_google_vision_and_the_class_for_nothing(mount: Mount, vision: Vision, batch: Any) -> None:
    told: Any = [{"labelAnnotations": [{"description": "cat", "score": 0.9}]}, {}]
    told.append({"labelAnnotations": []})
    vision.responses = lambda _: told
    labels, oracle = ask(described(mount(Fake(vision)), "google-vision"), batch)
    assert labels == ["cat", "(no label)", "(no label)"]
    assert oracle.max_batch == 16


def test_google_vision_fails_on_one_picture_of_three(
    mount: Mount, vision: Vision, batch: Any
) -> None:
    bad = {"error": {"code": 3, "message": "Bad image data."}}
    vision.responses = lambda _: [{}, bad, {}]
    with pytest.raises(ServerFailed, match="Bad image data"):
        ask(described(mount(Fake(vision)), "google-vision"), batch)


def test_a_labeller_may_choose_among_the_users_classes(
    mount: Mount, vision: Vision, batch: Any
) -> None:
    def labels(*pairs: tuple[str, float]) -> dict[str, Any]:
        return {"labelAnnotations": [{"description": d, "score": s} for d, s in pairs]}

    vision.responses = lambda _: [
        labels(("Mammal", 0.99), ("Feline", 0.8), ("dog", 0.6)),
        labels(("Mammal", 0.99)),
        labels(("dog", 0.3)),
    ]
    rule = {
        "classes": ["cat", "dog"],
        "unlisted": "skip",
        "rename": {"Feline": "cat"},
        "min_score": 0.5,
    }
    target = described(mount(Fake(vision)), "google-vision", response=rule)
    labelled, oracle = ask(target, batch)
    assert labelled == ["cat", "(no label)", "(no label)"]
    assert oracle.label_space.names == ["cat", "dog", "(no label)"]


def test_clarifai(mount: Mount, batch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"code": 10000}

    def answer(request: Request, body: bytes) -> Any:
        denied = {"status": {"code": 11100, "description": "API key not found"}}
        refuse_unless(request.headers.get("authorization") == f"Key {KEY}", 401, denied)
        message = parsed(request, body, {"status": {"code": 11102}})
        for entry in message["inputs"]:
            picture(entry["data"]["image"]["base64"])
        concepts = [{"id": "1", "name": "dog", "value": 0.1}, {"name": "cat", "value": 0.8}]
        outputs = [{"status": {"code": 10000}, "data": {"concepts": concepts}}] * 2
        last = {"status": {"code": state["code"]}, "data": {}}
        return {"status": {"code": 10000}, "outputs": [*outputs, last]}

    monkeypatch.setenv("XRAY_AUDIT_API_KEY", KEY)
    url = mount(Fake(answer))
    assert ask(described(url, "clarifai"), batch)[0] == ["cat", "cat", "(no label)"]
    state["code"] = 30002
    with pytest.raises(ServerFailed, match="30002"):
        ask(described(url, "clarifai"), batch)


# ---- AWS ---------------------------------------------------------------------------------------

SECRET = "aws-secret-of-the-test"


def signature_holds(request: Request, body: bytes, service: str) -> bool:
    """Verify Signature Version 4 as AWS documents it, step by step and not by botocore."""
    match = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/(\d{8})/(\S+)/(\S+)/aws4_request, "
        r"SignedHeaders=(\S+), Signature=([0-9a-f]{64})",
        request.headers.get("authorization", ""),
    )
    if match is None or match[3] != service:
        return False
    day, region, _, names, signature = match.groups()
    headers = "".join(f"{n}:{request.headers[n].strip()}\n" for n in names.split(";"))
    # Every service but S3 has its path encoded twice.
    path = quote(request.scope["raw_path"].decode(), safe="/-_.~")
    canonical = "\n".join(
        [request.method, path, "", headers, names, hashlib.sha256(body).hexdigest()]
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", request.headers["x-amz-date"], scope, digest])
    key = f"AWS4{SECRET}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    computed = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return {"host", "x-amz-date"} <= set(names.split(";")) and computed == signature


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


_REGION = {"region": "eu-central-1"}


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_sagemaker_signs_what_it_sends(
    mount: Mount, model: Any, batch: Any, transport: str
) -> None:
    def answer(request: Request, body: bytes) -> Any:
        denied = {"message": "The request signature we calculated does not match"}
        refuse_unless(signature_holds(request, body, "sagemaker"), 403, denied)
        return _ranked(model, picture(body), "label", "score")

    url = mount(Fake(answer)) + "/endpoints/my%20model/invocations"
    target = described(url, "sagemaker", auth=_REGION, transport=transport)
    labels, oracle = ask(target, batch[:1])
    assert labels == expected(model, batch[:1])
    assert SECRET not in repr(vars(oracle)) + repr(oracle.description) + repr(target)


@pytest.mark.usefixtures("aws")
def test_sagemaker_over_another_format(mount: Mount, model: Any, batch: Any) -> None:
    def answer(request: Request, body: bytes) -> Any:
        refuse_unless(signature_holds(request, body, "sagemaker"), 403, {"message": "signature"})
        return {"predictions": model.scores(np.array(json.loads(body)["instances"])).tolist()}

    target = described(mount(Fake(answer)), ["instances", "sagemaker"], auth=_REGION)
    assert ask(target, batch)[0] == [str(k) for k in model.labels(batch)]


@pytest.mark.usefixtures("aws")
def test_a_wrong_region_is_refused(mount: Mount, batch: Any) -> None:
    def answer(request: Request, body: bytes) -> Any:
        assert not signature_holds(request, body, "rekognition")
        raise Refusal(403, {"message": "Credential should be scoped to a valid region"})

    target = described(mount(Fake(answer)), "sagemaker", auth={"region": "us-east-1"})
    with pytest.raises(AccessDenied, match="valid region"):
        ask(target, batch[:1])


class Rekognition:
    """DetectLabels."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.labels: list[Any] | None = None

    def __call__(self, request: Request, body: bytes) -> Any:
        def wrong(name: str) -> dict[str, str]:
            return {"__type": name, "Message": "Request has invalid parameters"}

        holds = signature_holds(request, body, "rekognition")
        refuse_unless(holds, 400, wrong("InvalidSignatureException"))
        target = request.headers.get("x-amz-target")
        refuse_unless(target == "RekognitionService.DetectLabels", 400, wrong("UnknownOperation"))
        message = parsed(
            request, body, wrong("SerializationException"), "application/x-amz-json-1.1"
        )
        only_keys(message, {"Image", "MaxLabels", "MinConfidence"}, 400, wrong("Serialization"))
        pixels = picture(message["Image"]["Bytes"])
        refuse_unless(min(pixels.shape[1:]) >= 80, 400, wrong("InvalidParameterException"))
        small = resized(pixels[None], SHAPE[1:], "nearest")[0]
        best = NAMES[label_of(self.model, small)]
        found = [{"Name": "Thing", "Confidence": 1.0}, {"Name": best, "Confidence": 99.0}]
        return {"Labels": found if self.labels is None else self.labels}


@pytest.mark.usefixtures("aws")
def test_rekognition(mount: Mount, model: Any, batch: Any) -> None:
    server = Rekognition(model)
    url = mount(Fake(server)) + "/"
    nearest = {"resample": "nearest"}
    target = described(url, "rekognition", auth=_REGION, input=nearest)
    assert ask(target, batch[:1])[0] == expected(model, batch[:1])
    server.labels = []
    assert ask(target, batch[:1])[0] == ["(no label)"]
    small = described(url, "rekognition", auth=_REGION, input={"upload_size": [5, 6]})
    with pytest.raises(InputRejected):
        ask(small, batch[:1])


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ThrottlingException", Throttled),
        ("Throttling", Throttled),
        ("RequestLimitExceeded", Throttled),
        ("com.amazonaws#ProvisionedThroughputExceededException", Throttled),
        ("ExpiredTokenException", AccessDenied),
        ("InvalidImageFormatException", InputRejected),
    ],
)
def test_aws_puts_everything_into_400(
    mount: Mount, batch: Any, name: str, kind: type[EndpointError]
) -> None:
    fake = Fake(lambda *_: (400, {"__type": name, "Message": "no"}))
    with pytest.raises(EndpointError) as caught:
        ask(described(mount(fake), "rekognition", auth=_REGION), batch[:1])
    assert type(caught.value) is kind


@pytest.mark.usefixtures("aws")
def test_what_aws_requests_are_signed_with_is_shown_nowhere(
    mount: Mount, batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "a-session+token/of-the-test=="
    monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    said = f"{SECRET}, {token} or {quote(token, safe='')}: {SECRET[:12]}"
    fake = Fake(lambda *_: (400, {"__type": "ValidationException", "message": said}))
    with pytest.raises(InputRejected) as caught:
        ask(described(mount(fake), "sagemaker", auth=_REGION), batch[:1])
    assert str(caught.value).count("***") == 4
    for secret in (SECRET, token, quote(token, safe=""), SECRET[:12]):
        assert secret not in str(caught.value)


@pytest.mark.usefixtures("aws")
def test_what_a_credential_process_wrote_is_not_told(
    batch: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "config"
    place.write_text("[profile vault]\ncredential_process = sh -c 'echo tHe-kEy >&2; exit 1'\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(place))
    with pytest.raises(TargetError, match="CredentialRetrievalError") as caught:
        ask(
            described("http://127.0.0.1:9", "sagemaker", auth={**_REGION, "profile": "vault"}),
            batch,
        )
    assert "tHe-kEy" not in str(caught.value)
    with pytest.raises(TargetError, match="nobody"):
        ask(described("http://127.0.0.1:9", "sagemaker", auth={"profile": "nobody"}), batch)


def test_aws_without_what_it_needs(aws: None, batch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert aws is None
    with pytest.raises(TargetError, match=r"auth\.region must name"):
        ask(described("http://127.0.0.1:9", "sagemaker"), batch[:1])
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(TargetError, match="there are no AWS credentials"):
        ask(described("http://127.0.0.1:9", "sagemaker", auth=_REGION), batch[:1])
    monkeypatch.setattr("importlib.import_module", _no_botocore)
    with pytest.raises(MissingExtra, match=r"install xray-audit\[aws\]"):
        ask(described("http://127.0.0.1:9", "sagemaker", auth=_REGION), batch[:1])


def _no_botocore(name: str) -> Any:
    raise ImportError(name)


# ---- V2 ----------------------------------------------------------------------------------------


def test_openvino_model_server(mount: Mount, v2: Any, model: Any, batch: Any) -> None:
    v2.name, v2.layout, v2.dims = "OpenVINO Model Server", "NHWC", [-1, 5, 6, 3]
    target = described(mount(v2) + "/v2/models/audit", "v2", input={"range": [0, 1]})
    assert ask(target, batch)[0] == [str(k) for k in model.labels(batch)]


def test_triton_classification_gives_the_label_itself(
    mount: Mount, v2: Any, model: Any, batch: Any
) -> None:
    def classified(scores: NDArray[np.float64]) -> list[dict[str, Any]]:
        texts = [f"{row.max():f}:{row.argmax()}" for row in scores]
        return [{"name": "logits", "datatype": "BYTES", "shape": [len(texts), 1], "data": texts}]

    v2.answer = classified
    target = described(mount(v2) + "/v2/models/audit", "triton-classification")
    labels, oracle = ask(target, batch)
    assert labels == [str(k) for k in model.labels(batch)]
    wanted = json.loads(v2.bodies[0])["outputs"]
    assert wanted == [{"name": "logits", "parameters": {"classification": 1}}]
    assert oracle.label_space.size == 10


def test_what_v2_would_leave_undone_is_refused(mount: Mount, v2: Any, batch: Any) -> None:
    url = mount(v2) + "/v2/models/audit"
    for tables, words in (
        ({"response": {"kind": "index"}}, "V2 outputs say themselves"),
        ({"response": {"rename": {"a": "b"}}}, r"response\.rename is for generic"),
        ({"input": {"upload_size": [9, 9]}}, "V2 carries tensors"),
    ):
        with pytest.raises(TargetError, match=words):
            ask(described(url, "v2", **tables), batch)
