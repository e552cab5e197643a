"""A page stays under 2,400 words: real audits of models that come with the tool."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from auditor import AuditReport, audit
from auditor.probes.label_search.settings import Effort
from auditor.workflows.demo.server import NAMES

ASSETS = Path(str(resources.files("auditor.workflows.demo") / "assets"))
PHOTOS = ASSETS / "photos"
MOST_WORDS, MOST_BYTES = 2_400, 1_500_000


def audited(model: str, effort: Effort, output: Path, most: int | None = None) -> AuditReport:
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(
        PHOTOS / f"{model}.onnx", options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name

    def classify(pictures: NDArray[np.uint8]) -> Any:
        return session.run(None, {name: pictures.astype(np.float32) / 255})[0].argmax(axis=1)

    return audit(
        classify,
        PHOTOS / "sign-digits-samples.npz",
        output=output,
        max_queries=most,
        name=model,
        progress=False,
        access="image",
        classes=NAMES,
        effort=effort,
        pictures=2,
        density=60,
    )


@pytest.mark.parametrize(
    ("model", "effort", "most", "verdict"),
    [
        ("backdoored", "thorough", None, "backdoor-suspected"),
        ("clean", "quick", None, "inconclusive"),
        ("clean", "quick", 1_200, "inconclusive"),
    ],
)
def test_a_page_stays_short(
    tmp_path: Path, model: str, effort: Effort, most: int | None, verdict: str
) -> None:
    report = audited(model, effort, tmp_path, most)
    assert (report.verdict, report.result.partial) == (verdict, most is not None)
    _stays_short(report)


@pytest.mark.parametrize(
    ("model", "verdict"),
    [
        ("backdoored", "backdoor-suspected"),
        pytest.param("clean", "inconclusive", marks=pytest.mark.slow),
    ],
)
def test_a_page_beside_a_profile_and_its_families_stays_short(
    tmp_path: Path, model: str, verdict: str
) -> None:
    report = audit(
        str(ASSETS / f"{model}.onnx"),
        str(ASSETS / "fashion-mnist-samples.npz"),
        output=tmp_path,
        profile="fashion-mnist",
        progress=False,
        pictures=4,
        density=60,
    )
    assert report.verdict == verdict
    assert "Against the references" in report.page
    _stays_short(report)


def _stays_short(report: AuditReport) -> None:
    words = re.sub(r"<style>.*?</style>|<[^>]+>", " ", report.page, flags=re.DOTALL).split()
    assert 900 < len(words) < MOST_WORDS
    assert len(report.page.encode()) < MOST_BYTES
    for part in ("Sampling statement", "Decision rule and its risks", "Sign-off"):
        assert part in report.page
