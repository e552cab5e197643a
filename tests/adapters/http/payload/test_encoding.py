"""How a picture travels: size, colours, grey and RGB, as a user's client would send it."""

from __future__ import annotations

import asyncio
import base64
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

from adapters.errors import TargetError
from adapters.http import open_oracle
from adapters.target import read_target

Mount = Callable[[Any], str]


def _body(mount: Mount, batch: NDArray[np.float32], **tables: Any) -> tuple[bytes, str, Any]:
    """Body and content type of the request that asks ``batch``, and the oracle."""
    seen: list[tuple[bytes, str]] = []

    async def answer(request: Request) -> Response:
        seen.append((await request.body(), request.headers["content-type"]))
        return Response(json.dumps([[0, 1]] * len(batch)))

    shape = {"shape": list(batch.shape[1:])}
    table = {"url": mount(answer), "preset": "http", **tables}
    table["input"] = {**shape, **tables.get("input", {})}

    async def run() -> Any:
        oracle = await open_oracle(read_target(table))
        await oracle.predict_labels(batch)
        await oracle.aclose()
        return oracle

    oracle = asyncio.run(run())
    return (*seen[0], oracle)


def _inputs(channels: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((1, channels, 4, 6)).astype(np.float32)


RAW = {"request": {"body": "raw"}, "access": "image"}


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
@pytest.mark.parametrize("encoding", ["png", "jpeg:90"])
def test_grey_and_rgb_files(mount: Mount, channels: int, mode: str, encoding: str) -> None:
    body, kind, _ = _body(mount, _inputs(channels), **RAW, input={"encoding": encoding})
    picture = Image.open(io.BytesIO(body))
    assert (picture.mode, picture.size) == (mode, (6, 4))
    assert kind == f"image/{encoding[:4].rstrip(':')}"


@pytest.mark.parametrize("resample", ["nearest", "bilinear", "bicubic"])
def test_a_picture_may_travel_in_another_size(mount: Mount, resample: str) -> None:
    size = {"upload_size": [8, 12], "resample": resample}
    batch = _inputs(3)
    body, _, oracle = _body(mount, batch, **RAW, input=size)
    picture = Image.open(io.BytesIO(body))
    plain = Image.fromarray(np.rint(batch[0].transpose(1, 2, 0) * 255).astype(np.uint8))
    wanted = plain.resize((12, 8), Image.Resampling[resample.upper()])
    assert (np.asarray(picture) == np.asarray(wanted)).all()
    assert oracle.input_spec.shape == (3, 4, 6)
    assert f"sent as 8x12 {resample}" in oracle.fingerprint


def test_every_way_to_wrap_a_file_carries_the_same_bytes(mount: Mount) -> None:
    batch = _inputs(3)
    raw, _, _ = _body(mount, batch, **RAW)
    for value, prefix in (("base64", ""), ("data-uri", "data:image/png;base64,")):
        request = {"template": '{"image": "$INPUT"}', "value": value}
        body, kind, _ = _body(mount, batch, access="image", request=request)
        text = json.loads(body)["image"]
        assert text.startswith(prefix)
        assert base64.b64decode(text[len(prefix) :]) == raw
        assert kind == "application/json"
    form = {"body": "multipart", "field": "photo", "content_type": "application/octet-stream"}
    body, kind, _ = _body(mount, batch, access="image", request=form)
    assert raw in body
    assert b'name="photo"' in body
    assert b"Content-Type: application/octet-stream" in body
    assert kind.startswith("multipart/form-data")


def test_a_content_type_of_ones_own(mount: Mount) -> None:
    own = {"body": "raw", "content_type": "application/x-image"}
    assert _body(mount, _inputs(1), access="image", request=own)[1] == "application/x-image"


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_blue_first(mount: Mount, layout: str) -> None:
    batch = _inputs(3)
    body, _, oracle = _body(mount, batch, input={"color": "bgr", "layout": layout})
    sent = np.array(json.loads(body)["inputs"], np.float32)
    plain = sent if layout == "NCHW" else sent.transpose(0, 3, 1, 2)
    assert (plain[:, ::-1] == batch).all()
    assert "bgr" in oracle.fingerprint
    assert "bgr" not in _body(mount, batch, input={"layout": layout})[2].fingerprint


@pytest.mark.parametrize(
    ("tables", "channels", "words"),
    [
        ({"input": {"color": "bgr"}}, 1, "color 'bgr' needs 3 channels"),
        ({**RAW, "input": {"color": "bgr"}}, 3, "images are always RGB"),
        ({"input": {"upload_size": [9, 9]}}, 3, "use --access image"),
        ({"input": {"encoding": "jpeg:0"}, "access": "image"}, 3, "is no encoding"),
    ],
)
def test_what_cannot_travel(
    mount: Mount, tables: dict[str, Any], channels: int, words: str
) -> None:
    with pytest.raises(TargetError, match=words):
        _body(mount, _inputs(channels), **tables)
