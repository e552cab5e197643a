"""Audit a prediction API from Python: here the demo's own server on loopback.

    python examples/audit_endpoint.py

The command line does the same: xray-audit --endpoint URL --samples DIR
"""

from __future__ import annotations

import asyncio
import tempfile
from importlib import resources
from pathlib import Path

from adapters.registry import open_oracle
from adapters.target import Target
from auditor.engine.contract import EngineLimits
from auditor.plan.settings import AuditSettings
from auditor.report.console import show_result
from auditor.samples.load import load_samples
from auditor.workflows.audit import run_audit
from auditor.workflows.demo.run import served
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located

ASSETS = Path(str(resources.files("auditor.workflows.demo") / "assets"))


async def main(endpoint: str, output: Path) -> None:
    """Ask at most 12,000 queries, at most 5,000 a second."""
    oracle = await open_oracle(Target("http", endpoint, value_range=(0.0, 1.0)))
    try:
        result = await run_audit(
            AuditRequest(
                located(oracle),
                load_samples(ASSETS / "fashion-mnist-samples.npz"),
                AuditSettings(),
                output,
                limits=EngineLimits(max_queries=12000, queries_per_s=5000.0),
            )
        )
    finally:
        await oracle.aclose()
    print(show_result(result.result, output))


if __name__ == "__main__":
    with (
        served({"backdoored": ASSETS / "backdoored.onnx"}) as address,
        tempfile.TemporaryDirectory() as folder,
    ):
        asyncio.run(main(f"{address}/v2/models/backdoored", Path(folder)))
