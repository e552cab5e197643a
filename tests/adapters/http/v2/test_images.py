"""V2 tensors of encoded pictures, against a fake of OpenVINO Model Server that refuses what its
documentation and its source refuse, and a Triton model with a decoding step before it.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from adapters.errors import EndpointError, InputRejected, TargetError
from adapters.http import open_oracle
from adapters.images import resized
from adapters.target import read_target

Mount = Callable[[Any], str]


class Refused(Exception):
    """What the server refuses, with 400."""


def need(holds: object, why: str) -> None:
    if not holds:
        raise Refused(why)


class OpenVino:
    """One model of shape [N, H, W, C] and whatever it saw."""

    def __init__(self, model: Any) -> None:
        self.model = model
        c, h, w = model.shape
        self.metadata: dict[str, Any] = {"name": "in", "datatype": "FP32", "shape": [-1, h, w, c]}
        self.files: list[bytes] = []
        self.shapes: list[list[int]] = []

    async def __call__(self, request: Request) -> Response:
        path = "/" + request.path_params["rest"]
        if path == "/v2":
            return _json({"name": "OpenVINO Model Server", "version": "2025.3"})
        if not path.endswith("/infer"):
            output = {"name": "logits", "datatype": "FP32", "shape": [-1, 10]}
            return _json(
                {"name": "audit", "versions": ["1"], "platform": "OpenVINO"}
                | {"inputs": [self.metadata], "outputs": [output]}
            )
        try:
            return self._infer(
                request.headers.get("inference-header-content-length"), await request.body()
            )
        except Refused as why:
            return _json({"error": str(why)}, 400)

    def _infer(self, stated: str | None, body: bytes) -> Response:
        need(stated is not None, "no Inference-Header-Content-Length, and BYTES data in the JSON")
        head, raw = body[: int(stated or 0)], body[int(stated or 0) :]
        tensor = json.loads(head)["inputs"][0]
        need(tensor["datatype"] == "BYTES", f"precision {tensor['datatype']}")
        need("data" not in tensor, "both data in json and binary inputs")
        need(tensor["parameters"]["binary_data_size"] == len(raw), "binary buffer size")
        files = self._split(raw)
        self._check_shape(tensor["shape"], len(files))
        self.files += files
        self.shapes.append(tensor["shape"])
        scores = self.model.scores(np.stack([self._decoded(one) for one in files]))
        data = scores.astype("<f4").tobytes()
        output: dict[str, Any] = {"name": "logits", "datatype": "FP32"}
        output |= {"shape": list(scores.shape), "parameters": {"binary_data_size": len(data)}}
        reply = json.dumps({"model_name": "audit", "model_version": "1", "outputs": [output]})
        size = {"inference-header-content-length": str(len(reply))}
        return Response(reply.encode() + data, headers=size)

    def _split(self, raw: bytes) -> list[bytes]:
        files, at = [], 0
        while at + 4 <= len(raw):
            size = int.from_bytes(raw[at : at + 4], "little")
            files.append(raw[at + 4 : at + 4 + size])
            at += 4 + size
        need(at == len(raw), "string format conversion failed")
        return files

    def _check_shape(self, shape: list[int], count: int) -> None:
        """Pictures come as [N] for a model of [N, H, W, C]; what says BYTES itself is matched."""
        dims = self.metadata["shape"]
        own = self.metadata["datatype"] == "BYTES"
        need(len(shape) == (len(dims) if own else 1), f"number of dimensions {shape}")
        need(own or dims[3] in {1, 3}, "layout is not NHWC")
        need(not own or len(shape) == 1 or shape[1] == 1, f"shape {shape}")
        need(shape[0] == count and dims[0] in {-1, count}, f"batch size {count}")

    def _decoded(self, file: bytes) -> NDArray[np.float64]:
        """As OpenCV would, then what the model's own first layer does: BGR 0-255 to RGB 0-1."""
        need(file.startswith((b"\x89PNG", b"\xff\xd8")), "image parsing failed")
        c, h, w = self.model.shape
        pixels = np.asarray(Image.open(io.BytesIO(file)).convert("RGB" if c == 3 else "L"))
        planes = (pixels if c == 3 else pixels[..., None]).transpose(2, 0, 1)
        scaled: NDArray[np.float64] = resized(planes[None], (h, w), "bilinear")[0] / 255.0
        return scaled


@pytest.fixture
def server(model: Any) -> OpenVino:
    return OpenVino(model)


def ask(url: str, batch: Any, preset: str = "v2-image", **tables: Any) -> tuple[list[int], Any]:
    async def run() -> tuple[list[int], Any]:
        table = {"url": url + "/v2/models/audit", "preset": preset, **tables}
        oracle = await open_oracle(read_target(table))
        try:
            return (await oracle.predict_labels(batch)).tolist(), oracle
        finally:
            await oracle.aclose()

    return asyncio.run(run())


def as_pixels(model: Any, batch: Any) -> list[int]:
    labels: list[int] = model.labels(np.rint(np.clip(batch, 0, 1) * 255) / 255.0).tolist()
    return labels


def test_pictures_for_a_model_of_openvino(mount: Mount, server: OpenVino, model: Any) -> None:
    batch = model.batch(5)
    labels, oracle = ask(mount(server), batch)
    assert labels == as_pixels(model, batch)
    assert server.shapes == [[5]]
    assert oracle.input_spec.shape == model.shape
    assert oracle.input_spec.access == "image"
    assert oracle.max_batch == 64
    sent = 4 * len(server.files) + sum(map(len, server.files))
    assert oracle.request_bytes(5) == pytest.approx(sent + 450, rel=0.2)


def test_jpeg_travels_and_is_another_input(mount: Mount, server: OpenVino, model: Any) -> None:
    url = mount(server)
    _, jpeg = ask(url, model.batch(1), input={"encoding": "jpeg:80"})
    assert server.files[0].startswith(b"\xff\xd8")
    _, png = ask(url, model.batch(1))
    assert jpeg.fingerprint != png.fingerprint


def test_a_fixed_batch_is_filled_up(mount: Mount, server: OpenVino, model: Any) -> None:
    server.metadata["shape"][0] = 4
    batch = model.batch(3)
    assert ask(mount(server), batch)[0] == as_pixels(model, batch)
    assert server.shapes == [[4]]


def test_the_server_scales_what_is_sent_in_another_size(
    mount: Mount, server: OpenVino, model: Any
) -> None:
    _, oracle = ask(mount(server), model.batch(2), input={"upload_size": [9, 11]})
    assert Image.open(io.BytesIO(server.files[0])).size == (11, 9)
    assert "sent as 9x11 bilinear" in oracle.fingerprint


@pytest.mark.parametrize("dims", [[-1], [-1, 1], [1], [2, 1]])
def test_a_model_behind_a_decoding_step_says_bytes_itself(
    mount: Mount, server: OpenVino, model: Any, dims: list[int]
) -> None:
    """No preset needed but for the size, which the metadata cannot hold."""
    server.metadata = {"name": "in", "datatype": "BYTES", "shape": dims}
    batch = model.batch(1)
    found = ask(mount(server), batch, "v2", access="image", input={"shape": list(model.shape)})
    assert found[0] == as_pixels(model, batch)
    assert len(server.shapes[0]) == len(dims)


def test_grey_pictures(mount: Mount, model: Any) -> None:
    model = type(model)((1, 5, 6))
    server = OpenVino(model)
    batch = model.batch(3)
    assert ask(mount(server), batch)[0] == as_pixels(model, batch)
    assert Image.open(io.BytesIO(server.files[0])).mode == "L"


@pytest.mark.parametrize(
    ("metadata", "tables", "words"),
    [
        ({"shape": [-1, 3, 5, 6]}, {}, r"decode images into tensors of shape \[N, H, W, C\]"),
        ({"shape": [5, 6, 3]}, {}, r"decode images into tensors of shape \[N, H, W, C\]"),
        ({"datatype": "BYTES", "shape": [-1]}, {}, "pass --shape C,H,W"),
        (
            {"datatype": "BYTES", "shape": [-1, 5, 6, 3]},
            {"input": {"shape": [3, 5, 6]}},
            "is not that of",
        ),
        ({}, {"access": "float"}, "use --access image"),
        ({}, {"protocol": "v2-json"}, "v2-json allows no such"),
        ({}, {"input": {"color": "bgr"}}, "images are always RGB"),
        (
            {"datatype": "BYTES", "shape": [-1]},
            {"input": {"shape": [3, 5, 6], "encoding": "uint8"}},
            "encoding uint8 is none",
        ),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_asked(
    mount: Mount, server: OpenVino, model: Any, metadata: Any, tables: Any, words: str
) -> None:
    server.metadata |= metadata
    with pytest.raises(TargetError, match=words):
        ask(mount(server), model.batch(1), **tables)
    assert server.files == []


def test_the_fake_refuses_tensors(mount: Mount, server: OpenVino, model: Any) -> None:
    """So the tests above cannot pass with numbers in place of pictures."""
    for preset in ("v2-json", "v2-binary"):
        with pytest.raises(InputRejected):
            ask(mount(server), model.batch(1), preset, input={"range": [0, 1]})


def test_a_server_that_decodes_nothing_says_so(mount: Mount, v2: Any, model: Any) -> None:
    v2.layout, v2.dims = "NHWC", [-1, 5, 6, 3]
    with pytest.raises(EndpointError):
        ask(mount(v2), model.batch(1))


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value), status, media_type="application/json")
