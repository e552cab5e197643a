"""Keras models in files (``.keras``, ``.h5``), loaded in Keras' safe mode unless vouched for."""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, cast

from adapters.errors import MissingExtra, ModelFileError, TargetError
from adapters.model_files.file import ModelFile
from adapters.model_files.loaded_model import LoadedModel
from adapters.objects.keras import facts_of, pick
from adapters.quoting import one_line

_BACKENDS = (("torch", "torch"), ("jax", "jax"), ("tensorflow", "tensorflow"))


def prepare(device: str, threads: int | None) -> None:
    """Import Keras on a backend that is installed, before any file is read."""
    if device != "cpu":
        raise TargetError(f"a Keras file runs on the cpu here, not on {device}")
    found = next((name for name, package in _BACKENDS if importlib.util.find_spec(package)), None)
    if found is None:
        raise MissingExtra("Keras has no backend here: pip install 'xray-audit[keras]'")
    os.environ.setdefault("KERAS_BACKEND", found)
    with _without("matplotlib"):
        _module("keras")
    _module("h5py")
    if threads is not None and found == "torch":
        _module("torch").set_num_threads(threads)


def load(file: ModelFile, device: str, threads: int | None) -> LoadedModel:
    """Load ``file`` into this process."""
    prepare(device, threads)
    keras = _module("keras")
    try:
        model = _read(file)
    except Exception as error:
        raise ModelFileError(_failure(keras, file, error)) from error
    try:
        facts = facts_of(keras, model)
    except TargetError as error:
        raise ModelFileError(f"model file {file.name}: {error}") from error
    return LoadedModel(lambda batch: pick(model.predict_on_batch(batch), len(batch)), facts)


def _read(file: ModelFile) -> Any:
    """The model in ``file``, from memory: Keras' public function only takes paths."""
    stream, safe = io.BytesIO(file.data), not file.vouched
    if file.name.lower().endswith(".keras"):
        saving = _module("keras.src.saving.saving_lib")
        return saving._load_model_from_fileobj(stream, None, False, safe)  # noqa: SLF001 - see above
    legacy = _module("keras.src.legacy.saving.legacy_h5_format")
    with _module("h5py").File(stream, "r+") as opened:
        if text := opened.attrs.get("model_config"):
            opened.attrs["model_config"] = json.dumps(json.loads(text, object_hook=_unbatched))
        return legacy.load_model_from_hdf5(opened, compile=False, safe_mode=safe)


def _unbatched(entry: dict[str, Any]) -> dict[str, Any]:
    """A layer's entry without the batch in its input's shape, as Keras up to 2.3 wrote it into the
    first layer of a Sequential model: Keras 3 would take the batch for a side of the picture.
    """
    config = entry.get("config")
    if not isinstance(config, dict) or entry.get("class_name") == "InputLayer":
        return entry
    if shape := config.pop("batch_input_shape", None):
        config["input_shape"] = shape[1:]
    return entry


def _failure(keras: Any, file: ModelFile, error: Exception) -> str:
    if "safe_mode" in str(error) or "arbitrary code" in str(error):
        return (
            f"model file {file.name} holds code of its own (a Lambda layer or the like), which is "
            "not run: write it as layers, or load the model yourself and pass it to "
            "auditor.audit(model, ...), or vouch for it with --trust-model-file"
        )
    return f"{file.name} is not a model that Keras {keras.__version__} can load: {one_line(error)}"


@contextmanager
def _without(package: str) -> Iterator[None]:
    """``package`` as if it were not installed. Keras imports all of matplotlib where it can, which
    wants to write a cache.
    """
    if package in sys.modules:
        yield
        return
    sys.modules[package] = cast("ModuleType", None)
    try:
        yield
    finally:
        del sys.modules[package]


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(
            f"{name.partition('.')[0]} does not load ({one_line(error)}): "
            "pip install 'xray-audit[keras]'"
        ) from error
