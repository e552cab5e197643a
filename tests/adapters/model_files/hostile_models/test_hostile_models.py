"""Hostile model files: each ends in its typed outcome, touches nothing, and the auditor goes on."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.errors import (
    AdapterError,
    EndpointError,
    InputRejected,
    ModelFileError,
    ModelRefused,
    ModelStopped,
    TargetError,
)
from adapters.model_files import open as _model_file
from adapters.model_files.file import ModelFile
from adapters.model_files.onnx import check as onnx_check
from adapters.model_files.onnx.check import check_onnx
from adapters.model_files.sandbox import host
from adapters.registry import open_oracle
from adapters.target import Limits, Target

pytestmark = pytest.mark.skipif(
    bool(_model_file.why_not("cpu")), reason=f"no isolation here: {_model_file.why_not('cpu')}"
)

Write = Callable[[str], Path]

REFUSED: dict[str, tuple[type[AdapterError], str]] = {
    "external relative": (ModelRefused, "another file"),
    "external absolute": (ModelRefused, "another file"),
    "external dotdot": (ModelRefused, "another file"),
    "external symlink": (ModelRefused, "another file"),
    "external hardlink": (ModelRefused, "another file"),
    "external in a Constant": (ModelRefused, "another file"),
    "external in an If": (ModelRefused, "another file"),
    "external in a function": (ModelRefused, "another file"),
    "custom domain": (ModelRefused, "com.attacker::Run"),
    "unknown operator": (ModelRefused, "operator System"),
    "compiled engine": (ModelRefused, "com.microsoft::EPContext"),
    "file decoder": (ModelRefused, "ImageDecoder"),
    "function calls itself": (ModelRefused, "calls itself"),
    "functions without end": (ModelRefused, "unfolds"),
    "deep nesting": (ModelRefused, "nested too deeply"),
    "huge dimensions": (ModelRefused, "absurd dimensions"),
    "negative dimensions": (ModelRefused, "absurd dimensions"),
    "claims more than it brings": (ModelRefused, "disagree"),
    "sparse giant": (ModelRefused, "absurd dimensions"),
    "absurd input": (ModelRefused, "absurd dimension"),
    "unknown part": (ModelRefused, "not known here"),
    "truncated": (ModelFileError, "is not ONNX"),
    "two graphs": (ModelFileError, "twice"),
    "groups": (ModelFileError, "wire type 3"),
    "endless number": (ModelFileError, "64 bits"),
    "too many parts": (ModelFileError, "too many parts"),
    "name that is no text": (ModelFileError, "UTF-8"),
    "no graph": (ModelFileError, "no graph"),
    "empty": (ModelFileError, "is empty"),
}
"""What never reaches a runtime."""

RUN: dict[str, tuple[type[AdapterError], str]] = {
    "huge input": (TargetError, "more than the"),
    "memory bomb": (AdapterError, ""),
    "endless loop": (ModelStopped, "gave no answer to 4 inputs within 2 s"),
    "write at load": (ModelFileError, "model.pt"),
    "pickle in a pt2": (ModelFileError, "model.pt2"),
}
"""What only the sandbox stops."""

SLOW: dict[str, tuple[type[AdapterError] | None, str]] = {
    "hang at load": (ModelStopped, "was not loaded within"),
    "read in forward": (InputRejected, "failed on 4 inputs"),
    "read /etc/passwd": (InputRejected, "failed on 4 inputs"),
    "endless forward": (ModelStopped, "gave no answer"),
    "zip slip": (None, ""),
    "pickle in a pt": (ModelFileError, "model.pt"),
    "truncated pt": (ModelFileError, "model.pt"),
}
"""The same for TorchScript, whose runtime takes seconds to start; None: it answers, harmlessly."""


def state(folder: Path) -> dict[str, Any]:
    """All that an escape could have changed or left, in the folder and beside it."""
    return {
        str(path): (path.is_file() and path.read_bytes(), path.lstat().st_mode)
        for path in [*folder.rglob("*"), *folder.parent.glob("*")]
    }


def ask(path: Path, **limits: Any) -> NDArray[np.int64]:
    shape = (1, 4, 4) if path.suffix == ".pt" else None
    kind = "onnx" if path.suffix == ".onnx" else "torchscript"
    limits = {"model_memory": 1.0, "model_timeout": 2.0, **limits}

    async def go() -> NDArray[np.int64]:
        target = Target(
            kind, str(path), shape=shape, layout="NCHW", threads=1, limits=Limits(**limits)
        )
        oracle = await open_oracle(target)
        try:
            return await oracle.predict_labels(np.zeros((4, *oracle.input_spec.shape), np.float32))
        finally:
            await oracle.aclose()

    return asyncio.run(go())


def outcome(path: Path) -> AdapterError | None:
    try:
        ask(path)
    except AdapterError as error:
        return error
    return None


def check_one(
    hostile: Write, folder: Path, name: str, kind: type[AdapterError] | None, words: str
) -> None:
    path = hostile(name)
    before = state(folder)
    error = outcome(path)
    assert state(folder) == before, "something was written"
    if kind is None:
        assert error is None
        return
    assert isinstance(error, kind)
    assert words in f"{error} {error.__cause__}"
    assert str(error).isprintable()
    assert len(str(error)) < 900
    assert "not yours" not in str(error)
    assert not children()


def children() -> list[str]:
    left = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in left.split()]
    return [command for command in commands if "isolation" in command]


@pytest.mark.parametrize("name", REFUSED)
def test_a_look_refuses_it_before_any_runtime(
    hostile: Write, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(host, "ModelProcess", never)
    monkeypatch.setattr(onnx_check, "MAX_FIELDS", 50_000)
    check_one(hostile, folder, name, *REFUSED[name])


@pytest.mark.parametrize("name", RUN)
def test_the_sandbox_stops_it(hostile: Write, folder: Path, name: str) -> None:
    check_one(hostile, folder, name, *RUN[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_the_sandbox_stops_it_in_torch(
    hostile: Write, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(host, "LOAD_S", 30.0)
    check_one(hostile, folder, name, *SLOW[name])


def test_the_auditor_goes_on_after_all_of_it(
    hostile: Write, folder: Path, onnx_file: Callable[..., str]
) -> None:
    for name in ("custom domain", "memory bomb", "endless loop"):
        assert outcome(hostile(name)) is not None
    honest = Path(onnx_file())
    labels = ask(honest, model_timeout=30.0)
    assert len(labels) == 4
    assert folder.exists()


def test_a_write_at_load_works_where_the_file_is_trusted(hostile: Write, folder: Path) -> None:
    """The attack is real: without the sandbox it writes."""
    path = hostile("write at load")

    async def go() -> None:
        target = Target(
            "torchscript", str(path), shape=(1, 4, 4), layout="NCHW", trust_model_file=True
        )
        oracle = await open_oracle(target)
        assert oracle.description["isolation"].startswith("none: the user vouched")
        await oracle.aclose()

    asyncio.run(go())
    assert (folder / "written").read_bytes() == b"A" * 16


def test_mutated_files_are_looked_through_without_a_crash(onnx_file: Callable[..., str]) -> None:
    good = Path(onnx_file()).read_bytes()
    check_onnx(ModelFile("good.onnx", "", good))
    rng = random.Random(11)
    outcomes = {"passed": 0, "refused": 0}
    for _ in range(1500):
        data = bytearray(good)
        for _ in range(rng.choice((1, 1, 2, 8))):
            place = rng.randrange(len(data))
            way = rng.randrange(3)
            if way == 0:
                data[place] ^= 1 << rng.randrange(8)
            elif way == 1:
                del data[place : place + rng.randrange(1, 9)]
            else:
                data[place:place] = rng.randbytes(rng.randrange(1, 9))
        try:
            check_onnx(ModelFile("bad.onnx", "", bytes(data)))
            outcomes["passed"] += 1
        except ModelFileError as error:
            outcomes["refused"] += str(error).isprintable()
    assert min(outcomes.values()) > 100, outcomes


def test_mutated_files_that_pass_the_look_harm_nothing(
    onnx_file: Callable[..., str], folder: Path
) -> None:
    good = Path(onnx_file()).read_bytes()
    path = folder / "model.onnx"
    rng, run = random.Random(5), 0
    before = state(folder)
    while run < 5:
        data = bytearray(good)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        try:
            check_onnx(ModelFile("m", "", bytes(data)))
        except ModelFileError:
            continue
        run += 1
        path.write_bytes(data)
        error = outcome(path)
        path.unlink()
        assert error is None or isinstance(error, ModelFileError | EndpointError | TargetError)
    assert state(folder) == before
