"""A model file on disk: read once and hashed, so that what was hashed is what runs."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.errors import ModelFileError
from adapters.file_kind import LOOK_AT, file_kind, kind_of_folder

MAX_FILE_BYTES = 2 * 1024**3
"""Larger files are refused: ONNX cannot hold more, and a file is read whole to be hashed."""

_FORMS = {
    "onnx": (".onnx", "ONNX"),
    "torchscript": (".pt", "a TorchScript file"),
    "export": (".pt2", "a torch.export file"),
    "keras": (".keras", "a Keras file"),
    "h5": (".h5", "a Keras file in HDF5"),
    "tflite": (".tflite", "a TensorFlow Lite file"),
    "savedmodel": (".pb", "a SavedModel"),
    "snapshot": (".safetensors", "a safetensors file"),
}
"""Form of a model file -> the suffix of its kind, and its name in words."""
_SUFFIXES = (*(suffix for suffix, _ in _FORMS.values()), ".hdf5", ".pth", ".ts")


@dataclass(frozen=True, slots=True)
class Content:
    """Hex digest and content of a file beside a model file."""

    sha256: str
    data: bytes | mmap.mmap


@dataclass(frozen=True, slots=True)
class Wanted:
    """The user's word on a model with several outputs or inputs: name of the ``output`` that is
    meant, empty for the model's likeliest, the ``constants`` for inputs beside the pictures, and
    the ``threshold`` from which on an output of one number means the second of two classes.
    """

    output: str = ""
    constants: Mapping[str, float] = field(default_factory=dict)
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class ModelFile:
    """Name (without its folder), hex digest and content of a model file, read once, so that what
    was hashed is what runs.
    """

    name: str
    sha256: str
    data: bytes | mmap.mmap
    beside: Mapping[str, Content] = field(default_factory=dict)
    """Files that belong to it, by the names that it has for them."""
    vouched: bool = False
    """True if the user vouches for code in it."""
    wanted: Wanted = field(default_factory=Wanted)

    @property
    def digest(self) -> str:
        """Digest of the whole model: that of the file, or of the list of all its files."""
        if not self.beside:
            return self.sha256
        lines = sorted(f"{part.sha256} {name}" for name, part in self.beside.items())
        return hashlib.sha256("\n".join([self.sha256, *lines]).encode()).hexdigest()

    def facts(self) -> dict[str, Any]:
        """The JSON-able part, for the report."""
        found = {"file": self.name, "sha256": self.sha256, "bytes": len(self.data)}
        if not self.beside:
            return found
        listed = {name: part.sha256 for name, part in self.beside.items()}
        return {**found, "files_beside": listed, "sha256_of_all": self.digest}


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
            raise ModelFileError(f"model file {location} {why_no_file(path)}")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelFileError(f"model file {location} is larger than the 2 GiB supported")
    except OSError as error:
        raise unreadable(location, error) from error
    return path


def why_no_file(path: Path) -> str:
    """Reason why there is no file at ``path`` to read a model from, as words that follow its name.

    Raises:
        OSError: a folder cannot be read.
    """
    if path.is_dir():
        names = [entry.name for entry in path.iterdir()]
        known = any(name.lower().endswith(_SUFFIXES) for name in names)
        where = ": name one in it" if known else ", and none lies directly in it"
        return f"is {kind_of_folder(names) or f'a folder, not a model file{where}'}"
    if path.is_symlink():
        return f"is a link to {path.readlink()}, where no file is: set the link right"
    return "is a pipe or a device: copy it into a file" if path.exists() else "does not exist"


def refuse_other_kind(file: ModelFile, wanted: str) -> None:
    """Refuse a file that is known to be something else than a model for the adapter ``wanted``.
    Raises ModelFileError, which says what it is and what to do.
    """
    kind = file_kind(file.data[:LOOK_AT], file.data[-LOOK_AT:])
    name = file.name.lower()
    if wanted == "torchscript" and name.endswith(".pt2"):
        wanted = "export"
    if wanted == "keras" and name.endswith((".h5", ".hdf5")):
        wanted = "h5"
    suffix, form = _FORMS[wanted]
    if kind is not None and kind.suffix != suffix:
        raise ModelFileError(f"model file {file.name} is not {form} but {kind}")


def unreadable(location: str, error: OSError) -> ModelFileError:
    """Error for a model file that cannot be read."""
    return ModelFileError(f"model file {location} cannot be read: {error.strerror}")
