"""One real server at a time, and what a local run of the same model says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import pytest

from auditor import AuditReport, audit
from tests.servers._park import Running, needs, serving

ASSETS = Path(str(resources.files("auditor.workflows.demo") / "assets"))
MODEL = ASSETS / "backdoored.onnx"
SAMPLES = ASSETS / "fashion-mnist-samples.npz"
SMALL: dict[str, Any] = {"planes": 12, "canaries": 20, "progress": False}

LocalRun = Callable[[Literal["float", "image"]], AuditReport]


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    """The server named by the test's parameter; pytest keeps it for tests in a row."""
    lacking = needs(request.param)
    if lacking:
        pytest.skip(f"{request.param} needs {lacking}")
    with serving(request.param, MODEL) as running:
        yield running


@pytest.fixture(scope="session")
def local_run(tmp_path_factory: pytest.TempPathFactory) -> LocalRun:
    """The same audit of the same file by ONNX Runtime in this process, ``(access)``."""
    made: dict[str, AuditReport] = {}

    def run(access: Literal["float", "image"]) -> AuditReport:
        if access not in made:
            made[access] = audit(
                MODEL,
                SAMPLES,
                output=tmp_path_factory.mktemp("local"),
                access=access,
                value_range=(0, 1),
                threads=1,
                **SMALL,
            )
        return made[access]

    return run
