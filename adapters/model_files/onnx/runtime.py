"""ONNX models through ONNX Runtime, on exactly the execution provider that was asked for.

ONNX Runtime would rather answer slowly than fail: without a usable GPU it runs on the CPU, and
a provider that breaks during a run is replaced. Either would change labels behind the audit's
back, so both are switched off and what started is compared with what was asked.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import math
import os
import re
from collections import Counter
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import MAX_CLASSES, LabelOracle
from adapters.errors import MissingExtra, ModelFileError, ProviderUnavailable, TargetError
from adapters.model_files.local import Dims, Infer, LoadedModel, ModelFacts, ModelFile, one_line
from adapters.model_files.onnx.check import check_onnx
from adapters.model_files.open import open_model_file
from adapters.target.description import Target

DISTRIBUTIONS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-training",
)
"""Distributions that install the same files under the import name onnxruntime."""

OLDEST = (1, 24)
"""Older versions read any file on the disk that a model names as its weights."""

INPUT_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
}
"""ONNX input type -> numpy type."""

_FLOATS = frozenset({"tensor(float)", "tensor(float16)", "tensor(double)"})
_INTEGERS = frozenset(f"tensor({sign}int{bits})" for sign in ("", "u") for bits in (8, 16, 32, 64))

_GPU_WORDS = re.compile(r"cuda|cudnn|cublas|tensorrt|gpu|nvidia|provider", re.IGNORECASE)
"""What an error says where the provider, not the model, is at fault."""

_SILENT = 4
"""ONNX Runtime's severity "fatal": its errors reach us as exceptions, not on stderr."""

_EXTRAS = "pip install 'xray-audit[cpu]', or 'xray-audit[gpu]' for NVIDIA GPUs"


@dataclass(frozen=True, slots=True)
class _Output:
    """The model output that carries the label.

    Attributes:
        name: its name in the model.
        text: True where it holds class names.
        classes: number of classes where the file states it.
    """

    name: str
    text: bool
    classes: int | None


@dataclass(frozen=True, slots=True)
class _Stated:
    """What the file's own metadata says, and which of it could not be used."""

    value_range: tuple[float, float] | None
    classes: tuple[str, ...] | None
    ignored: tuple[str, ...]


async def open_oracle(target: Target) -> LabelOracle:
    """Open the ONNX file that ``target`` names, isolated unless the user vouches for it.

    Raises:
        UntrustedModel: it cannot be isolated here, and nobody vouched for it.
        MissingExtra: ONNX Runtime is not installed.
        ProviderUnavailable: the device asked for did not start, or two builds of ONNX Runtime
            overwrite each other.
        ModelFileError: the file is missing, corrupt, or not an image classifier.
        TargetError: shape, layout, classes or encoding do not fit the model.
    """
    return await open_model_file(target, __name__, check_onnx)


def prepare(device: str, threads: int | None) -> None:  # noqa: ARG001 - as torch wants it
    """Import the runtime and see that it can do what is asked, before any file is read.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
        ProviderUnavailable: it lacks the provider, or two builds overwrite each other.
        TargetError: no such device name.
    """
    _providers(_runtime(), device)


def load(file: ModelFile, device: str, threads: int | None) -> LoadedModel:
    """Load ``file`` into this process. Nothing it computes leaves as anything but labels.

    Raises:
        MissingExtra, ProviderUnavailable, ModelFileError, TargetError: see :func:`open_oracle`.
    """
    ort = _runtime()
    session = _session(ort, file, _providers(ort, device), device, threads)
    output = _pick_output(session, file.name)
    stated = _stated(session, output)
    dims, dtype, batch = _input(session, file.name)
    started = list(session.get_providers())
    facts = ModelFacts(
        dims=dims,
        dtype=dtype,
        batch=batch,
        layout=None,
        value_range=stated.value_range,
        names=stated.classes,
        classes=output.classes,
        text=output.text,
        format="onnx",
        identity=f"{started[0]} onnxruntime {ort.__version__} output {output.name}",
        description={
            "runtime": f"onnxruntime {ort.__version__}",
            "device": device,
            "providers": started,
            "provider_options": session.get_provider_options(),
            "nodes": dict(_nodes(session)),
            "threads": threads or "runtime default",
            "producer": one_line(session.get_modelmeta().producer_name),
            "output": one_line(output.name),
            "ignored_metadata": list(stated.ignored),
        },
    )
    return LoadedModel(_infer(session, output.name), facts)


def _infer(session: Any, output: str) -> Infer:
    feed = session.get_inputs()[0].name
    wanted = [output]

    def infer(tensor: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(session.run(wanted, {feed: tensor})[0])

    return infer


# The runtime and its providers


def _runtime() -> Any:
    """The onnxruntime module.

    Raises:
        MissingExtra: it is not installed, or its files are damaged.
        ProviderUnavailable: two builds are installed over each other.
    """
    builds = [name for name in DISTRIBUTIONS if _installed(name)]
    if len(builds) > 1:
        raise ProviderUnavailable(
            f"{' and '.join(builds)} are both installed and overwrite each other's files: "
            "uninstall all of them, then install one"
        )
    try:
        ort = importlib.import_module("onnxruntime")
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise MissingExtra(f"ONNX Runtime is damaged ({one_line(error)}): {_EXTRAS}") from error
        raise MissingExtra(f"ONNX Runtime is not installed: {_EXTRAS}") from error
    except ImportError as error:
        raise MissingExtra(f"ONNX Runtime does not load ({one_line(error)})") from error
    if not hasattr(ort, "InferenceSession"):  # the empty folder that uninstalling can leave
        raise MissingExtra(f"ONNX Runtime is not installed: {_EXTRAS}")
    if tuple(int(part) for part in re.findall(r"\d+", ort.__version__)[:2]) < OLDEST:
        raise MissingExtra(
            f"ONNX Runtime {ort.__version__} is too old to open a model that is not trusted, "
            f"1.24 is the oldest that can: {_EXTRAS}"
        )
    ort.set_default_logger_severity(_SILENT)
    # With this set a model file could configure the session; the file is not to be trusted.
    os.environ.pop("ORT_LOAD_CONFIG_FROM_MODEL", None)
    return ort


def _installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _providers(ort: Any, device: str) -> list[tuple[str, dict[str, Any]]]:
    """Execution providers for ``device`` with their options, the one asked for first.

    Raises:
        TargetError: no such device name.
        ProviderUnavailable: this build of ONNX Runtime does not hold the provider.
    """
    match = re.fullmatch(r"cpu|(cuda|tensorrt)(?::(\d{1,3}))?", device)
    if match is None:
        raise TargetError(f"device {device!r} is not cpu, cuda, cuda:N, tensorrt or tensorrt:N")
    providers: list[tuple[str, dict[str, Any]]] = [("CPUExecutionProvider", {})]
    if match[1]:
        index = int(match[2] or 0)
        # Timing picks the convolution algorithm by default, so a second run could pick another
        # one and flip labels near a boundary; the heuristic always picks the same.
        options = {"device_id": index, "cudnn_conv_algo_search": "HEURISTIC"}
        providers.insert(0, ("CUDAExecutionProvider", options))
        if match[1] == "tensorrt":
            providers.insert(0, ("TensorrtExecutionProvider", {"device_id": index}))
    available = list(ort.get_available_providers())
    missing = [name for name, _ in providers if name not in available]
    if missing:
        raise ProviderUnavailable(
            f"device {device} needs {missing[0]}, and this ONNX Runtime only has "
            f"{', '.join(available)}: install the GPU build with pip install 'xray-audit[gpu]' "
            "in an environment without the CPU build"
        )
    return providers


def _session(
    ort: Any,
    file: ModelFile,
    providers: list[tuple[str, dict[str, Any]]],
    device: str,
    threads: int | None,
) -> Any:
    """A session on exactly the provider asked for.

    Raises:
        ModelFileError: the runtime does not take the file.
        ProviderUnavailable: the provider asked for did not start, or took no part of the model.
    """
    wanted = providers[0][0]
    on_gpu = wanted != "CPUExecutionProvider"
    complaint = _preload(ort) if on_gpu else ""
    try:
        session = ort.InferenceSession(
            file.data,
            _options(ort, threads),
            providers=providers,
            enable_fallback=0,
            read_config_from_model=0,
        )
    except Exception as error:
        text = _reason(error)
        if on_gpu and _GPU_WORDS.search(text):
            raise ProviderUnavailable(f"{wanted} did not start on {device}: {text}") from error
        if "xternal data" in text or os.devnull in text:
            raise ModelFileError(
                f"model file {file.name} keeps weights in another file: store them in the model"
            ) from error
        raise ModelFileError(f"ONNX Runtime does not take {file.name}: {text}") from error
    session.disable_fallback()
    _check_started(session, wanted, device, complaint)
    return session


def _options(ort: Any, threads: int | None) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = _SILENT
    options.use_deterministic_compute = True
    if threads is not None:
        options.intra_op_num_threads = threads
    # A model given as bytes may name any file in the working directory as its weights; under
    # the null device there is none. The fingerprint's digest then covers all of the model.
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", os.devnull
    )
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


def _preload(ort: Any) -> str:
    """Load CUDA and cuDNN from installed wheels; what it complained about, in one line.

    A missing library is not an error yet: it may be on the system's search path.
    """
    preload = getattr(ort, "preload_dlls", None)
    if preload is None:
        return ""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):  # it prints its complaints
        preload()
    return one_line(printed.getvalue().partition("\n")[0])


def _check_started(session: Any, wanted: str, device: str, complaint: str) -> None:
    started = list(session.get_providers())
    if not started or started[0] != wanted:
        why = f" ({complaint})" if complaint else ""
        raise ProviderUnavailable(
            f"{wanted} did not start on {device}, only {', '.join(started)} did{why}: check the "
            "NVIDIA driver, and CUDA and cuDNN, for example pip install "
            "'onnxruntime-gpu[cuda,cudnn]'"
        )
    nodes = _nodes(session)
    if nodes and wanted not in nodes:
        raise ProviderUnavailable(f"{wanted} started on {device} but runs no part of this model")


def _nodes(session: Any) -> Counter[str]:
    """Number of the model's nodes per provider; empty where this version does not tell."""
    count: Counter[str] = Counter()
    tell = getattr(session, "get_provider_graph_assignment_info", None)
    for part in tell() if tell is not None else ():
        count[part.ep_name] += len(part.get_nodes())
    return count


def _reason(error: Exception) -> str:
    """What went wrong, without ONNX Runtime's error code and source location."""
    text = " ".join(str(error).split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    return one_line(re.sub(r"^\S+\.(?:cc|cpp|h):\d+ [^)]*\)(?: const)? ", "", text))


# What the model says about itself


def _input(session: Any, file: str) -> tuple[Dims, str, tuple[int, int | None]]:
    """Axes, numpy type and batch range of the one input."""
    inputs = [i for i in session.get_inputs() if not i.type.startswith("optional")]
    if len(inputs) != 1:
        names = one_line(", ".join(i.name for i in inputs))
        raise ModelFileError(f"model file {file} takes {len(inputs)} inputs ({names}), not one")
    source = inputs[0]
    if source.type not in INPUT_TYPES:
        raise ModelFileError(f"model file {file} takes {source.type}, not an image tensor")
    if len(source.shape) != 4:
        raise ModelFileError(
            f"model file {file} takes inputs of {len(source.shape)} axes, not a batch of images"
        )
    fixed, *rest = (axis if isinstance(axis, int) else None for axis in source.shape)
    dims: Dims = (rest[0], rest[1], rest[2])
    return dims, INPUT_TYPES[source.type], (1, None) if fixed is None else (fixed, fixed)


def _pick_output(session: Any, file: str) -> _Output:
    """The first output that can carry a label per input.

    Raises:
        ModelFileError: there is none, or the only scores are of a single class.
    """
    outputs = session.get_outputs()
    for output in outputs:
        found = _as_output(output)
        if found is not None and found.classes == 1:
            raise ModelFileError(
                f"model file {file} scores a single class, so it has no decision boundary to audit"
            )
        if found is not None:
            return found
    seen = one_line(", ".join(f"{o.name} {o.type} {o.shape}" for o in outputs))
    raise ModelFileError(f"model file {file} has no output with one label per input: {seen}")


def _as_output(output: Any) -> _Output | None:
    """``output`` as the label's carrier, or None; an unknown shape ([]) is judged by the reply."""
    rank = len(output.shape)
    width = output.shape[1] if rank > 1 and isinstance(output.shape[1], int) else None
    column = rank < 2 or (rank == 2 and width == 1)
    if output.type == "tensor(string)":
        return _Output(output.name, text=True, classes=None) if column else None
    if output.type in _INTEGERS and column:
        return _Output(output.name, text=False, classes=None)
    if output.type not in _FLOATS | _INTEGERS or rank == 1:
        return None
    if any(axis != 1 for axis in output.shape[2:]):
        return None
    return _Output(output.name, text=False, classes=width)


def _stated(session: Any, output: _Output) -> _Stated:
    """``range`` ("lo,hi") and ``classes`` (a JSON list) from the model's metadata.

    Other tools use these keys too, so what cannot be read is reported, not refused.
    """
    found = session.get_modelmeta().custom_metadata_map
    value_range = _range(found.get("range"))
    classes = _classes(found.get("classes"))
    if classes and output.classes is not None and len(classes) != output.classes:
        classes = None
    read = {"range": value_range, "classes": classes}
    ignored = tuple(key for key, value in read.items() if key in found and value is None)
    return _Stated(value_range, classes, ignored)


def _range(text: str | None) -> tuple[float, float] | None:
    try:
        low, high = (float(part) for part in (text or "").split(","))
    except ValueError:
        return None
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low < high else None


def _classes(text: str | None) -> tuple[str, ...] | None:
    try:
        names = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    if not isinstance(names, list) or not 2 <= len(names) <= MAX_CLASSES:
        return None
    if not all(isinstance(name, str) and name.isprintable() for name in names):
        return None
    return tuple(names) if len(set(names)) == len(names) else None
