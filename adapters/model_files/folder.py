"""Folders and hub names that stand for a model, and the file in them that is meant."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

from adapters.errors import MissingExtra, ModelFileError
from adapters.model_files.beside import FileBeside
from adapters.quoting import one_line

GRAPH = "saved_model.pb"
WEIGHTS, CONFIG, PROCESSOR = "model.safetensors", "config.json", "preprocessor_config.json"

_HUB = re.compile(
    r"(?P<hub>hf|timm):(?P<name>[\w.-]+(?:/[\w.-]+)?)(?:@(?P<revision>[\w./-]+))?", re.ASCII
)


def snapshot_file(location: str) -> str:
    """The weights file of the snapshot that ``location`` names, a folder or a name on the Hugging
    Face Hub, which is fetched from there unless it is in the cache. Raises ModelFileError if it
    holds none that is safe to load.
    """
    folder = _fetched(location) if ":" in location and not Path(location).exists() else location
    path = Path(folder)
    if (path / WEIGHTS).is_file() and (path / CONFIG).is_file():
        return str(path / WEIGHTS)
    try:
        names = {entry.name for entry in path.iterdir()}
    except OSError as error:
        raise ModelFileError(f"{location} cannot be read: {error.strerror}") from error
    raise ModelFileError(f"{location} {_why_no_snapshot(names)}")


def snapshot_parts(location: str) -> list[FileBeside]:
    """The files that belong to the weights file at ``location``; MLflow keeps one elsewhere."""
    folder = Path(location).parent
    kept = folder.resolve().parent / "components" / "image_processor" / PROCESSOR
    if (folder / PROCESSOR).exists():
        return [FileBeside(CONFIG, 2), FileBeside(PROCESSOR, 2)]
    elsewhere = [FileBeside(PROCESSOR, 2, kept)] if kept.exists() else []
    return [FileBeside(CONFIG, 2), *elsewhere]


def variables_of(location: str) -> list[FileBeside]:
    """The files with the variables of the SavedModel whose graph is the file at ``location``."""
    found = sorted((Path(location).parent / "variables").glob("variables.*"))
    return [FileBeside(f"variables/{path.name}", 1) for path in found]


def _why_no_snapshot(names: set[str]) -> str:
    if f"{WEIGHTS}.index.json" in names:
        return (
            "keeps its weights in several files: load it and save it as one with "
            "model.save_pretrained(FOLDER, max_shard_size='2GB')"
        )
    if {"pytorch_model.bin", "tf_model.h5", "flax_model.msgpack"} & names:
        return (
            "holds no safetensors: load it where you trust it and write it again with "
            "model.save_pretrained(FOLDER) (timm: timm.models.save_for_hf(model, FOLDER, "
            "safe_serialization=True)), or pass it to auditor.audit((model, processor))"
        )
    return f"holds no {WEIGHTS} beside a {CONFIG}"


def _fetched(location: str) -> str:
    """The folder of the cache with the snapshot that a ``hf:`` or ``timm:`` name means."""
    match = _HUB.fullmatch(location)
    if match is None:
        raise ModelFileError(
            f"{one_line(location)!r} is no name on the Hugging Face Hub: write hf:ORG/NAME, "
            "hf:ORG/NAME@REVISION or timm:NAME"
        )
    name = match["name"]
    if match["hub"] == "timm" and "/" not in name:
        name = f"timm/{name}"
    try:
        hub: Any = importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise MissingExtra(
            f"{location} is fetched with huggingface_hub: pip install 'xray-audit[hub]'"
        ) from error
    wanted = [WEIGHTS, f"{WEIGHTS}.index.json", CONFIG, PROCESSOR]
    try:
        folder = hub.snapshot_download(name, revision=match["revision"], allow_patterns=wanted)
    except Exception as error:
        raise ModelFileError(f"{location} cannot be fetched: {one_line(error, 300)}") from error
    return str(folder)


# MLflow

_FLAVOUR = re.compile(r"^  (\w+):\s*$", re.MULTILINE)
_ENDINGS = (".onnx", ".keras", ".pt2", ".h5")


def is_mlflow(folder: Path) -> bool:
    """True if ``folder`` is a model as MLflow keeps them."""
    try:
        return (folder / "MLmodel").is_file()
    except OSError:  # a path that cannot be is told where it is opened
        return False


def mlflow_file(folder: Path) -> Path:
    """The model in an MLflow folder that is safe to load: of the flavours onnx, keras and
    transformers. Raises ModelFileError if it holds pickles only, which the others are.
    """
    found = sorted(path for end in _ENDINGS for path in folder.rglob(f"*{end}") if path.is_file())
    if len(found) == 1:
        return found[0]
    snapshots = [path.parent for path in folder.rglob(WEIGHTS) if (path.parent / CONFIG).is_file()]
    if not found and len(snapshots) == 1:
        return snapshots[0]
    try:
        text = (folder / "MLmodel").read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ModelFileError(f"{folder} cannot be read: {error.strerror}") from error
    flavours = [name for name in _FLAVOUR.findall(text) if name != "python_function"]
    if found or snapshots:
        raise ModelFileError(f"{folder} holds several models: name one of the files in it")
    said = " and ".join(flavours) or "python_function"
    raise ModelFileError(
        f"{folder} is an MLflow model of the flavour {said}, whose files could run any "
        "code when they are loaded: log it as onnx, keras or transformers, serve it (mlflow models "
        "serve -m FOLDER) and give its URL, or load it where you trust it and pass it to "
        "auditor.audit(model, ...)"
    )
