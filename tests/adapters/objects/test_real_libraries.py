"""Models as real libraries write and run them: every label is the one that the library gives."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

from adapters.contract import LabelOracle
from adapters.objects.open import open_object, read_object
from adapters.registry import open_oracle
from adapters.target import Target, model_kind
from auditor.workflows.targets import stated_model

Batch = NDArray[np.float32]
Make = Callable[[str, int], Any]

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # the libraries' own
    pytest.mark.timeout(600),  # they take long to import on a busy machine
]


def labels_of(opening: Awaitable[LabelOracle], pixels: NDArray[np.uint8]) -> list[str]:
    """Class names of 8-bit ``pixels`` ``(n, c, h, w)``."""

    async def go() -> list[str]:
        oracle = await opening
        try:
            found = await oracle.predict_labels(oracle.input_spec.from_pixels(pixels))
            return [oracle.label_space.name(int(label)) for label in found]
        finally:
            await oracle.aclose()

    return asyncio.run(go())


def of_object(model: Any, pixels: NDArray[np.uint8], **how: Any) -> list[str]:
    found = read_object(model)
    assert found is not None
    return labels_of(open_object(found, Target("function", "it", **how), "it"), pixels)


def drawn(count: int, height: int, width: int) -> NDArray[np.uint8]:
    """Pictures ``(n, 3, h, w)`` of which no two are alike."""
    random = np.random.default_rng(11)
    base = random.integers(0, 256, (count, 3, 1, 1))
    noise = random.integers(-80, 81, (count, 3, height, width))
    return np.asarray(np.clip(base + noise, 0, 255), dtype=np.uint8)


def as_images(pixels: NDArray[np.uint8]) -> list[Image.Image]:
    return [Image.fromarray(one.transpose(1, 2, 0)) for one in pixels]


def test_a_pipeline_gives_the_labels_it_gives_itself(model_object: Make) -> None:
    transformers = pytest.importorskip("transformers")
    model, processor = model_object("pair", 0)
    pipe = transformers.pipeline(
        "image-classification", model=model.eval(), image_processor=processor, device="cpu"
    )
    pixels = drawn(40, 6, 5)
    own = [answer[0]["label"] for answer in pipe(as_images(pixels), top_k=1)]
    assert len(set(own)) > 1
    assert of_object(pipe, pixels) == own


def test_a_timm_model_gives_the_labels_of_its_own_transform() -> None:
    timm, torch = pytest.importorskip("timm"), pytest.importorskip("torch")
    torch.manual_seed(3)
    model = timm.create_model("resnet18", pretrained=False, num_classes=4).eval()
    config = timm.data.resolve_model_data_config(model)
    transform = timm.data.create_transform(**{**config, "crop_pct": 1.0}, is_training=False)
    pixels = drawn(6, *config["input_size"][1:])
    with torch.inference_mode():
        scores = model(torch.stack([transform(image) for image in as_images(pixels)]))
    own = [str(label) for label in scores.argmax(1).tolist()]
    assert of_object(model, pixels) == own


@pytest.mark.parametrize("form", ["QDQ", "QOperator", "dynamic"])
def test_a_quantised_onnx_file(onnx_file: Callable[..., str], tmp_path: Path, form: str) -> None:
    tools = pytest.importorskip("onnxruntime.quantization")
    source, made = onnx_file(), tmp_path / "int8.onnx"
    pixels = drawn(40, 6, 5)
    inputs = pixels.astype(np.float32) / np.float32(255.0)
    if form == "dynamic":
        tools.quantize_dynamic(source, made)
    else:

        class Reader(tools.CalibrationDataReader):  # type: ignore[name-defined, misc] # untyped
            def __init__(self) -> None:
                self.left = iter(inputs[:20])

            def get_next(self) -> dict[str, Any] | None:
                one = next(self.left, None)
                return None if one is None else {"x": one[None]}

        tools.quantize_static(source, made, Reader(), quant_format=tools.QuantFormat[form])
    kinds = {one.data_type for one in onnx.load(made).graph.initializer}
    assert kinds & {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(str(made), providers=["CPUExecutionProvider"])
    own = [str(label) for label in session.run(None, {"x": inputs})[0].argmax(axis=1)]
    assert len(set(own)) > 1
    assert labels_of(open_oracle(Target("onnx", str(made), value_range=(0.0, 1.0))), pixels) == own


@pytest.mark.parametrize("flavour", ["onnx", "transformers", "sklearn"])
def test_a_folder_that_mlflow_wrote(
    onnx_file: Callable[..., str], model_object: Make, tmp_path: Path, flavour: str
) -> None:
    mlflow, folder, pixels = pytest.importorskip("mlflow"), tmp_path / "kept", drawn(40, 6, 5)
    if flavour == "onnx":
        mlflow.onnx.save_model(onnx.load(onnx_file()), folder)
        ort = pytest.importorskip("onnxruntime")
        session = ort.InferenceSession(onnx_file(), providers=["CPUExecutionProvider"])
        scores = session.run(None, {"x": pixels.astype(np.float32) / np.float32(255.0)})[0]
        own = [str(label) for label in scores.argmax(axis=1)]
    elif flavour == "sklearn":
        mlflow.sklearn.save_model(model_object("sklearn", 0), folder, serialization_format="pickle")
        with pytest.raises(Exception, match="flavour sklearn, whose files could run any code"):
            stated_model(folder)
        return
    else:
        transformers = pytest.importorskip("transformers")
        model, processor = model_object("pair", 0)
        pipe = transformers.pipeline(
            "image-classification", model=model.eval(), image_processor=processor, device="cpu"
        )
        mlflow.transformers.save_model(pipe, folder, task="image-classification")
        own = [answer[0]["label"] for answer in pipe(as_images(pixels), top_k=1)]
    place = stated_model(folder)
    kind = model_kind(place)
    assert kind is not None
    target = Target(kind, place, value_range=(0.0, 1.0) if flavour == "onnx" else None)
    assert labels_of(open_oracle(target), pixels) == own


class Hub(BaseHTTPRequestHandler):
    """The part of the Hugging Face Hub's protocol that a download takes."""

    folder: Path
    protocol_version = "HTTP/1.1"
    commit = "0123456789abcdef0123456789abcdef01234567"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        names = [{"rfilename": one.name} for one in self.folder.iterdir()]
        if path.startswith("/api/models/org/tiny/tree"):
            files = self.folder.iterdir()
            listed = [
                {"type": "file", "path": f.name, "size": f.stat().st_size, "oid": "0" * 40}
                for f in files
            ]
            self.answer(json.dumps(listed).encode())
        elif path.startswith("/api/models/org/tiny"):
            self.answer(
                json.dumps({"id": "org/tiny", "sha": self.commit, "siblings": names}).encode()
            )
        elif path.startswith("/org/tiny/resolve/"):
            place = self.folder / path.rpartition("/")[2]
            self.answer(place.read_bytes() if place.is_file() else None)
        else:
            self.answer(None)

    do_HEAD = do_GET  # noqa: N815 - as the library calls it

    def answer(self, body: bytes | None) -> None:
        self.send_response(404 if body is None else 200)
        if body is None:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("ETag", f'"{hash(body or b"")}"')
        self.send_header("X-Repo-Commit", self.commit)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    Hub.folder = tmp_path / "published"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_name_is_fetched_from_a_hub(model_object: Make, hub: str, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    pair = model_object("pair", 0)
    for part in pair:
        part.save_pretrained(Hub.folder)
    (Hub.folder / "pytorch_model.bin").write_bytes(b"never fetched")
    code = "from adapters.model_files.folder import snapshot_file as f; print(f('hf:org/tiny'))"
    environment = {
        **os.environ, "HF_ENDPOINT": hub, "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
    }  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    weights = Path(ran.stdout.strip())
    assert Hub.commit in str(weights)
    assert not (weights.parent / "pytorch_model.bin").exists()
    pixels = drawn(40, 6, 5)
    opening = open_oracle(Target("snapshot", str(weights.parent)))
    assert labels_of(opening, pixels) == of_object(pair, pixels)
