"""A Keras model on any of its backends, as an object."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Fit, InputSpec
from adapters.errors import BadReply, TargetError
from adapters.model_files.loaded_model import Dims, ModelFacts
from adapters.model_files.ranked import first_ranked, ranked_pair

_TYPES = ("float16", "float32", "float64", "uint8")


def read(model: Any) -> KerasObject:
    """``model``, a Keras ``Model``, as an object that answers. Raises TargetError if it takes
    anything but one batch of pictures.
    """
    return KerasObject(model)


class KerasObject:
    """A Keras model, called with ``training=False``: its own mode is never changed."""

    fit: Fit | None = None

    def __init__(self, model: Any) -> None:
        self._model = model
        self._keras = importlib.import_module(_package(model))
        # Keras' own get_weights() warns on its torch backend.
        plain = self._keras.ops.convert_to_numpy if hasattr(self._keras, "ops") else np.asarray
        digest = hashlib.sha256()
        for value in (plain(getattr(weight, "value", weight)) for weight in model.weights):
            digest.update(f"{value.dtype} {value.shape}\n".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        self.digest = digest.hexdigest()
        self.facts = facts_of(self._keras, model)

    def enter(self, spec: InputSpec) -> None:
        """See :class:`adapters.objects.model_object.ModelObject`."""

    def infer(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """See :class:`adapters.objects.model_object.ModelObject`."""
        reply = self._model.predict_on_batch(tensor)
        return pick(reply, len(tensor))

    def leave(self) -> None:
        """See :class:`adapters.objects.model_object.ModelObject`."""


def facts_of(keras: Any, model: Any) -> ModelFacts:
    """The account that ``model`` gives of itself."""
    dims, dtype = _input(model)
    output = getattr(model, "output_shape", None)
    width = output[-1] if isinstance(output, tuple) and len(output) == 2 else None
    backend = keras.config.backend() if hasattr(keras, "config") else "tensorflow"
    return ModelFacts(
        dims=dims,
        dtype=dtype,
        layout="NHWC",  # Keras' own order
        classes=width if isinstance(width, int) and width > 1 else None,
        format="keras",
        identity=f"keras {keras.__version__} on {backend}",
        description={
            "format": "keras",
            "class": type(model).__name__,
            "runtime": f"keras {keras.__version__} on {backend}",
        },
    )


def pick(reply: Any, rows: int) -> NDArray[Any]:
    """The first output with one label or one row of scores for each input."""
    parts = list(reply.values()) if isinstance(reply, Mapping) else reply
    arrays = [np.asarray(p) for p in (parts if isinstance(parts, list | tuple) else [parts])]
    shapes = {str(number): (one.dtype.kind, one.shape) for number, one in enumerate(arrays)}
    for number, array in enumerate(arrays):
        if array.ndim > 1 and len(array) == rows and array.size == rows * array.shape[1]:
            if pair := ranked_pair(shapes, str(number)):
                return first_ranked(arrays[int(pair[0])], arrays[int(pair[1])], pair)
            return array
        if array.shape == (rows,) and array.dtype.kind in "iu":
            return array
    if arrays and arrays[0].shape == (rows,):  # one number each, which a threshold may read
        return arrays[0]
    raise BadReply("the model returned no array with one label or one row of scores per input")


def _package(model: Any) -> str:
    """Name of the package that the Keras base class of ``model`` is from."""
    bases = (cls.__module__.partition(".")[0] for cls in type(model).__mro__)
    return next(name for name in bases if name in {"keras", "tf_keras"})


def _input(model: Any) -> tuple[Dims, str]:
    inputs = getattr(model, "inputs", None)
    if not inputs:
        return (None, None, None), "float32"  # a subclass that was not called yet
    if len(inputs) != 1:
        names = ", ".join(str(one.name) for one in inputs)
        raise TargetError(
            f"the Keras model takes {len(inputs)} inputs ({names}), not one: wrap it in a function "
            "from pictures to labels that fills in the others"
        )
    shape, dtype = tuple(inputs[0].shape), str(inputs[0].dtype)
    dtype = getattr(inputs[0].dtype, "name", dtype)
    if len(shape) != 4 or dtype not in _TYPES:
        raise TargetError(f"the Keras model takes {dtype} of shape {shape}, not a batch of images")
    return (shape[1], shape[2], shape[3]), dtype
