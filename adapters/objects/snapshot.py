"""A snapshot of the Hugging Face Hub: ``config.json``, ``model.safetensors`` and, where there is
one, ``preprocessor_config.json``, for transformers or timm. No code of the snapshot's own is run.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from adapters.errors import AdapterError, MissingExtra, ModelFileError
from adapters.model_files.file import ModelFile
from adapters.model_files.loaded_model import LoadedModel
from adapters.model_files.torchscript import prepare as prepare_torch
from adapters.objects.timm import with_config
from adapters.objects.torch import TorchObject
from adapters.objects.transformers import TransformersObject, with_configs
from adapters.quoting import one_line


def prepare(device: str, threads: int | None) -> None:
    """Import torch, and see that it has ``device``."""
    prepare_torch(device, threads)
    _module("safetensors.torch")


def load(file: ModelFile, device: str, threads: int | None) -> LoadedModel:
    """Load ``file``, the weights of a snapshot whose other files lie beside it."""
    prepare(device, threads)
    config = _table(file, "config.json")
    if "auto_map" in config or "custom_pipelines" in config:
        raise ModelFileError(
            "the snapshot brings code of its own (auto_map in its config.json), which is not run: "
            "load it yourself and pass it to auditor.audit((model, processor), ...)"
        )
    try:
        build = _timm if "architecture" in config else _transformers
        found = build(file, config, device)
    except AdapterError:
        raise
    except Exception as error:
        raise ModelFileError(f"the snapshot does not load: {one_line(error)}") from error
    return LoadedModel(found.infer, found.facts)


def _timm(file: ModelFile, config: Mapping[str, Any], device: str) -> TorchObject:
    timm = _module("timm")
    name = str(config["architecture"])
    if not timm.is_model(name):
        raise ModelFileError(f"timm {timm.__version__} knows no model {one_line(name)!r}")
    classes = int(config.get("num_classes") or 1000)
    # Newer timm repeats the number of classes among the arguments.
    arguments = {**dict(config.get("model_args") or {}), "num_classes": classes}
    model = timm.create_model(name, pretrained=False, **arguments)
    model.load_state_dict(_weights(file))
    found = TorchObject(model.eval().to(device))
    stated = {"architecture": name, **dict(config.get("pretrained_cfg") or {})}
    facts = replace(found.facts, classes=classes, names=_timm_names(config, classes), format="timm")
    found.facts, _ = with_config(facts, stated)
    found.facts.description["format"] = f"timm {timm.__version__}"
    return found


def _timm_names(config: Mapping[str, Any], classes: int) -> tuple[str, ...] | None:
    names = config.get("label_names") or (config.get("pretrained_cfg") or {}).get("label_names")
    if not isinstance(names, list) or len(names) != classes:
        return None
    return tuple(map(str, names))


def _transformers(file: ModelFile, config: Mapping[str, Any], device: str) -> TorchObject:
    transformers = _module("transformers")
    known = _module("transformers.models.auto.configuration_auto").CONFIG_MAPPING
    kind = config.get("model_type")
    if kind not in known:
        raise ModelFileError(
            f"transformers {transformers.__version__} knows no model type {one_line(kind)!r}"
        )
    stated = known[kind].from_dict(dict(config))
    # Its own from_pretrained knows the names that weights had under older versions.
    network = type(transformers.AutoModelForImageClassification.from_config(stated))
    model, told = network.from_pretrained(
        None, config=stated, state_dict=_weights(file), output_loading_info=True
    )
    wrong = [*told["missing_keys"], *told["mismatched_keys"]]
    if wrong:
        first = one_line(min(map(str, wrong)))
        raise ModelFileError(
            f"the snapshot's weights are not those of an image classifier: {len(wrong)} are "
            f"missing or of another shape, such as {first}"
        )
    found = TransformersObject(model.eval().to(device))
    beside = "preprocessor_config.json"
    processor = _table(file, beside) if beside in file.beside else {}
    facts = replace(found.facts, format="transformers")
    found.facts, _ = with_configs(facts, stated.to_dict(), processor)
    found.facts.description["format"] = f"transformers {transformers.__version__}"
    return found


def _weights(file: ModelFile) -> dict[str, Any]:
    found: dict[str, Any] = _module("safetensors.torch").load(bytes(file.data))
    return found


def _table(file: ModelFile, name: str) -> dict[str, Any]:
    """The JSON object in the file ``name`` of the snapshot."""
    try:
        found = json.loads(bytes(file.beside[name].data))
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{name} of the snapshot is not JSON: {one_line(error)}") from error
    if not isinstance(found, dict):
        raise ModelFileError(f"{name} of the snapshot holds no JSON object")
    return found


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(
            f"{name.partition('.')[0]} does not load ({one_line(error)}): "
            "pip install 'xray-audit[hub]'"
        ) from error
