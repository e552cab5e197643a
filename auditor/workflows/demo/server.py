"""A small prediction server for the demo, examples and tests.

It speaks the Open Inference Protocol v2 (JSON and binary tensors), takes an uploaded picture at
``/classify/NAME`` and answers the label's number as a name, and serves ONNX files. Run
``python -m auditor.workflows.demo.server NAME=FILE.onnx ...``; its first line is its address.
It is no product: one process, one thread, loopback only.
"""

from __future__ import annotations

import io
import json
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER = "inference-header-content-length"
SERVER = {"name": "xray-audit-demo", "version": "1", "extensions": ["binary_tensor_data"]}
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
"""What the picture API calls its labels."""


class ServedModel:
    """One ONNX model on the CPU. ``requests`` and ``queries`` count what it was asked."""

    def __init__(self, name: str, path: Path) -> None:
        import onnxruntime  # noqa: PLC0415 - only the demo server needs it here

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.name = name
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self.input = self.session.get_inputs()[0]
        self.output = self.session.get_outputs()[0]
        self.requests = self.queries = 0

    def metadata(self) -> dict[str, Any]:
        """The protocol's model metadata."""
        shape = [n if isinstance(n, int) else -1 for n in self.input.shape]
        return {
            "name": self.name,
            "versions": ["1"],
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": self.input.name, "datatype": "FP32", "shape": shape}],
            "outputs": [{"name": self.output.name, "datatype": "FP32", "shape": [-1, -1]}],
        }

    def scores(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores ``(n, classes)`` of ``batch`` ``(n, c, h, w)``."""
        self.requests += 1
        self.queries += len(batch)
        result: NDArray[np.float32] = self.session.run(None, {self.input.name: batch})[0]
        return result


def read_tensor(header: dict[str, Any], tail: bytes) -> NDArray[np.float32]:
    """The one input tensor of an inference request, from JSON data or the binary tail."""
    tensor = header["inputs"][0]
    if tensor["datatype"] != "FP32":
        raise ValueError(f"datatype {tensor['datatype']} is not FP32")
    if "binary_data_size" in tensor.get("parameters", {}):
        flat = np.frombuffer(tail, dtype="<f4", count=tensor["parameters"]["binary_data_size"] // 4)
    else:
        flat = np.asarray(tensor["data"], dtype=np.float32).ravel()
    return flat.reshape(tensor["shape"])


def answer(model: ServedModel, body: bytes, length: int) -> tuple[bytes, dict[str, str]]:
    """Content and headers of the answer to a request whose header takes ``length`` bytes."""
    header = json.loads(body[:length])
    scores = model.scores(read_tensor(header, body[length:]))
    output = {"name": model.output.name, "datatype": "FP32", "shape": list(scores.shape)}
    reply = {"model_name": model.name, "model_version": "1"}
    if not _wants_binary(header):
        text = json.dumps({**reply, "outputs": [{**output, "data": scores.ravel().tolist()}]})
        return text.encode(), {"content-type": "application/json"}
    raw = np.ascontiguousarray(scores, dtype="<f4").tobytes()
    output["parameters"] = {"binary_data_size": len(raw)}
    head = json.dumps({**reply, "outputs": [output]}).encode()
    return head + raw, {"content-type": "application/octet-stream", HEADER: str(len(head))}


def classify(model: ServedModel, picture: bytes) -> dict[str, str]:
    """The label of an encoded ``picture`` in the model's own size, channels and range 0 to 1."""
    from PIL import Image  # noqa: PLC0415 - only pictures need it

    with Image.open(io.BytesIO(picture)) as opened:
        pixels = np.asarray(opened.convert("RGB"), dtype=np.float32) / np.float32(255.0)
    scores = model.scores(np.ascontiguousarray(pixels.transpose(2, 0, 1))[None])
    return {"label": NAMES[int(scores.argmax())]}


def make_app(models: dict[str, ServedModel]) -> Any:
    """The ASGI application that serves ``models``."""
    from starlette.applications import Starlette  # noqa: PLC0415 - the demo extra
    from starlette.requests import Request  # noqa: PLC0415 - the demo extra
    from starlette.responses import JSONResponse, Response  # noqa: PLC0415 - the demo extra
    from starlette.routing import Route  # noqa: PLC0415 - the demo extra

    async def server(_: Request) -> Response:
        return JSONResponse(SERVER)

    async def metadata(request: Request) -> Response:
        model = models.get(request.path_params["name"])
        if model is None:
            return JSONResponse({"error": "unknown model"}, 404)
        return JSONResponse(model.metadata())

    async def asked(request: Request) -> Response:
        model = models.get(request.path_params["name"])
        if model is None:
            return JSONResponse({"error": "unknown model"}, 404)
        body = await request.body()
        try:
            if request.url.path.startswith("/classify/"):
                return JSONResponse(classify(model, body))
            content, headers = answer(model, body, int(request.headers.get(HEADER, len(body))))
        except Exception as error:  # noqa: BLE001 - any mistake of the caller
            return JSONResponse({"error": str(error)}, 400)
        return Response(content, headers=headers)

    async def counts(_: Request) -> Response:
        return JSONResponse({n: [m.requests, m.queries] for n, m in models.items()})

    return Starlette(
        routes=[
            Route("/v2", server),
            Route("/v2/models/{name}", metadata),
            Route("/v2/models/{name}/infer", asked, methods=["POST"]),
            Route("/classify/{name}", asked, methods=["POST"]),
            Route("/counts", counts),
        ]
    )


def _wants_binary(header: dict[str, Any]) -> bool:
    outputs = header.get("outputs") or [{}]
    return bool(outputs[0].get("parameters", {}).get("binary_data"))


def serve(models: dict[str, ServedModel]) -> None:
    """Serve on a free loopback port, whose address is printed first, until terminated."""
    import uvicorn  # noqa: PLC0415 - the demo extra

    # With its protocol named asyncio sends small replies at once; else each takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # before the address is known, so that no request comes too early
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(make_app(models), log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    pairs = [argument.partition("=") for argument in sys.argv[1:]]
    serve({name: ServedModel(name, Path(path)) for name, _, path in pairs})
