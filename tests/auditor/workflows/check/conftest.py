"""Prediction servers on loopback that take one exact format, and labelled pictures for them."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from auditor.errors import ExitCode

CLASSES = ("ant", "bee", "cat", "dog", "elk")
SIZE = 8
SMALL = ("--planes", "2", "--canaries", "4", "--no-trigger-search", "--quiet")
"""A short audit."""


def two_commands(command: Any, folder: Path, *target: str) -> None:
    """Check ``target`` with the samples in ``folder``, then audit as the check wrote it down: both
    read the label of every sample right.
    """
    ran = command("check", *target, "--samples", folder, "--write", "t.toml")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out + ran.err
    assert "Accuracy:    100% of 30 samples" in ran.out
    ran = command("--target", "t.toml", "--samples", folder, "--output", "out", *SMALL)
    assert ran.code == ExitCode.INCONCLUSIVE, ran.err
    assert json.loads(Path("out/report.json").read_text())["samples"]["accuracy"] == 1.0


def prototypes(channels: int) -> NDArray[np.float64]:
    """One random 8-bit picture per class, ``(5, c, 8, 8)``.

    The blue of each class is the red of the next, so that swapped colours are other classes.
    """
    rng = np.random.default_rng(5)
    found = rng.integers(0, 256, (len(CLASSES), channels, SIZE, SIZE)).astype(np.float64)
    if channels == 3:
        found[:, 1] = found[0, 1]
        found[:, 2] = np.roll(found[:, 0], -1, axis=0)
    return found


class Refused(Exception):
    """Refusal of a request that the server does not take, or any reply that is no plain 200."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(str(body))
        self.status, self.body, self.headers = status, body, headers or {}


@dataclass
class Server:
    """One endpoint: routes to functions of ``(headers, body)``; keeps what came in.

    Attributes:
        routes: ``"POST /path"`` -> what answers; ``GET`` ones get an empty body. A ``*`` stands for
            the last step of a path.
        queries: pictures that were asked.
        locked: refuse everything for want of a key.
        requests: ``METHOD /path`` in order.
        keys: Authorization and X-API-Key headers seen.
    """

    channels: int = 3
    routes: dict[str, Callable[[Any, bytes], Any]] = field(default_factory=dict)
    queries: int = 0
    requests: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""
    locked: bool = False

    def refuse(self, status: int, body: Any, headers: dict[str, str] | None = None) -> Any:
        """Refuse a request, or give any reply that is no plain 200."""
        raise Refused(status, body, headers)

    def scores(self, pixels: Any) -> NDArray[np.float64]:
        """Scores ``(n, 5)`` of ``(n, c, 8, 8)`` 8-bit values: minus the distance to each class."""
        images = np.asarray(pixels, dtype=np.float64)
        if images.ndim != 4 or images.shape[1:] != (self.channels, SIZE, SIZE):
            raise Refused(400, {"error": f"unexpected shape {images.shape}"})
        self.queries += len(images)
        distance = ((images[:, None] - prototypes(self.channels)) ** 2).mean(axis=(2, 3, 4))
        return np.asarray(-distance / 1000.0)

    def picture_scores(self, data: bytes) -> NDArray[np.float64]:
        """Scores ``(5,)`` of an encoded picture."""
        try:
            picture = Image.open(io.BytesIO(data)).convert("L" if self.channels == 1 else "RGB")
        except Exception as error:
            raise Refused(400, {"error": "no picture"}) from error
        pixels = np.asarray(picture.resize((SIZE, SIZE)))
        turned = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        return np.asarray(self.scores(turned[None])[0])


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def json_field(body: bytes, name: str) -> Any:
    """The field ``name`` of a JSON body that holds nothing else."""
    try:
        value = json.loads(body)
    except ValueError:
        raise Refused(500, {"detail": "Internal server error"}) from None
    if not isinstance(value, dict) or name not in value:
        raise Refused(400, {"error": f"missing {name}"})
    return value[name]


def multipart_field(headers: Any, body: bytes, name: str) -> bytes:
    """The file in the field ``name`` of a multipart body."""
    kind = headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        raise Refused(415, {"error": "no form"})
    message = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    for part in message.walk():
        if part.get_param("name", header="content-disposition") == name:
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            return content
    raise Refused(422, {"detail": f"field {name} missing"})


def base64_of(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_data: Server

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes) -> None:
        data = self.server_data
        data.requests.append(f"{self.command} {self.path}")
        data.keys += [v for k in ("authorization", "x-api-key") if (v := self.headers.get(k))]
        status: int = 404
        value: Any = {"error": "not found"}
        headers: dict[str, str] = {}
        if data.locked:
            status = 401
        asked = f"{self.command} {self.path.split('?')[0]}"
        any_last = f"{asked.rpartition('/')[0]}/*"
        route = None if data.locked else data.routes.get(asked) or data.routes.get(any_last)
        if route is not None:
            try:
                status, value = 200, route(self.headers, body)
            except Refused as refusal:
                status, value, headers = refusal.status, refusal.body, refusal.headers
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {**data.headers, **headers}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture
def serve() -> Iterator[Callable[[Server], str]]:
    """Serves; gives the URL without a path."""
    with contextlib.ExitStack() as stack:

        def start(data: Server) -> str:
            handler = type("Handler", (_Handler,), {"server_data": data})
            server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            data.url = f"http://127.0.0.1:{server.server_address[1]}"
            return data.url

        yield start


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., Path]:
    """A folder of labelled pictures, ``class/name.png``, eight of each class."""

    def make(channels: int = 3, names: tuple[str, ...] = CLASSES) -> Path:
        rng = np.random.default_rng(11)
        folder = tmp_path / f"pictures{channels}"
        for name, centre in zip(names, prototypes(channels), strict=True):
            (folder / name).mkdir(parents=True)
            for number in range(8):
                noisy = np.clip(centre + rng.normal(0, 20, centre.shape), 0, 255).astype(np.uint8)
                rows = noisy[0] if channels == 1 else noisy.transpose(1, 2, 0)
                Image.fromarray(rows).save(folder / name / f"{number}.png")
        return folder

    return make


# ---- kinds of servers --------------------------------------------------------------------------


def _arrays(values: Any, scale: float = 255.0, *, nhwc: bool = False, bgr: bool = False) -> Any:
    images = np.asarray(values, dtype=np.float64) * scale
    if nhwc:
        if images.ndim != 4 or images.shape[3] not in {1, 3}:
            raise Refused(400, {"error": "expected NHWC"})
        images = images.transpose(0, 3, 1, 2)
    return images[:, ::-1] if bgr else images


def _v2_routes(server: Server, listed: Any, tensor: Any, output: Any, infer: Any) -> str:
    model = {"name": "audit", "inputs": [tensor], "outputs": [output]}
    server.routes |= {
        "GET /v2": lambda *_: listed,
        "GET /v2/models": lambda *_: {"models": ["audit"]},
        "GET /v2/models/audit": lambda *_: model,
        "POST /v2/models/audit/infer": infer,
    }
    return ""


def v2(server: Server, **how: Any) -> str:
    """KServe: metadata, a list of models, JSON tensors."""
    c = server.channels
    tensor = {"name": "input", "datatype": "FP32", "shape": [-1, c, SIZE, SIZE]}
    output = {"name": "scores", "datatype": "FP32", "shape": [-1, len(CLASSES)]}

    def infer(_: Any, body: bytes) -> Any:
        entry = json_field(body, "inputs")[0]
        values = np.array(entry["data"]).reshape(entry["shape"])
        scores = server.scores(_arrays(values, **how))
        data = {**output, "shape": list(scores.shape), "data": scores.ravel().tolist()}
        return {"model_name": "audit", "outputs": [data]}

    listed = {"name": "kserve", "version": "0.21.0", "extensions": []}
    return _v2_routes(server, listed, tensor, output, infer)


def v1(server: Server, **how: Any) -> str:
    """TensorFlow Serving and KServe V1."""

    def predict(_: Any, body: bytes) -> Any:
        instances = json_field(body, "instances")
        return {"predictions": server.scores(_arrays(instances, **how)).tolist()}

    server.routes |= {
        "GET /v1/models": lambda *_: {"models": ["audit"]},
        "POST /v1/models/audit:predict": predict,
    }
    return ""


def litserve(server: Server, **how: Any) -> str:
    """One route, one array per request, every failure a 500."""

    def predict(_: Any, body: bytes) -> Any:
        try:
            images = _arrays(json_field(body, "input"), **how)
            scores = server.scores(images)
        except Refused:
            raise Refused(500, {"detail": "Internal server error"}) from None
        if len(scores) > 1:
            raise Refused(500, {"detail": "Internal server error"})
        return {"label": int(scores[0].argmax()), "scores": softmax(scores).tolist()}

    server.routes |= {"POST /predict": predict}
    return ""


def bentoml(server: Server, **_: Any) -> str:
    """A route per method, described in /schema.json."""

    def classify(headers: Any, body: bytes) -> Any:
        scores = server.picture_scores(multipart_field(headers, body, "picture"))
        return {"label": CLASSES[int(scores.argmax())], "score": float(softmax(scores).max())}

    field = {"type": "file", "format": "image"}
    route = {"route": "/classify_image", "input": {"properties": {"picture": field}}}
    server.routes |= {
        "GET /schema.json": lambda *_: {"name": "audit", "routes": [route]},
        "POST /classify_image": classify,
    }
    return ""


def torchserve(server: Server, **_: Any) -> str:
    """Raw picture to a table of probabilities; 503 for whatever it cannot read."""

    def predict(_: Any, body: bytes) -> Any:
        try:
            chances = softmax(server.picture_scores(body))
        except Refused:
            said = {"code": 503, "type": "InternalServerException", "message": "Prediction failed"}
            raise Refused(503, said) from None
        return {name: float(p) for name, p in zip(CLASSES, chances, strict=True)}

    server.routes |= {
        "GET /ping": lambda *_: {"status": "Healthy"},
        "POST /predictions/audit": predict,
    }
    return "/predictions/audit"


def hf(server: Server, **_: Any) -> str:
    """Raw picture to labels that the model's authors never named."""

    def invoke(headers: Any, body: bytes) -> Any:
        if headers.get("content-type") not in {"image/png", "image/jpeg"}:
            raise Refused(400, {"message": "unsupported content type"})
        chances = softmax(server.picture_scores(body))
        order = np.argsort(-chances)
        return [{"label": f"LABEL_{k}", "score": float(chances[k])} for k in order]

    server.routes |= {"POST /invocations": invoke}
    return "/invocations"


def gradio(server: Server, **_: Any) -> str:
    """Describes itself; a data URI inside a list inside an object."""

    def run(_: Any, body: bytes) -> Any:
        (entry,) = json_field(body, "data")
        scores = server.picture_scores(base64_of(entry["url"].partition(",")[2]))
        name = CLASSES[int(scores.argmax())]
        return {"data": [{"label": name, "confidences": [{"label": name, "confidence": 0.9}]}]}

    server.routes |= {
        "GET /gradio_api/info": lambda *_: {"named_endpoints": {"/predict": {}}},
        "POST /gradio_api/run/predict": run,
    }
    return ""


def fastapi(server: Server, **_: Any) -> str:
    """A form field that only the OpenAPI document names."""
    schema = {"properties": {"photo": {"type": "string", "format": "binary"}}}
    content = {"multipart/form-data": {"schema": {"$ref": "#/components/schemas/Body"}}}
    post = {"requestBody": {"content": content}}

    def classify(headers: Any, body: bytes) -> Any:
        scores = server.picture_scores(multipart_field(headers, body, "photo"))
        best = int(scores.argmax())
        return {"result": {"class_id": best, "confidence": 0.9}}

    server.routes |= {
        "GET /openapi.json": lambda *_: {
            "paths": {"/v9/classify": {"post": post}},
            "components": {"schemas": {"Body": schema}},
        },
        "POST /v9/classify": classify,
    }
    return ""


def mlflow(server: Server, **how: Any) -> str:
    """One output, called by its name."""

    def invoke(_: Any, body: bytes) -> Any:
        scores = server.scores(_arrays(json_field(body, "inputs"), **how))
        return {"predictions": {"logits": scores.tolist()}}

    server.routes |= {
        "GET /version": lambda *_: b"3.17.2",
        "POST /invocations": invoke,
    }
    return ""


def mosec(server: Server, **_: Any) -> str:
    """Raw picture at /inference, and nothing else anywhere."""

    def infer(_: Any, body: bytes) -> Any:
        return {"label": int(server.picture_scores(body).argmax())}

    server.routes |= {"POST /inference": infer}
    return ""


def cog(server: Server, **_: Any) -> str:
    """A data URI inside an object; failures are 200."""

    def predict(_: Any, body: bytes) -> Any:
        given = json_field(body, "input")
        if "image" not in given:
            return {"status": "failed", "error": "image missing"}
        scores = server.picture_scores(base64_of(given["image"].partition(",")[2]))
        name = CLASSES[int(scores.argmax())]
        return {"id": "p", "status": "succeeded", "output": name, "error": None}

    server.routes |= {
        "GET /openapi.json": lambda *_: {"info": {"title": "Cog"}, "paths": {}},
        "POST /predictions": predict,
    }
    return ""


def kserve_raw(server: Server, **how: Any) -> str:
    """KServe: takes raw tensors and does not list them."""
    v2(server, **how)
    as_json = server.routes["POST /v2/models/audit/infer"]

    def infer(headers: Any, body: bytes) -> Any:
        length = headers.get("inference-header-content-length")
        if length is None:
            return as_json(headers, body)
        message = json.loads(body[: int(length)])
        for entry in message["inputs"]:
            entry["data"] = np.frombuffer(body[int(length) :], "<f4").tolist()
        return as_json(headers, json.dumps(message).encode())

    server.routes["POST /v2/models/audit/infer"] = infer
    return ""


def triton_uint8(server: Server, **_: Any) -> str:
    """Whole numbers only, as many exported models want them."""
    v2(server, scale=1.0)
    described = server.routes["GET /v2/models/audit"](None, b"")
    described["inputs"][0]["datatype"] = "UINT8"
    server.routes["GET /v2/models/audit"] = lambda *_: described
    return ""


def openvino(server: Server, **_: Any) -> str:
    """OpenVINO Model Server: a tensor of shape [N, H, W, C], or pictures that it decodes."""
    c = server.channels
    tensor = {"name": "input", "datatype": "FP32", "shape": [-1, SIZE, SIZE, c]}
    output = {"name": "scores", "datatype": "FP32", "shape": [-1, len(CLASSES)]}

    def infer(headers: Any, body: bytes) -> Any:
        length = int(headers.get("inference-header-content-length", 0))
        entry = json_field(body[:length] if length else body, "inputs")[0]
        if entry["datatype"] == "BYTES":
            raw, scores = body[length:], []
            if entry["parameters"]["binary_data_size"] != len(raw):
                raise Refused(400, {"error": "binary data size"})
            while raw:
                size = int.from_bytes(raw[:4], "little")
                scores.append(server.picture_scores(raw[4 : 4 + size]))
                raw = raw[4 + size :]
            found = np.stack(scores)
        else:
            values = np.frombuffer(body[length:], "<f4") if length else np.array(entry["data"])
            found = server.scores(_arrays(values.reshape(entry["shape"]), 1.0, nhwc=True))
        data = {**output, "shape": list(found.shape), "data": found.ravel().tolist()}
        return {"model_name": "audit", "outputs": [data]}

    listed = {"name": "OpenVINO Model Server", "version": "2025.3"}
    return _v2_routes(server, listed, tensor, output, infer)


def bentoml_two(server: Server, **_: Any) -> str:
    """A route for arrays and one for pictures, arrays first."""
    bentoml(server)
    listed = server.routes["GET /schema.json"](None, b"")
    arrays = {"route": "/classify", "input": {"properties": {"x": {"type": "tensor"}}}}
    listed["routes"].insert(0, arrays)

    def classify(_: Any, body: bytes) -> Any:
        scores = server.scores(_arrays(json_field(body, "x")))
        return {"labels": [CLASSES[k] for k in scores.argmax(axis=1)]}

    server.routes |= {"GET /schema.json": lambda *_: listed, "POST /classify": classify}
    return ""


def flat(server: Server, **_: Any) -> str:
    """scikit-learn behind a route of its own: lists of all values."""

    def predict(_: Any, body: bytes) -> Any:
        rows = np.asarray(json_field(body, "data"), dtype=np.float64)
        if rows.ndim != 2:
            raise Refused(500, {"detail": "Expected 2D array"})
        images = rows.reshape(len(rows), server.channels, SIZE, SIZE)
        return {"predictions": [CLASSES[k] for k in server.scores(images * 255).argmax(axis=1)]}

    server.routes |= {"POST /predict": predict}
    return "/predict"


def keras_grey(server: Server, **_: Any) -> str:
    """TensorFlow Serving of a Keras model that takes [n, height, width]."""

    def predict(_: Any, body: bytes) -> Any:
        images = np.asarray(json_field(body, "instances"), dtype=np.float64)
        if images.ndim != 3:
            raise Refused(400, {"error": f"Matrix size-incompatible: {images.shape}"})
        return {"predictions": server.scores(images[:, None] * 255).tolist()}

    server.routes |= {
        "GET /v1/models/audit": lambda *_: {"model_version_status": [{"state": "AVAILABLE"}]},
        "POST /v1/models/audit:predict": predict,
    }
    return "/v1/models/audit"


def rows_of_pixels(server: Server, **_: Any) -> str:
    """FastAPI: one grey picture as rows of pixels from 0 to 255, as its document says."""
    number = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
    schema = {"properties": {"pixels": number}}
    post = {"requestBody": {"content": {"application/json": {"schema": schema}}}}

    def classify(_: Any, body: bytes) -> Any:
        rows = np.asarray(json_field(body, "pixels"), dtype=np.float64)
        if rows.shape != (SIZE, SIZE):
            raise Refused(422, {"detail": "rows of pixels"})
        return {"class": CLASSES[int(server.scores(rows[None, None])[0].argmax())]}

    server.routes |= {
        "GET /openapi.json": lambda *_: {"paths": {"/classify": {"post": post}}},
        "POST /classify": classify,
    }
    return ""


def data_uri(server: Server, **_: Any) -> str:
    """FastAPI: a text field that wants a data URI."""
    schema = {"properties": {"photo": {"type": "string"}}}
    post = {"requestBody": {"content": {"application/json": {"schema": schema}}}}

    def classify(_: Any, body: bytes) -> Any:
        head, _, data = json_field(body, "photo").partition(",")
        if head != "data:image/png;base64":
            raise Refused(422, {"detail": "no data URI"})
        return {"label": CLASSES[int(server.picture_scores(base64_of(data)).argmax())]}

    server.routes |= {
        "GET /openapi.json": lambda *_: {"paths": {"/classify": {"post": post}}},
        "POST /classify": classify,
    }
    return ""


_PLAIN = (v2, v1, litserve, bentoml, torchserve, hf, gradio, fastapi, mlflow, mosec, cog)
_MORE = (
    kserve_raw,
    triton_uint8,
    openvino,
    bentoml_two,
    flat,
    keras_grey,
    rows_of_pixels,
    data_uri,
)


def chat(server: Server, *, structured: str = "taken", words: str = "{}", **_: Any) -> str:
    """Chat completions with pictures, as OpenAI's API describes them: structured output is
    ``taken``, ``ignored`` or ``refused``.
    """

    def complete(_: Any, body: bytes) -> Any:
        asked = json.loads(body)
        if asked["model"] != "vision-1":
            raise Refused(404, {"error": {"message": "The model does not exist", "code": "none"}})
        if "response_format" in asked and structured == "refused":
            raise Refused(400, {"error": {"message": "response_format is not supported"}})
        assert (asked["temperature"], [m["role"] for m in asked["messages"]]) == (0, ["user"])
        text, picture = asked["messages"][0]["content"]
        assert (text["type"], picture["type"]) == ("text", "image_url")
        assert all(name in text["text"] for name in CLASSES)
        head, _, data = picture["image_url"]["url"].partition(",")
        assert head == "data:image/png;base64"
        name = CLASSES[int(server.picture_scores(base64_of(data)).argmax())]
        content = words.format(name.capitalize())
        if structured == "taken" and "response_format" in asked:
            schema = asked["response_format"]["json_schema"]["schema"]
            assert name in schema["properties"]["class"]["enum"]
            content = json.dumps({"class": name})
        message = {"role": "assistant", "content": content, "refusal": None}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": "vision-1",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 120, "completion_tokens": 6, "total_tokens": 126},
        }

    server.routes |= {
        "GET /v1/models": lambda *_: {
            "object": "list",
            "data": [{"id": "vision-1", "object": "model"}],
        },
        "POST /v1/chat/completions": complete,
    }
    return ""


def brightness(server: Server, *, answer: Callable[[float], Any]) -> str:
    """Raw picture to one answer about its mean brightness, 0 to 1."""

    def predict(_: Any, body: bytes) -> Any:
        try:
            pixels = np.asarray(Image.open(io.BytesIO(body)))
        except Exception as error:
            raise Refused(400, {"error": "no picture"}) from error
        server.queries += 1
        return answer(float(pixels.mean() / 255))

    server.routes |= {"POST /predict": predict}
    return "/predict"


KINDS = {f.__name__: f for f in (*_PLAIN, *_MORE, brightness, chat)}


@pytest.fixture
def make_server(serve: Callable[[Server], str]) -> Callable[..., tuple[Server, str]]:
    """Starts a server of a kind; gives it and the URL that a newcomer has."""

    def make(kind: str, channels: int = 3, **how: Any) -> tuple[Server, str]:
        server = Server(channels)
        path = KINDS[kind](server, **how)
        return server, serve(server) + path

    return make


@pytest.fixture
def empty_server(serve: Callable[[Server], str]) -> Server:
    """A server without routes, to be filled; ``url`` is its own."""
    server = Server()
    serve(server)
    return server


@pytest.fixture
def onnx_of_pictures(tmp_path: Path) -> Callable[[int], str]:
    """An ONNX model of the classes' pictures in 0 to 1, with classes before the first that it
    never names.
    """

    def write(ahead: int = 0) -> str:
        flat = prototypes(3).reshape(len(CLASSES), -1) / 255
        weight = np.concatenate([np.zeros((ahead, flat.shape[1])), 2 * flat]).T
        bias = np.concatenate([np.full(ahead, -1e6), -(flat**2).sum(axis=1)])
        tensors = {"w": weight.astype(np.float32), "b": bias.astype(np.float32)}
        count = len(CLASSES) + ahead
        graph = helper.make_graph(
            [
                helper.make_node("Flatten", ["x"], ["flat"]),
                helper.make_node("Gemm", ["flat", "w", "b"], ["scores"]),
            ],
            "nearest",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", count])],
            [numpy_helper.from_array(array, name) for name, array in tensors.items()],
        )
        opset = [helper.make_opsetid("", 17)]
        path = tmp_path / "nearest.onnx"
        path.write_bytes(
            helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
        )
        return str(path)

    return write
