"""Names of adapters, imported only when one is asked for."""

from __future__ import annotations

import importlib

from adapters.contract import LabelOracle
from adapters.errors import TargetError
from adapters.target import Target

MODEL_FILES = ("onnx", "torchscript", "tflite", "keras", "savedmodel", "snapshot")

ADAPTERS: dict[str, str] = {
    **dict.fromkeys(MODEL_FILES, "adapters.model_files.open"),
    "http": "adapters.http",
    "files": "adapters.batch_files",
    "synthetic": "adapters.synthetic",
}
"""Adapter name -> module with ``async def open_oracle(target) -> LabelOracle``."""


_ORDERS_COLOURS = {"http", *MODEL_FILES}


async def open_oracle(target: Target) -> LabelOracle:
    """Open the model that ``target`` describes. Raises TargetError for an unknown kind or a
    description that cannot work, ModelFileError if the file cannot be loaded, EndpointError if the
    endpoint's metadata could not be read.
    """
    path = ADAPTERS.get(target.kind)
    if path is None:
        known = ", ".join(sorted(ADAPTERS))
        raise TargetError(f"there is no adapter {target.kind!r}; known adapters: {known}")
    if target.upload_size is not None and target.kind != "http":
        raise TargetError(f"input.upload_size is for endpoints, and the target is {target.kind}")
    binary = target.kind in MODEL_FILES or target.http.reply.kind == "binary"
    if target.threshold is not None and not binary:
        raise TargetError(
            'a threshold is for model files; an endpoint states it with response.kind = "binary"'
        )
    if target.color != "rgb" and target.kind not in _ORDERS_COLOURS:
        raise TargetError(
            f"input.color is for endpoints and model files, and the target is {target.kind}"
        )
    oracle: LabelOracle = await importlib.import_module(path).open_oracle(target)
    return oracle
