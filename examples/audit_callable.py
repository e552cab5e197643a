"""Audit anything you can call: a function from images to labels.

python examples/audit_callable.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor import audit

PROTOTYPES = np.random.default_rng(0).random((6, 1, 8, 8)).astype(np.float32)


def classify(images: NDArray[np.float32]) -> NDArray[np.int64]:
    """The class ``(n,)`` of the prototype nearest to each of ``images`` ``(n, 1, 8, 8)``.

    This is where your own model goes; it must answer with labels, not with scores.
    """
    distances = ((images[:, None] - PROTOTYPES[None]) ** 2).sum(axis=(2, 3, 4))
    labels: NDArray[np.int64] = distances.argmin(axis=1)
    return labels


def main(output: Path) -> None:
    """Audit a nearest-prototype classifier with six classes on samples around its prototypes."""
    noise = np.random.default_rng(1).normal(0.0, 0.05, (10, *PROTOTYPES.shape))
    x = np.clip(PROTOTYPES + noise, 0.0, 1.0).reshape(-1, 1, 8, 8).astype(np.float32)
    y = np.tile(np.arange(6), 10)
    report = audit(
        classify,
        (x, y),
        name="nearest prototype",
        value_range=(0, 1),
        output=output,
    )
    print(report)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder) / "report")
