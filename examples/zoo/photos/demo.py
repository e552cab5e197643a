"""The demo's files: its two models and its pictures."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from .samples import drawn, find
from .sources import load

CLEAN = "digits-64-mobilenet-strong-clean-0"
BACKDOORED = "digits-64-mobilenet-strong-low-frequency-3"
PER_CLASS = 12
"""As many pictures as the held-out models of ten classes were searched with."""


def write_demo(data_dir: Path, models: Path, out: Path) -> None:
    """Copy the trained models from ``models`` to ``out``, and write test pictures beside them."""
    for name, kind in ((CLEAN, "clean"), (BACKDOORED, "backdoored")):
        shutil.copyfile(models / f"{name}.onnx", out / f"{kind}.onnx")
    spec = find(CLEAN)
    data = load(spec.task, spec.side, data_dir)
    index = np.concatenate(drawn(spec, data, PER_CLASS, 0))
    np.savez_compressed(
        out / "sign-digits-samples.npz",
        x=data.x_test[index].transpose(0, 2, 3, 1),
        y=data.y_test[index].astype(np.int64),
        index=index,
    )
