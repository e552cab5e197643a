"""Audit an ONNX file from Python.

    python examples/audit_model_file.py

The command line does the same: xray-audit --model FILE --samples DIR
"""

from __future__ import annotations

import asyncio
import tempfile
from importlib import resources
from pathlib import Path

from adapters.registry import open_oracle
from adapters.target import Target
from auditor.plan.settings import AuditSettings
from auditor.report.console import show_result
from auditor.samples.load import load_samples
from auditor.workflows.audit import run_audit
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located

ASSETS = Path(str(resources.files("auditor.workflows.demo") / "assets"))


async def main(output: Path) -> None:
    """Ask what the command asks by default; ``AuditSettings.paper()`` is the published method."""
    oracle = await open_oracle(
        Target("onnx", str(ASSETS / "clean.onnx"), value_range=(0.0, 1.0), threads=1)
    )
    try:
        samples = load_samples(ASSETS / "fashion-mnist-samples.npz")
        result = await run_audit(AuditRequest(located(oracle), samples, AuditSettings(), output))
    finally:
        await oracle.aclose()
    print(show_result(result.result, output))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder)))
