"""Audit a TorchScript file. Loading one runs code from it, so you must say that you trust it.

    python examples/audit_torchscript.py

The command line does the same: xray-audit --model FILE.pt --trust-model-file --shape 1,28,28 ...
"""

from __future__ import annotations

import asyncio
import tempfile
import warnings
from importlib import resources
from pathlib import Path

import torch

from adapters.registry import open_oracle
from adapters.target import Target
from auditor.plan.settings import AuditSettings
from auditor.report.console import show_result
from auditor.samples.load import load_samples
from auditor.workflows.audit import run_audit
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located

SAMPLES = Path(
    str(resources.files("auditor.workflows.demo") / "assets" / "fashion-mnist-samples.npz")
)


def write_model(path: Path) -> None:
    """Write an untrained classifier: what it answers is not the point of this example."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10)).eval()
    with warnings.catch_warnings():
        # torch.jit is deprecated for torch.export; files made with it will be around for years.
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(model, torch.zeros(1, 1, 28, 28))  # type: ignore[no-untyped-call]  # torch leaves it untyped
        traced.save(str(path))


async def main(folder: Path) -> None:
    """Write a model, load it as trusted, audit it."""
    model = folder / "model.pt"
    write_model(model)
    oracle = await open_oracle(
        Target(
            "torchscript",
            str(model),
            value_range=(0.0, 1.0),
            shape=(1, 28, 28),
            trust_model_file=True,
        )
    )
    try:
        samples = load_samples(SAMPLES)
        result = await run_audit(
            AuditRequest(located(oracle), samples, AuditSettings(), folder / "report")
        )
    finally:
        await oracle.aclose()
    print(show_result(result.result, folder / "report"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(main(Path(temporary)))
