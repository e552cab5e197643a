"""Opens a model file: in a process of its own, or in this one if the user vouches for it."""

from __future__ import annotations

import asyncio
import functools
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapters.contract import LabelOracle
from adapters.errors import UntrustedModel
from adapters.model_files.beside import FileBeside, read_beside
from adapters.model_files.file import ModelFile, read_model_file, refuse_other_kind
from adapters.model_files.folder import GRAPH, snapshot_file, snapshot_parts, variables_of
from adapters.model_files.onnx.check import check_onnx, files_beside
from adapters.model_files.oracle import LocalOracle, resolve, wanted
from adapters.model_files.sandbox.sandbox import landlock_abi
from adapters.target import Target
from adapters.worker import Worker

TRUSTED = "none: the user vouched for the file, so it ran in the auditor's own process"

Check = Callable[[ModelFile], Sequence[FileBeside]]
"""Looks into a file that the user did not vouch for, before any runtime does; returns the files
beside it that belong to it.
"""

RUNTIMES = {
    "onnx": "adapters.model_files.onnx.runtime",
    "torchscript": "adapters.model_files.torchscript",
    "tflite": "adapters.model_files.tflite",
    "keras": "adapters.objects.keras_file",
    "savedmodel": "adapters.objects.saved_model",
    "snapshot": "adapters.objects.snapshot",
}
"""Kind of model file -> the module with ``prepare`` and ``load`` for it. The child process imports
that module: it must not need a :class:`Target`.
"""


def _check(target: Target, file: ModelFile) -> Sequence[FileBeside]:
    refuse_other_kind(file, target.kind)
    if target.kind == "onnx":
        return check_onnx(file)
    if target.kind == "savedmodel":
        return variables_of(target.location)
    return snapshot_parts(target.location) if target.kind == "snapshot" else ()


async def open_oracle(target: Target) -> LabelOracle:
    """Open the model file that ``target`` names, isolated unless the user vouches for it.

    Raises:
        UntrustedModel: it cannot be isolated here, and the user did not vouch for it.
        MissingExtra: its runtime is not installed.
        ProviderUnavailable: the device asked for did not start, or two builds of ONNX Runtime
            overwrite each other.
        ModelFileError: the file is missing, corrupt, or not an image classifier.
        TargetError: shape, layout, classes or encoding do not fit the model.
    """
    runtime = RUNTIMES[target.kind]
    if target.kind == "snapshot":
        target = replace(target, location=await asyncio.to_thread(snapshot_file, target.location))
    if target.kind == "savedmodel":
        target = replace(target, location=str(Path(target.location) / GRAPH))
    if target.trust_model_file:
        return await _open_here(target, importlib.import_module(runtime))
    problem = why_not(target.device)
    if problem:
        raise UntrustedModel(
            f"model file {Path(target.location).name} cannot be isolated here ({problem}): if you "
            "trust where it comes from, run it in this process with --trust-model-file"
        )
    host = importlib.import_module("adapters.model_files.sandbox.host")  # not for Windows
    opened: LabelOracle = await host.open_isolated(
        target, runtime, functools.partial(_check, target)
    )
    return opened


def why_not(device: str) -> str:
    """Reason why a model file cannot be isolated on this machine, in words; empty if it can."""
    if sys.platform != "linux":
        return f"that needs Linux, and this is {sys.platform}"
    if device == "mps":
        return "an mps device is out of a sandbox's reach"
    if landlock_abi() < 1:
        return "this kernel offers no Landlock, or the processor is neither x86-64 nor arm64"
    if not sys.executable:
        return "Python does not know its own program, so it cannot start another"
    return ""


async def _open_here(target: Target, runtime: Any) -> LocalOracle:
    """Load a model on the thread it will run on; the thread ends if loading fails."""
    worker = Worker("model")

    def load() -> LocalOracle:
        runtime.prepare(target.device, target.threads)
        file = read_model_file(target.location)
        refuse_other_kind(file, target.kind)
        parts = files_beside(file) if target.kind == "onnx" else _check(target, file)
        beside = read_beside(target.location, parts)
        file = replace(file, beside=beside, vouched=True, wanted=wanted(target))
        model = runtime.load(file, target.device, target.threads).by_threshold(target.threshold)
        return LocalOracle(model.infer, resolve(target, file, model.facts, TRUSTED), worker)

    try:
        return await worker.run(load)
    except BaseException:
        await worker.aclose()
        raise
