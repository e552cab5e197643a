"""TensorFlow SavedModels: a folder with a graph and its variables, run by TensorFlow itself."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.errors import BadReply, MissingExtra, ModelFileError, TargetError
from adapters.model_files.file import ModelFile
from adapters.model_files.loaded_model import LoadedModel, ModelFacts
from adapters.model_files.ranked import first_ranked, in_words, ranked_pair
from adapters.quoting import one_line

_ROOT = "ram://model"
"""TensorFlow loads from paths only; this one is in the memory of the process."""
_TYPES = ("float16", "float32", "float64", "uint8")
_SCORES = re.compile(r"(?i).*(logit|prob|score|softmax|class|predict|label)")


def prepare(device: str, threads: int | None) -> None:
    """Import TensorFlow, before any file is read."""
    if device != "cpu":
        raise TargetError(f"a SavedModel runs on the cpu here, not on {device}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        tf: Any = importlib.import_module("tensorflow")
    except ImportError as error:
        raise MissingExtra(
            f"TensorFlow does not load ({one_line(error)}): pip install 'xray-audit[tensorflow]', "
            "or convert the model where it is: python -m tf2onnx.convert --saved-model FOLDER "
            "--output model.onnx"
        ) from error
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)


def load(file: ModelFile, device: str, threads: int | None) -> LoadedModel:
    """Load ``file``, the graph, and the variables beside it into this process."""
    prepare(device, threads)
    tf: Any = importlib.import_module("tensorflow")
    parts = {file.name: file.data, **{name: part.data for name, part in file.beside.items()}}
    for name, data in parts.items():
        tf.io.gfile.makedirs(f"{_ROOT}/{name}".rpartition("/")[0])
        with tf.io.gfile.GFile(f"{_ROOT}/{name}", "wb") as stream:
            stream.write(bytes(data))
    try:
        model = tf.saved_model.load(_ROOT)
        signatures = dict(model.signatures)
    except Exception as error:
        raise ModelFileError(
            f"TensorFlow {tf.__version__} does not take this SavedModel: {one_line(error, 300)}"
        ) from error
    if not signatures:
        raise ModelFileError(
            "the SavedModel has no signature to call: export it with model.export(FOLDER), or with "
            "tf.saved_model.save(model, FOLDER, signatures=...)"
        )
    name = "serving_default" if "serving_default" in signatures else min(signatures)
    called = _Called(tf, model, name, signatures[name], file)
    return LoadedModel(called.infer, called.facts(tf))


class _Called:
    """One signature of a model, from pictures to its one usable output."""

    def __init__(self, tf: Any, model: Any, name: str, signature: Any, file: ModelFile) -> None:
        self._tf, self._model, self._name, self._call = tf, model, name, signature
        self._input, constants = _inputs(signature, file.wanted.constants)
        self._spec = signature.structured_input_signature[1][self._input]
        self._constants = {
            key: tf.constant(value, spec) for key, (value, spec) in constants.items()
        }
        self._outputs = dict(signature.structured_outputs)
        least = 2 if file.wanted.threshold is None else 1
        self._output = _output(self._outputs, file.wanted.output, least)
        shapes = {
            n: ("f" if o.dtype.is_floating else o.dtype.name[0], o.shape.as_list())
            for n, o in self._outputs.items()
            if o.shape.rank
        }
        self._pair = ranked_pair(shapes, self._output, file.wanted.output)

    def infer(self, batch: NDArray[Any]) -> NDArray[Any]:
        sent = {self._input: self._tf.constant(batch), **self._constants}
        names = self._pair or (self._output,)
        try:
            replies = self._call(**sent)
            read = [np.asarray(replies[name].numpy()) for name in names]
        except Exception as error:
            raise BadReply(f"TensorFlow could not run the model: {one_line(error, 300)}") from error
        if self._pair:
            return first_ranked(read[0], read[1], self._pair)
        return read[0].reshape(len(batch), -1) if read[0].ndim > 2 else read[0]

    def facts(self, tf: Any) -> ModelFacts:
        count, *dims = self._spec.shape.as_list()
        width = [] if self._pair else self._outputs[self._output].shape.as_list()[-1:]
        own = self._pair or (self._output,)
        output = in_words(*reversed(own))
        runtime = f"tensorflow {tf.__version__}"
        return ModelFacts(
            dims=(dims[0], dims[1], dims[2]),
            dtype=self._spec.dtype.name,
            batch=(1, None) if count is None else (count, count),
            layout="NHWC",  # TensorFlow's own order
            classes=width[0] if width and isinstance(width[0], int) and width[0] > 1 else None,
            format="SavedModel",
            identity=f"{runtime} signature {self._name} output {output}",
            description={
                "format": "SavedModel",
                "runtime": runtime,
                "signature": one_line(self._name),
                "output": one_line(output),
                "other_outputs": [one for one in sorted(self._outputs) if one not in own],
            },
        )


def _inputs(
    signature: Any, stated: Mapping[str, float]
) -> tuple[str, dict[str, tuple[float, Any]]]:
    """Name of the input for pictures, and the values and types of the others."""
    inputs = dict(signature.structured_input_signature[1])
    pictures = [n for n, one in inputs.items() if one.shape.rank == 4 and one.dtype.name in _TYPES]
    others = [name for name in inputs if name not in pictures]
    if len(pictures) != 1:
        seen = ", ".join(f"{name} {one.dtype.name} {one.shape}" for name, one in inputs.items())
        raise ModelFileError(
            f"the SavedModel takes {one_line(seen, 300)}, not one batch of pictures as numbers"
        )
    missing = [name for name in others if name not in stated]
    if missing:
        raise ModelFileError(
            f"the SavedModel has a further input {one_line(missing[0])}: state its value with "
            f"--input-constant {one_line(missing[0])}=0"
        )
    return pictures[0], {name: (stated[name], inputs[name].dtype) for name in others}


def _output(outputs: Mapping[str, Any], wanted: str, least: int) -> str:
    """Name of the output that is ``wanted``, or the likeliest."""
    if wanted:
        if wanted in outputs:
            return wanted
        raise ModelFileError(
            f"the SavedModel has no output {wanted!r}; it has {one_line(', '.join(outputs), 300)}"
        )
    fitting = [name for name, one in outputs.items() if _is_scores(one, least)]
    if not fitting:
        seen = ", ".join(f"{name} {one.shape}" for name, one in outputs.items())
        raise ModelFileError(f"the SavedModel has no output of scores: {one_line(seen, 300)}")
    return min(fitting, key=lambda name: (not _SCORES.match(name), fitting.index(name)))


def _is_scores(spec: Any, least: int) -> bool:
    """True for an output of one row of scores, or one whole number, for each input."""
    sides = spec.shape.as_list() if spec.shape.rank else []
    rows = len(sides) > 1 and all(side == 1 for side in sides[2:])
    wide = rows and (sides[1] is None or sides[1] >= least)
    return wide or (len(sides) == 1 and spec.dtype.is_integer)
