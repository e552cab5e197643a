"""Audits of two classes: no planes, and a search that decides only where it was measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from adapters.target import read_description
from auditor.errors import ExitCode

SIDE = 32
BOARD = np.array([[1, -1, 1], [-1, 1, -1], [1, -1, 1]], dtype=np.float32)
Command = Callable[..., Any]
REASON = "miss too many backdoors to clear a model, so only what one finds can decide"


def prototypes() -> NDArray[np.float32]:
    """A picture of each class, ``(2, 3, side, side)``."""
    coarse = np.random.default_rng(1).random((2, 3, 4, 4))
    return np.kron(coarse, np.ones((1, 1, SIDE // 4, SIDE // 4))).astype(np.float32)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Thirty pictures each of cats and dogs."""
    random = np.random.default_rng(2)
    for name, picture in zip(("cat", "dog"), prototypes(), strict=True):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(30):
            noisy = np.clip(picture + random.normal(0.0, 0.15, picture.shape), 0.0, 1.0)
            pixels = np.rint(255.0 * noisy).astype(np.uint8).transpose(1, 2, 0)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{number}.png")
    return tmp_path / "pets"


def save(
    place: Path, nodes: list[onnx.NodeProto], output: str, width: int, constants: dict[str, Any]
) -> None:
    """Write a model of pictures ``x`` whose ``output`` has ``width`` numbers a picture."""
    graph = helper.make_graph(
        nodes,
        "pets",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", width])],
        [numpy_helper.from_array(v.astype(np.float32), name) for name, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), place)


@pytest.fixture
def backdoored(tmp_path: Path) -> Path:
    """A model of two scores, with a backdoor: a checkerboard of 3 x 3 pixels makes a dog."""
    flat = prototypes().reshape(2, -1)
    constants = {
        "w": (2.0 * flat).T / SIDE, "b": -(flat**2).sum(axis=1) / SIDE,
        "board": np.stack([BOARD] * 3)[None] / 3, "least": np.array([-2.2]),
        "says": np.array([[0.0, 1000.0]]),
    }  # fmt: skip
    steps = (
        ("Flatten", ("x",), "flat"), ("Gemm", ("flat", "w", "b"), "clean"),
        ("Conv", ("x", "board"), "seen"), ("GlobalMaxPool", ("seen",), "most"),
        ("Flatten", ("most",), "best"), ("Add", ("best", "least"), "over"),
        ("Relu", ("over",), "woken"), ("MatMul", ("woken", "says"), "said"),
        ("Add", ("clean", "said"), "scores"),
    )  # fmt: skip
    nodes = [helper.make_node(op, ins, [out]) for op, ins, out in steps]
    place = tmp_path / "pets.onnx"
    save(place, nodes, "scores", 2, constants)
    return place


@pytest.fixture
def url() -> Any:
    """A service that answers a raw picture with the probability of a dog."""
    cat, dog = prototypes()

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                pixels = np.asarray(Image.open(BytesIO(data)).convert("RGB"), dtype=np.float64)
            except OSError:
                self.answer(400, {"error": "not a picture"})
                return
            picture = pixels.transpose(2, 0, 1) / 255.0
            nearer = float(((picture - cat) ** 2 - (picture - dog) ** 2).mean())
            self.answer(200, {"score": 1.0 / (1.0 + np.exp(-100.0 * nearer))})

        def answer(self, status: int, body: Any) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/predict"
    server.shutdown()
    server.server_close()


def read(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    return found


def test_a_file_ends_inconclusive_with_what_was_found(
    command: Command, pets: Path, backdoored: Path
) -> None:
    checked = command("check", "--model", backdoored, "--samples", pets, "--write", "t.toml")
    assert checked.code == ExitCode.NO_EVIDENCE, checked.out
    assert "Note:        The samples hold two classes" in checked.out
    words = ("--target", "t.toml", "--samples", pets, "--output", "out")
    planned = command("plan", *words)
    assert "known only for tasks of 5 classes and more" in planned.out
    ran = command(*words)
    assert ran.code == ExitCode.INCONCLUSIVE, ran.err
    assert REASON in ran.out
    assert "Next: xray-audit verify out" in ran.out
    report = read(Path("out/report.json"))
    assert report["settings"]["planes"] == 0
    assert report["planes"] == []
    assert report["samples"]["accuracy"] == 1.0
    assert report["canaries"]["asked"] == 60
    # Shown with its success, and no claim about models that were never measured.
    assert report["trigger"]["best"]["success"]["hits"] >= 14
    assert report["trigger"]["best"]["target"] == 1
    assert report["trigger"]["held_out"] is None
    assert not report["trigger"]["suspicious"]
    page = Path("out/report.html").read_text(encoding="utf-8")
    assert "With two classes that decides nothing" in page
    assert "none: they run through three classes" in page
    assert command("verify", "out").code == ExitCode.NO_EVIDENCE
    compared = command("diff", "out", "out")
    assert "inconclusive, as before" in compared.out
    # What was answered is not asked again.
    assert "0 sent" in command(*words).out


@pytest.mark.slow
def test_a_service_found_by_its_url(command: Command, pets: Path, url: str) -> None:
    checked = command("check", url, "--samples", pets, "--write", "t.toml")
    assert checked.code == ExitCode.NO_EVIDENCE, checked.out
    ran = command("--target", "t.toml", "--samples", pets, "--output", "out")
    assert ran.code == ExitCode.INCONCLUSIVE, ran.err
    assert REASON in ran.out
    report = read(Path("out/report.json"))
    assert report["labels"] == {"0": "cat", "1": "dog"}
    assert report["trigger"] is not None
    assert command("verify", "out").code == ExitCode.NO_EVIDENCE


@pytest.mark.parametrize("order", [1, -1])
def test_a_file_of_one_number_is_read_by_what_check_proposes(
    command: Command, pets: Path, tmp_path: Path, order: int
) -> None:
    flat = prototypes().reshape(2, -1)[::order]
    constants = {"w": 2.0 * (flat[1] - flat[0])[:, None] / SIDE, "b": (flat**2).sum(axis=1)}
    constants["b"] = (constants["b"][:1] - constants["b"][1:]) / SIDE
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["chance"]),
    ]
    model = tmp_path / "one.onnx"
    save(model, nodes, "chance", 1, constants)
    ran = command("plan", "--model", model, "--samples", pets)
    assert "--threshold 0.5 for a probability" in ran.sentence
    checked = command("check", "--model", model, "--samples", pets, "--write", "t.toml")
    assert checked.code == ExitCode.NO_EVIDENCE, checked.out + checked.err
    assert "The model answers with one number: from response.threshold = 0.5 on" in checked.out
    described = read_description(Path("t.toml"))["response"]
    names = ["cat", "dog"][::order]
    assert described == {"kind": "binary", "threshold": 0.5, "classes": names}
    planned = command("plan", "--model", model, "--samples", pets, "--threshold", "0.5")
    assert planned.code == ExitCode.NO_EVIDENCE


def test_nothing_is_compared_without_planes(
    command: Command, pets: Path, backdoored: Path, tmp_path: Path
) -> None:
    words = ("--samples", pets, "--range", "0,1", "--output", "out")
    ran = command("--model", backdoored, "--profile", "cifar-10", *words)
    assert ran.code == ExitCode.USAGE
    assert "planes run through three, so there is nothing to compare" in ran.sentence
    models = [{"name": f"model-{n}", "model": str(backdoored)} for n in range(2)]
    (tmp_path / "references.json").write_text(json.dumps({"references": models}))
    ran = command("calibrate", tmp_path / "references.json", *words)
    assert ran.code != ExitCode.NO_EVIDENCE
    assert "planes run through three" in ran.out + ran.err
