"""TensorFlow Lite models through LiteRT, one input at a time; quantised ones as 8-bit pixels."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.errors import MissingExtra, ModelFileError, TargetError
from adapters.model_files.file import ModelFile
from adapters.model_files.loaded_model import Dims, LoadedModel, ModelFacts
from adapters.model_files.ranked import first_ranked, in_words, ranked_pair
from adapters.model_files.whole_numbers import whole_numbers
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
    pair = _ranked(asked, output, file.wanted.output)
    sent_as = np.dtype(source["dtype"]).name

    def infer(batch: NDArray[Any]) -> NDArray[Any]:
        sent = whole_numbers(batch, sent_as) if sent_as == "int8" else batch
        rows = []
        for one in sent:
            asked.set_tensor(source["index"], one[None])
            asked.invoke()
            rows.append([np.array(asked.get_tensor(one["index"])[0]) for one in pair or [output]])
        read = [np.stack(column) for column in zip(*rows, strict=True)]
        return (
            first_ranked(read[0], read[1], (pair[0]["name"], pair[1]["name"])) if pair else read[0]
        )

    facts = _facts(asked, source, pair or [output], dtype, dims, None if pair else classes)
    return LoadedModel(infer, facts)


def _facts(
    asked: Any, source: Any, outputs: Sequence[Any], dtype: str, dims: Dims, classes: int | None
) -> ModelFacts:
    scale, zero = source["quantization"]
    own = [one["name"] for one in outputs]
    output = in_words(*reversed(own))
    others = [one["name"] for one in asked.get_output_details() if one["name"] not in own]
    name = type(asked).__module__.partition(".")[0]
    return ModelFacts(
        dims=dims,
        dtype=dtype,
        layout="NHWC",
        classes=classes,
        format="tflite",
        identity=f"{name} output {output}",
        description={
            "format": "tflite",
            "runtime": name,
            "output": one_line(output),
            **({"other_outputs": [one_line(other) for other in others]} if others else {}),
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
    """The output that is wanted, else the first, of those that hold scores ``(1, classes)``, or one
    number if a threshold reads it.
    """
    least, wanted = 2 if file.wanted.threshold is None else 1, file.wanted.output
    outputs = asked.get_output_details()
    for output in outputs:
        shape = [int(side) for side in output["shape"]]
        rows = len(shape) >= 2 and shape[0] == 1 and np.prod(shape) == shape[1]
        if rows and shape[1] >= least and wanted in {"", output["name"]}:
            return output, shape[1]
    seen = one_line(", ".join(f"{one['name']} {list(one['shape'])}" for one in outputs))
    which = f"output {one_line(wanted)!r}" if wanted else "output"
    raise ModelFileError(f"model file {file.name} has no {which} with one row of scores: {seen}")


def _ranked(asked: Any, output: Any, wanted: str) -> list[Any] | None:
    """The scores and the class numbers of the top-k pair that ``output`` belongs to, or None;
    scores that are ``wanted`` by name are scores of every class.
    """
    named = {one["name"]: one for one in asked.get_output_details()}
    shapes = {n: (np.dtype(o["dtype"]).kind, o["shape"].tolist()) for n, o in named.items()}
    pair = ranked_pair(shapes, output["name"], wanted)
    return [named[name] for name in pair] if pair else None
