"""Where the zoo reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workshop:
    """Where things are, and how big to build."""

    data_dir: Path
    out: Path
    device: str = "cpu"
    full_size: bool = False

    def path(self, name: str, suffix: str) -> Path:
        """A model's file: ``.onnx``, ``.pt``, ``.npz`` (trigger) or ``.json`` (record)."""
        return self.out / f"{name}{suffix}"
