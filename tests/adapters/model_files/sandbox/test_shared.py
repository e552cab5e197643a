"""Memory that is not to be had is blamed on its cause, never on the model file."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.errors import TargetError
from adapters.model_files.sandbox.shared import SealedModel, Slots


@pytest.fixture
def small_files() -> Iterator[None]:
    """Files of this process may hold 4 KiB, as after ``ulimit -f 4``."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files")
def test_a_limit_on_files_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with path.open("wb") as stream:
        stream.write(bytes(4000))
        stream.flush()
    SealedModel(str(path)).close()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    with pytest.raises(TargetError, match=r"limited to 1,024 bytes here \(ulimit -f\): raise"):
        SealedModel(str(path))


@pytest.mark.usefixtures("small_files")
def test_a_limit_on_files_is_named_for_inputs_too() -> None:
    slots = Slots()
    with pytest.raises(TargetError, match=r"inputs: files are limited to 4,096 bytes here"):
        slots.shape(2, (8, 3, 32, 32), "float32")
    slots.close()
