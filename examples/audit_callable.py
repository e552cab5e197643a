"""Audit anything you can call: a function from images to labels.

python examples/audit_callable.py
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import numpy as np

from adapters.contract import InputSpec
from adapters.synthetic import SyntheticOracle, nearest_prototype, synthetic_prototypes
from auditor.auditing import run_audit
from auditor.plan import AuditSettings
from auditor.reports.console import show_result
from auditor.samples import load_samples


async def main(folder: Path) -> None:
    """Audit a nearest-prototype classifier with six classes on samples around its prototypes."""
    prototypes = synthetic_prototypes(seed=0, classes=6, shape=(1, 8, 8))
    oracle = SyntheticOracle(
        nearest_prototype(prototypes),  # your own: (n, c, h, w) float32 -> (n,) whole numbers
        InputSpec(shape=(1, 8, 8), low=(0.0,), high=(1.0,)),
        names=[f"class {index}" for index in range(6)],
        fingerprint="my-classifier-1",
    )
    noise = np.random.default_rng(0).normal(0.0, 0.05, (10, *prototypes.shape))
    x = np.clip(prototypes + noise, 0.0, 1.0).reshape(-1, 1, 8, 8).astype(np.float32)
    np.savez(folder / "samples.npz", x=x, y=np.tile(np.arange(6), 10))
    samples = load_samples(folder / "samples.npz")
    result = await run_audit(oracle, samples, AuditSettings(density=30), folder / "report")
    print(show_result(result.report, folder / "report"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(main(Path(temporary)))
