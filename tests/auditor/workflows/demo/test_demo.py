"""The demo runs on real models through a real HTTP server, and its verdicts are right."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import io
import json
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from auditor.engine.progress import Progress
from auditor.report.console_end import show_end
from auditor.report.json_report import load_schema
from auditor.report.result.result import Result
from auditor.verdict.verdict import EXIT_CODES
from auditor.workflows.demo import run as module
from auditor.workflows.demo.run import MODELS, run_demo, served
from auditor.workflows.demo.server import NAMES
from auditor.workflows.profiles import load_profile
from examples.documents import demo as shortened
from examples.documents import filled

ASSETS = Path(str(resources.files("auditor.workflows.demo") / "assets"))
PHOTOS = ASSETS / "photos"
TARGET = 5
ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The demo's backdoored model, audited with little effort; the whole demo is a slow test."""
    output = tmp_path_factory.mktemp("demo")
    printed: list[str] = []

    def show(result: Result, folder: Path) -> None:
        printed.extend(show_end(result, folder))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MODELS", {"backdoored": MODELS["backdoored"]})
        asyncio.run(run_demo(output, "quick", Progress(), printed.append, show))
    return output, "\n".join(printed)


def _report(output: Path, name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((output / name / "report.json").read_text(encoding="utf-8"))
    return data


def _is_complete(output: Path, name: str) -> None:
    report = _report(output, name)
    # Not imported above: it takes two seconds, and every worker reads this file.
    importlib.import_module("jsonschema").validate(report, load_schema())
    assert report["verdict"] in EXIT_CODES
    assert not report["partial"]
    assert report["canaries"]["flipped"] == 0
    assert report["samples"]["accuracy"] > 0.8
    assert (output / name / "report.html").stat().st_size > 10_000


def test_the_report_is_complete_and_valid_and_clears_nothing(demo: tuple[Path, str]) -> None:
    _is_complete(demo[0], "backdoored")
    assert _report(demo[0], "backdoored")["verdict"] != "no-evidence"


def test_the_verdict_is_printed_with_its_reason(demo: tuple[Path, str]) -> None:
    assert demo[1].count("Verdict: ") == 1
    first = _report(demo[0], "backdoored")["verdict_reason"].split(". ")[0]
    assert first in demo[1]


@pytest.mark.slow
def test_the_whole_demo_is_right_and_the_readme_shows_what_it_prints(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "auditor", "demo", "--output", str(tmp_path), "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    held = (ROOT / "README.md").read_text(encoding="utf-8")
    assert filled(held, {"demo": lambda: shortened(done.stdout)}) == held, "make readme"
    verdicts = {name: _report(tmp_path, name)["verdict"] for name in MODELS}
    assert verdicts == {"clean": "no-evidence", "backdoored": "backdoor-suspected"}
    for name in MODELS:
        _is_complete(tmp_path, name)
    report = _report(tmp_path, "backdoored")
    assert (report["verdict"], report["target_label"]) == ("backdoor-suspected", TARGET)
    assert _report(tmp_path, "clean")["verdict"] != "backdoor-suspected"


def _entries(index: Path, digest: str, folder: Path) -> dict[str, dict[str, Any]]:
    """The records of the two models in ``folder``, by name of their file."""
    models = json.loads(index.read_text(encoding="utf-8"))["models"]
    by_digest = {m[digest]: m for m in models}
    files = {name: (folder / f"{name}.onnx").read_bytes() for name in MODELS}
    return {name: by_digest[hashlib.sha256(data).hexdigest()] for name, data in files.items()}


@pytest.mark.parametrize(
    ("index", "digest", "folder", "success"),
    [
        (ROOT / "examples" / "zoo" / "index.json", "digest", ASSETS, "attack_success"),
        (ROOT / "examples" / "zoo" / "photos" / "index.json", "sha256", PHOTOS, "success"),
    ],
)
def test_the_shipped_models_are_what_the_index_says_and_in_no_reference(
    index: Path, digest: str, folder: Path, success: str
) -> None:
    entries = _entries(index, digest, folder)
    assert {entry["split"] for entry in entries.values()} == {"demo"}
    clean, backdoored = entries["clean"], entries["backdoored"]
    assert clean["attack"] == "clean"
    assert backdoored[success] >= 0.9
    assert backdoored["accuracy"] >= clean["accuracy"] - 0.02
    assert all((folder / f"{name}.onnx").stat().st_size < 1_000_000 for name in MODELS)


def test_the_profile_was_made_without_the_shipped_models() -> None:
    entries = _entries(ROOT / "examples" / "zoo" / "index.json", "digest", ASSETS).values()
    for access in ("float", "image"):
        references = {r.name for r in load_profile("fashion-mnist", access).references}
        assert not references & {entry["name"] for entry in entries}


def test_the_picture_api_takes_a_png_and_answers_a_name() -> None:
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), "white").save(picture, "PNG")
    with served({"clean": PHOTOS / "clean.onnx"}) as address, httpx.Client() as client:
        good = client.post(f"{address}/classify/clean", content=picture.getvalue())
        assert good.json()["label"] in NAMES
        assert client.post(f"{address}/classify/clean", content=b"no picture").status_code == 400
        assert client.post(f"{address}/classify/other", content=b"").status_code == 404


def test_the_server_answers_json_and_raw_tensors_alike() -> None:
    batch = np.random.default_rng(0).random((3, 1, 28, 28), dtype=np.float32)
    tensor: dict[str, Any] = {"name": "input", "shape": list(batch.shape), "datatype": "FP32"}
    with served({"clean": ASSETS / "clean.onnx"}) as address, httpx.Client() as client:
        url = f"{address}/v2/models/clean/infer"
        text = client.post(url, json={"inputs": [{**tensor, "data": batch.ravel().tolist()}]})
        raw = batch.tobytes()
        head = {"inputs": [{**tensor, "parameters": {"binary_data_size": len(raw)}}],
                "outputs": [{"name": "logits", "parameters": {"binary_data": True}}]}  # fmt: skip
        start = json.dumps(head).encode()
        headers = {"Inference-Header-Content-Length": str(len(start))}
        binary = client.post(url, content=start + raw, headers=headers)
        cut = int(binary.headers["inference-header-content-length"])
        assert client.get(f"{address}/counts").json() == {"clean": [2, 6]}
        assert client.get(f"{address}/v2/models/other").status_code == 404
        assert client.post(url, content=b"{}").status_code == 400
    scores = np.frombuffer(binary.content[cut:], "<f4").reshape(3, 10)
    np.testing.assert_allclose(text.json()["outputs"][0]["data"], scores.ravel(), rtol=1e-6)
