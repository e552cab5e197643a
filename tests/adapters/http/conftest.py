"""Loopback servers: a well-behaved one per session, and a scripted socket per test."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import numpy as np
import pytest
import uvicorn
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

Handler = Callable[[Request], Awaitable[Response]]
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Site:
    """One uvicorn in a thread; every test mounts its own handler under its own prefix."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._numbers = itertools.count()
        routes = [
            Route(path, self._dispatch, methods=["GET", "POST", "PUT"])
            for path in ("/{mount}", "/{mount}/{rest:path}")
        ]
        # asyncio turns Nagle's delay off only where the protocol is named: 40 ms per reply.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            Starlette(routes=routes), log_level="critical", lifespan="off", ws="none"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)

    def mount(self, handler: Handler) -> str:
        name = f"m{next(self._numbers)}"
        self._handlers[name] = handler
        return f"http://127.0.0.1:{self.port}/{name}"

    async def _dispatch(self, request: Request) -> Response:
        return await self._handlers[request.path_params["mount"]](request)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.stop()


@pytest.fixture
def mount(site: Site) -> Callable[[Handler], str]:
    return site.mount


@pytest.fixture
def scripted() -> Callable[..., contextlib.AbstractAsyncContextManager[str]]:
    """A socket server that runs ``script`` on each connection, after one request unless not eat."""

    @contextlib.asynccontextmanager
    async def serve(script: Script, *, eat: bool = True, **options: Any) -> AsyncIterator[str]:
        tasks: set[asyncio.Task[None]] = set()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                if eat:
                    await _read_request(reader)
                await script(reader, writer)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

        if "ssl" in options:
            # A client that hangs up without a TLS goodbye would be waited for, for 30 seconds.
            options.setdefault("ssl_shutdown_timeout", 0.5)
        server = await asyncio.start_server(talk, "127.0.0.1", 0, **options)
        scheme = "https" if "ssl" in options else "http"
        try:
            yield f"{scheme}://localhost:{server.sockets[0].getsockname()[1]}/score"
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return serve


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = [line for line in head.lower().split(b"\r\n") if b"content-length" in line]
    if length:
        await reader.readexactly(int(length[0].split(b":")[1]))
    return head


class FakeModel:
    """A linear classifier over ``(c, h, w)`` inputs: any axis mixed up changes its labels."""

    def __init__(self, shape: tuple[int, int, int] = (3, 5, 6), classes: int = 10) -> None:
        self.shape = shape
        rng = np.random.default_rng(7)
        self.weights = rng.normal(size=(classes, int(np.prod(shape))))

    def scores(self, inputs: NDArray[Any]) -> NDArray[np.float64]:
        centred = inputs.reshape(len(inputs), -1).astype(np.float64) - 0.5
        scores: NDArray[np.float64] = centred @ self.weights.T
        return scores

    def labels(self, inputs: NDArray[Any]) -> NDArray[np.int64]:
        labels: NDArray[np.int64] = self.scores(inputs).argmax(axis=1)
        return labels

    def batch(self, n: int, seed: int = 0) -> NDArray[np.float32]:
        """Inputs with values beyond 0 .. 1 on both sides."""
        rng = np.random.default_rng(seed)
        return rng.normal(0.5, 1.0, size=(n, *self.shape)).astype(np.float32)


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


_DTYPES = {"FP32": "<f4", "FP16": "<f2", "FP64": "<f8", "UINT8": "|u1", "INT32": "<i4"}


class FakeV2:
    """A V2 server around a FakeModel; attributes say how it behaves and what it saw."""

    def __init__(self, model: FakeModel) -> None:
        self.model = model
        self.dims: list[int] = [-1, *model.shape]
        self.layout = "NCHW"
        self.datatype = "FP32"
        self.output: dict[str, Any] = {"name": "logits", "datatype": "FP32", "shape": [-1, 10]}
        self.extra_outputs: list[dict[str, Any]] = []
        self.name = "fake"
        self.extensions: list[str] = []
        self.takes_binary = False
        self.config: dict[str, Any] | None = None
        self.answer: Callable[[NDArray[np.float64]], list[dict[str, Any]]] = self._scores
        self.version = "1"
        self.seen: list[NDArray[Any]] = []
        self.requests: list[str] = []
        self.bodies: list[bytes] = []

    async def __call__(self, request: Request) -> Response:
        path = "/" + request.path_params["rest"]
        self.requests.append(f"{request.method} {path}")
        if path == "/v2":
            return _json({"name": self.name, "version": "9", "extensions": self.extensions})
        if path.endswith("/config"):
            return _json(self.config) if self.config else _json({"error": "no"}, 404)
        if path.endswith("/infer"):
            return self._infer(request.headers, await request.body())
        if "/models/audit" not in path:
            return _json({"error": "Request for unknown model: 'x'"}, 404)
        return _json(
            {
                "name": "audit",
                "versions": ["1"],
                "platform": "onnx",
                "inputs": [{"name": "in", "datatype": self.datatype, "shape": self.dims}],
                "outputs": [self.output, *self.extra_outputs],
            }
        )

    def _infer(self, headers: Any, body: bytes) -> Response:
        self.bodies.append(body)
        length = headers.get("inference-header-content-length")
        if length and not self.takes_binary:
            return PlainTextResponse("Internal Server Error", 500)
        message = json.loads(body[: int(length)] if length else body)
        tensor = message["inputs"][0]
        if length:
            values = np.frombuffer(body[int(length) :], _DTYPES[tensor["datatype"]])
        else:
            values = np.array(tensor["data"])
        inputs = values.reshape(-1, *self._wire_shape())
        if len(tensor["shape"]) == len(self.dims) and self.dims[0] not in {-1, tensor["shape"][0]}:
            return _json({"error": "unexpected shape for input"}, 400)
        self.seen.append(inputs)
        if self.layout == "NHWC":
            inputs = inputs.transpose(0, 3, 1, 2)
        scores = self.model.scores(inputs / 255.0 if self.datatype == "UINT8" else inputs)
        outputs = self.answer(scores)
        if length and outputs[0]["datatype"] != "BYTES":
            return self._binary(outputs)
        return _json({"model_name": "audit", "model_version": self.version, "outputs": outputs})

    def _wire_shape(self) -> tuple[int, ...]:
        c, h, w = self.model.shape
        return (c, h, w) if self.layout == "NCHW" else (h, w, c)

    def _scores(self, scores: NDArray[np.float64]) -> list[dict[str, Any]]:
        data = scores.ravel().tolist()
        return [{"name": "logits", "datatype": "FP32", "shape": list(scores.shape), "data": data}]

    def _binary(self, outputs: list[dict[str, Any]]) -> Response:
        raw = np.array(outputs[0].pop("data"), _DTYPES["FP32"]).tobytes()
        outputs[0]["parameters"] = {"binary_data_size": len(raw)}
        head = json.dumps({"model_name": "audit", "outputs": outputs}).encode()
        size = {"inference-header-content-length": str(len(head))}
        return Response(head + raw, headers=size)


@pytest.fixture
def v2(model: FakeModel) -> FakeV2:
    return FakeV2(model)


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value), status, media_type="application/json")
