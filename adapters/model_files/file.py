"""A model file on disk: read once and hashed, so that what was hashed is what runs."""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.errors import ModelFileError

MAX_FILE_BYTES = 2 * 1024**3
"""Larger files are refused: ONNX cannot hold more, and a file is read whole to be hashed."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """Name (without its folder), hex digest and content of a model file, read once, so that what
    was hashed is what runs.
    """

    name: str
    sha256: str
    data: bytes | mmap.mmap

    def facts(self) -> dict[str, Any]:
        """The JSON-able part, for the report."""
        return {"file": self.name, "sha256": self.sha256, "bytes": len(self.data)}


def read_model_file(location: str) -> ModelFile:
    """Read and hash a model file. Raises ModelFileError as :func:`model_path`, or if it is
    unreadable.
    """
    path = model_path(location)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(location, error) from error
    return ModelFile(path.name, hashlib.sha256(data).hexdigest(), data)


def model_path(location: str) -> Path:
    """The path of a model file; ModelFileError if it is no file in reach or larger than 2 GiB."""
    path = Path(location)
    try:
        if not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
            raise ModelFileError(f"model file {location} {what}")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelFileError(f"model file {location} is larger than the 2 GiB supported")
    except OSError as error:
        raise unreadable(location, error) from error
    return path


def unreadable(location: str, error: OSError) -> ModelFileError:
    """Error for a model file that cannot be read."""
    return ModelFileError(f"model file {location} cannot be read: {error.strerror}")
