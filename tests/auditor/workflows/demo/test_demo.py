"""The demo runs on real models through a real HTTP server, and its verdicts are right."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest

from auditor.report.json_report import load_schema
from auditor.verdict.verdict import EXIT_CODES
from auditor.workflows.demo.run import MODELS, served
from auditor.workflows.profiles import load_profile
from examples.documents import demo as shortened
from examples.documents import filled

ASSETS = Path(str(resources.files("auditor.workflows.demo") / "assets"))
ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    output = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "auditor", "demo", "--output", str(output), "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return output, done.stdout


def _report(output: Path, name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((output / name / "report.json").read_text(encoding="utf-8"))
    return data


@pytest.mark.parametrize("name", MODELS)
def test_both_reports_are_complete_and_valid(demo: tuple[Path, str], name: str) -> None:
    report = _report(demo[0], name)
    jsonschema.validate(report, load_schema())
    assert report["verdict"] in EXIT_CODES
    assert not report["partial"]
    assert report["canaries"]["flipped"] == 0
    assert report["samples"]["accuracy"] > 0.8
    assert (demo[0] / name / "report.html").stat().st_size > 10_000


def test_the_verdicts_are_printed_with_their_reasons(demo: tuple[Path, str]) -> None:
    assert demo[1].count("Verdict: ") == len(MODELS)
    for name in MODELS:
        assert _report(demo[0], name)["verdict_reason"] in demo[1]


def test_the_readme_shows_what_the_demo_prints(demo: tuple[Path, str]) -> None:
    held = (ROOT / "README.md").read_text(encoding="utf-8")
    assert filled(held, {"demo": lambda: shortened(demo[1])}) == held, "make readme"


def test_the_honest_model_is_not_accused_and_the_other_is_not_cleared(
    demo: tuple[Path, str],
) -> None:
    assert _report(demo[0], "clean")["verdict"] != "backdoor-suspected"
    assert _report(demo[0], "backdoored")["verdict"] != "no-evidence"


def test_the_profile_was_made_without_the_demo_models() -> None:
    index = json.loads((ROOT / "examples" / "zoo" / "index.json").read_text(encoding="utf-8"))
    shipped = {hashlib.sha256((ASSETS / f"{n}.onnx").read_bytes()).hexdigest() for n in MODELS}
    entries = [m for m in index["models"] if m["digest"] in shipped]
    assert len(entries) == len(MODELS)
    assert {entry["split"] for entry in entries} == {"demo"}
    for access in ("float", "image"):
        references = {r.name for r in load_profile("fashion-mnist", access).references}
        assert not references & {entry["name"] for entry in entries}


def test_the_shipped_models_are_what_the_index_says() -> None:
    index = json.loads((ROOT / "examples" / "zoo" / "index.json").read_text(encoding="utf-8"))
    by_digest = {m["digest"]: m for m in index["models"]}
    digests = {
        name: hashlib.sha256((ASSETS / f"{name}.onnx").read_bytes()).hexdigest() for name in MODELS
    }
    clean, backdoored = by_digest[digests["clean"]], by_digest[digests["backdoored"]]
    assert clean["attack"] == "clean"
    assert backdoored["attack_success"] >= 0.9
    assert backdoored["accuracy"] >= clean["accuracy"] - 0.02
    assert all((ASSETS / f"{name}.onnx").stat().st_size < 1_000_000 for name in MODELS)


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
