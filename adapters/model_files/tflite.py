"""TensorFlow Lite models through LiteRT, one input at a time; quantised ones as 8-bit pixels."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.errors import MissingExtra, ModelFileError, TargetError
from adapters.model_files.file import ModelFile
from adapters.model_files.loaded_model import Dims, LoadedModel, ModelFacts
from adapters.quoting import one_line

_RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")
_TYPES = {"float32": "float32", "float16": "float16", "uint8": "uint8", "int8": "uint8"}
"""Type of the input -> the type of the pixels for it."""


def prepare(device: str, threads: int | None) -> None:  # noqa: ARG001 - as torch wants it
    """Import the runtime, before any file is read."""
    if device != "cpu":
        raise TargetError(f"a .tflite file runs on the cpu here, not on {device}")
    _runtime()


def load(file: ModelFile, device: str, threads: int | None) -> LoadedModel:
    """Load ``file`` into this process."""
    prepare(device, threads)
    runtime = _runtime()
    try:
        asked = runtime.Interpreter(model_content=bytes(file.data), num_threads=threads)
        asked.allocate_tensors()
    except Exception as error:
        raise ModelFileError(f"LiteRT does not take {file.name}: {one_line(error)}") from error
    source, dtype, dims = _input(asked, file.name)
    output, classes = _output(asked, file)
    signed = np.dtype(source["dtype"]).name == "int8"

    def infer(batch: NDArray[Any]) -> NDArray[Any]:
        # A full integer model takes pixels shifted to -128 .. 127.
        sent = (batch.astype(np.int16) - 128).astype(np.int8) if signed else batch
        rows = []
        for one in sent:
            asked.set_tensor(source["index"], one[None])
            asked.invoke()
            rows.append(np.array(asked.get_tensor(output["index"])[0]))
        return np.stack(rows)

    facts = _facts(asked, source, output, dtype, dims, classes)
    return LoadedModel(infer, facts)


def _facts(
    asked: Any, source: Any, output: Any, dtype: str, dims: Dims, classes: int
) -> ModelFacts:
    scale, zero = source["quantization"]
    name = type(asked).__module__.partition(".")[0]
    return ModelFacts(
        dims=dims,
        dtype=dtype,
        layout="NHWC",
        classes=classes,
        format="tflite",
        identity=f"{name} output {output['name']}",
        description={
            "format": "tflite",
            "runtime": name,
            "output": one_line(output["name"]),
            "input_type": np.dtype(source["dtype"]).name,
            "quantization": [float(scale), int(zero)],
        },
    )


def _runtime() -> Any:
    problem: ImportError | None = None
    for name in _RUNTIMES:
        try:
            return importlib.import_module(name)
        except ImportError as error:
            problem = problem or error
    raise MissingExtra(
        f"no runtime for .tflite files loads ({one_line(problem)}): "
        "pip install 'xray-audit[tflite]'"
    ) from problem


def _input(asked: Any, file: str) -> tuple[Any, str, Dims]:
    inputs = asked.get_input_details()
    if len(inputs) != 1:
        names = one_line(", ".join(one["name"] for one in inputs))
        raise ModelFileError(f"model file {file} takes {len(inputs)} inputs ({names}), not one")
    shape, dtype = [int(side) for side in inputs[0]["shape"]], np.dtype(inputs[0]["dtype"]).name
    if len(shape) != 4 or dtype not in _TYPES:
        raise ModelFileError(f"model file {file} takes {dtype} of shape {shape}, not an image")
    return inputs[0], _TYPES[dtype], (shape[1], shape[2], shape[3])


def _output(asked: Any, file: ModelFile) -> tuple[Any, int]:
    """The first output of scores ``(1, classes)``, or of one number if a threshold reads it."""
    least = 2 if file.wanted.threshold is None else 1
    outputs = asked.get_output_details()
    for output in outputs:
        shape = [int(side) for side in output["shape"]]
        if len(shape) >= 2 and shape[0] == 1 and shape[1] >= least and np.prod(shape) == shape[1]:
            return output, shape[1]
    seen = one_line(", ".join(f"{one['name']} {list(one['shape'])}" for one in outputs))
    raise ModelFileError(f"model file {file.name} has no output with one row of scores: {seen}")
