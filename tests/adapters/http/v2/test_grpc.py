"""V2 over gRPC against a server of the public protocol, in this process."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adapters.errors import (
    AccessDenied,
    BadReply,
    EndpointError,
    InputRejected,
    MissingExtra,
    NotFound,
    RetryAdvice,
    ServerFailed,
    TargetError,
    Throttled,
    Unreachable,
)
from adapters.http import open_oracle
from adapters.target import Target, read_target

grpc = pytest.importorskip("grpc")
pb = pytest.importorskip("tritonclient.grpc.service_pb2")
services = pytest.importorskip("tritonclient.grpc.service_pb2_grpc")


class Servicer(services.GRPCInferenceServiceServicer):  # type: ignore[misc, name-defined]  # untyped
    """A model of the test; attributes say how it behaves and what it saw."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.raw = True
        self.dims: list[int] = []
        self.fail: tuple[Any, str] | None = None
        self.keys: list[str] = []
        self.requests: list[Any] = []
        self.output: Callable[[Any], tuple[str, list[int], Any]] = lambda scores: (
            "FP32",
            list(scores.shape),
            scores.astype("<f4"),
        )

    async def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol names it
        self.keys += [v for k, v in context.invocation_metadata() if k == "authorization"]
        if request.name != "audit":
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown model")
        reply = pb.ModelMetadataResponse(name="audit", versions=["1"], platform="onnx")
        reply.inputs.add(name="in", datatype="FP32", shape=self.dims or [-1, *self.model.shape])
        reply.outputs.add(name="logits", datatype="FP32", shape=[-1, 10])
        return reply

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol names it
        self.requests.append(request)
        if self.fail is not None:
            await context.abort(*self.fail)
        tensor = request.inputs[0]
        if tensor.datatype == "BYTES":
            pictures = [Image.open(io.BytesIO(one)) for one in tensor.contents.bytes_contents]
            assert list(tensor.shape) == [len(pictures)]
            values = np.stack([np.asarray(one).transpose(2, 0, 1) / 255.0 for one in pictures])
        else:
            raw = np.frombuffer(request.raw_input_contents[0], "<f4")
            values = raw.reshape(tuple(tensor.shape))
        scores = self.model.scores(values)
        datatype, shape, data = self.output(scores)
        reply = pb.ModelInferResponse(model_name="audit", model_version="3")
        out = reply.outputs.add(name="logits", datatype=datatype, shape=shape)
        if datatype == "BYTES":
            out.contents.bytes_contents.extend(text.encode() for text in data)
        elif self.raw:
            reply.raw_output_contents.append(data.tobytes())
        else:
            out.contents.fp32_contents.extend(data.ravel().tolist())
        return reply


@contextlib.asynccontextmanager
async def serving(servicer: Servicer) -> AsyncIterator[str]:
    server = grpc.aio.server()
    services.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        await server.stop(None)


def _target(url: str, preset: str = "v2-grpc", **tables: Any) -> Target:
    return read_target({"url": url, "preset": preset, "input": {"range": [0, 1]}, **tables})


def _ask(servicer: Servicer, *batches: Any, path: str = "/audit", **how: Any) -> tuple[Any, Any]:
    async def run() -> tuple[Any, Any]:
        async with serving(servicer) as url:
            oracle = await open_oracle(_target(url + path, **how))
            try:
                return [(await oracle.predict_labels(b)).tolist() for b in batches], oracle
            finally:
                await oracle.aclose()

    return asyncio.run(run())


@pytest.fixture
def servicer(model: Any) -> Servicer:
    return Servicer(model)


@pytest.mark.parametrize("raw", [True, False])
def test_url_and_range_suffice(servicer: Servicer, model: Any, *, raw: bool) -> None:
    servicer.raw = raw
    batch = model.batch(5)
    answers, oracle = _ask(servicer, batch)
    assert answers == [model.labels(batch).tolist()]
    assert (oracle.label_space.size, oracle.server_identity["model_version"]) == (10, "3")
    assert (oracle.status, set(oracle.addresses)) == ("OK", {"127.0.0.1"})
    assert oracle.description["protocol"] == "v2-grpc"
    assert "protocol v2; model audit version 1" in oracle.fingerprint
    size = len(servicer.requests[0].SerializeToString())
    assert oracle.request_bytes(5) == pytest.approx(size + 300, rel=0.1)


def test_classification(servicer: Servicer, model: Any) -> None:
    def classified(scores: Any) -> tuple[str, list[int], Any]:
        return "BYTES", [len(scores), 1], [f"{row.max():f}:{row.argmax()}" for row in scores]

    servicer.output = classified
    batch = model.batch(3)
    answers, _ = _ask(servicer, batch, response={"kind": "classification"})
    assert answers == [model.labels(batch).tolist()]
    assert servicer.requests[0].outputs[0].parameters["classification"].int64_param == 1


def test_pictures_travel_as_texts(servicer: Servicer, model: Any) -> None:
    """OpenVINO Model Server decodes them; it wants [N] where its metadata says NHWC."""
    c, h, w = model.shape
    servicer.dims = [-1, h, w, c]
    batch = model.batch(4)
    answers, oracle = _ask(servicer, batch, preset="v2-image")
    assert answers == [model.labels(np.rint(np.clip(batch, 0, 1) * 255) / 255.0).tolist()]
    assert oracle.description["protocol"] == "v2-grpc"
    assert not servicer.requests[0].raw_input_contents


def test_the_key_travels_as_metadata(
    servicer: Servicer, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", "k3y-of-the-test")
    _ask(servicer, model.batch(1))
    assert servicer.keys == ["Bearer k3y-of-the-test"]


@pytest.mark.parametrize(
    ("code", "kind", "retry"),
    [
        ("INVALID_ARGUMENT", InputRejected, "never"),
        ("UNAUTHENTICATED", AccessDenied, "never"),
        ("PERMISSION_DENIED", AccessDenied, "never"),
        ("RESOURCE_EXHAUSTED", Throttled, "throttled"),
        ("INTERNAL", ServerFailed, "transient"),
        ("UNAVAILABLE", Unreachable, "outage"),
    ],
)
def test_every_code_has_its_place(
    servicer: Servicer, model: Any, code: str, kind: type[EndpointError], retry: str
) -> None:
    servicer.fail = (grpc.StatusCode[code], "the reason")
    with pytest.raises(EndpointError) as caught:
        _ask(servicer, model.batch(1))
    assert (type(caught.value), caught.value.advice.kind) == (kind, retry)
    # Where nobody can be reached there is no reply that could have a status.
    assert caught.value.status == ("" if code == "UNAVAILABLE" else code)


def test_a_reply_that_is_too_large_is_asked_in_parts(servicer: Servicer, model: Any) -> None:
    with pytest.raises(InputRejected) as caught:
        _ask(servicer, model.batch(50), limits={"max_reply_bytes": 500})
    assert caught.value.advice.kind == "too-large"


def test_an_unknown_model_and_nobody_there(servicer: Servicer, model: Any) -> None:
    with pytest.raises(NotFound, match="unknown model"):
        _ask(servicer, model.batch(1), path="/other")
    with pytest.raises(Unreachable) as nobody:
        asyncio.run(open_oracle(_target("grpc://127.0.0.1:9/audit", limits={"timeout": 2})))
    assert nobody.value.advice == RetryAdvice("outage", unsent=True)


def test_a_server_cannot_say_that_it_was_never_asked(servicer: Servicer, model: Any) -> None:
    servicer.fail = (grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses")
    with pytest.raises(Unreachable) as caught:
        _ask(servicer, model.batch(1))
    assert caught.value.advice == RetryAdvice("outage", outcome_unknown=True)


def test_a_connection_that_never_stands_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with pytest.raises(Unreachable, match="in time") as caught:
            asyncio.run(
                open_oracle(_target(f"grpc://127.0.0.1:{port}/audit", limits={"timeout": 0.3}))
            )
    assert caught.value.advice.kind == "outage"


def test_a_reply_without_the_output(servicer: Servicer, model: Any) -> None:
    servicer.output = lambda scores: ("FP32", [len(scores), 3], scores[:, :2].astype("<f4"))
    with pytest.raises(BadReply, match="its shape says") as caught:
        _ask(servicer, model.batch(1))
    assert (caught.value.advice.kind, caught.value.status) == ("odd", "OK without labels")


def test_a_reply_of_millions_of_values_is_refused(servicer: Servicer, model: Any) -> None:
    servicer.raw = False
    servicer.output = lambda _: ("FP32", [1, 2_000_000], np.zeros(2_000_000, "<f4"))
    with pytest.raises(BadReply, match="2000003 values; send fewer inputs"):
        _ask(servicer, model.batch(1))


@pytest.mark.parametrize(
    ("url", "how", "words"),
    [
        ("grpc://host/audit", {}, "must name its port"),
        ("http://host/audit", {}, "does not go with"),
        ("grpc://127.0.0.1:9/audit", {"protocol": "http"}, "does not go with"),
        ("grpc://127.0.0.1:9/a/b/c", {}, "like grpc://HOST:PORT/NAME"),
    ],
)
def test_targets_that_cannot_work(url: str, how: dict[str, Any], words: str) -> None:
    with pytest.raises(TargetError, match=words):
        asyncio.run(open_oracle(_target(url, **how)))


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(MissingExtra, match=r"install xray-audit\[grpc\]"):
        asyncio.run(open_oracle(_target("grpc://127.0.0.1:9/audit")))
