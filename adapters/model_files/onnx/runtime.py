"""ONNX models through ONNX Runtime, on exactly the execution provider that was asked for.

ONNX Runtime would rather answer slowly than fail: without a usable GPU it runs on the CPU, and
a provider that breaks during a run is replaced. Either would change labels behind the audit's
back, so both are switched off and what started is compared with what was asked.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
from collections import Counter
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.errors import MissingExtra, ModelFileError, ProviderUnavailable, TargetError
from adapters.model_files.file import ModelFile, Wanted
from adapters.model_files.loaded_model import LoadedModel, ModelFacts
from adapters.model_files.onnx.signature import (
    WHOLE_TYPES,
    LabelOutput,
    pick_output,
    read_input,
    read_metadata,
    split_inputs,
)
from adapters.model_files.ranked import first_ranked
from adapters.model_files.whole_numbers import whole_numbers
from adapters.quoting import one_line

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

_GPU_WORDS = re.compile(r"cuda|cudnn|cublas|tensorrt|gpu|nvidia|provider", re.IGNORECASE)
"""Words of an error for which the provider, not the model, is at fault."""

_NEWER = re.compile(r"(IR version|(?i:opset)):? (\d+)")
"""A version that the runtime says it does not know."""

_SILENT = 4
"""ONNX Runtime's severity "fatal": its errors reach us as exceptions, not on stderr."""

_EXTRAS = "pip install 'xray-audit[cpu]', or 'xray-audit[gpu]' for NVIDIA GPUs"


def prepare(device: str, threads: int | None) -> None:  # noqa: ARG001 - as torch wants it
    """Import the runtime and see that it has ``device``, before any file is read."""
    _providers(_runtime(), device)


def load(file: ModelFile, device: str, threads: int | None) -> LoadedModel:
    """Load ``file`` into this process; only labels of what it computes leave."""
    ort = _runtime()
    session = _session(ort, file, _providers(ort, device), device, threads)
    account = {
        "device": device,
        "nodes": dict(_nodes(session)),
        "threads": threads or "runtime default",
    }
    return read_session(ort, session, file.name, account, file.wanted)


def read_session(
    ort: Any, session: Any, file: str, account: dict[str, Any], wanted: Wanted | None = None
) -> LoadedModel:
    """The model of an open ``session``, which messages call ``file``; ``account`` is for the report
    too.
    """
    wanted = wanted or Wanted()
    output, others = pick_output(session, file, wanted.output, single=wanted.threshold is not None)
    stated = read_metadata(session, output)
    source, constants = split_inputs(session, file, wanted.constants)
    dims, dtype, batch = read_input(source, file)
    said = "".join(f" {name}={value.tolist()}" for name, value in constants.items())
    started, whole = list(session.get_providers()), WHOLE_TYPES.get(source.type)
    facts = ModelFacts(
        dims=dims,
        dtype=dtype,
        batch=batch,
        value_range=stated.value_range,
        names=stated.classes,
        classes=output.classes,
        text=output.text,
        format="onnx",
        identity=f"{started[0]} onnxruntime {ort.__version__} output {output.words}{said}",
        description={
            "runtime": f"onnxruntime {ort.__version__}",
            "providers": started,
            "provider_options": session.get_provider_options(),
            "producer": one_line(session.get_modelmeta().producer_name),
            "output": one_line(output.words),
            **({"other_outputs": others} if others else {}),
            **({"constants": said.split()} if constants else {}),
            **({"input_type": whole} if whole else {}),
            "ignored_metadata": list(stated.ignored),
            **account,
        },
    )

    def infer(tensor: NDArray[Any]) -> NDArray[Any]:
        sent = whole_numbers(tensor, whole) if whole else tensor
        return _reply(session, output, {source.name: sent, **constants})

    return LoadedModel(infer, facts)


def _reply(session: Any, output: LabelOutput, feed: dict[str, NDArray[Any]]) -> NDArray[Any]:
    if not output.scores:
        return np.asarray(session.run([output.name], feed)[0])
    scores, numbers = session.run([output.scores, output.name], feed)
    return first_ranked(scores, numbers, (output.scores, output.name))


# The runtime and its providers


def _runtime() -> Any:
    """The onnxruntime module; one build, undamaged and new enough."""
    builds = [name for name in DISTRIBUTIONS if list(metadata.distributions(name=name))]
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


def _providers(ort: Any, device: str) -> list[tuple[str, dict[str, Any]]]:
    """Execution providers for ``device`` with their options, the one asked for first."""
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
    """A session on exactly the provider asked for."""
    wanted = providers[0][0]
    on_gpu = wanted != "CPUExecutionProvider"
    complaint = _preload(ort) if on_gpu else ""
    try:
        session = ort.InferenceSession(
            file.data,
            _options(ort, file, threads),
            providers=providers,
            enable_fallback=0,
            read_config_from_model=0,
        )
    except Exception as error:
        text = _reason(error)
        if on_gpu and _GPU_WORDS.search(text):
            raise ProviderUnavailable(f"{wanted} did not start on {device}: {text}") from error
        raise ModelFileError(_why_not(file.name, text, ort.__version__)) from error
    session.disable_fallback()
    _check_started(session, wanted, device, complaint)
    return session


def _why_not(name: str, text: str, version: str) -> str:
    """The runtime's reason ``text`` not to take the file ``name``, in words, with a remedy."""
    if "xternal data" in text or os.devnull in text:
        return f"model file {name} keeps weights in another file: store them in the model"
    if "rotobuf parsing failed" in text:
        return f"model file {name} is not ONNX, or was cut short: fetch or export it again"
    if newer := _NEWER.search(text):
        return (
            f"ONNX Runtime {version} does not take {name}, which is of {newer[1]} {newer[2]}: "
            "export it for an older opset, or install a newer ONNX Runtime"
        )
    return f"ONNX Runtime does not take {name}: {text}"


def _options(ort: Any, file: ModelFile, threads: int | None) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = _SILENT
    options.use_deterministic_compute = True
    if threads is not None:
        options.intra_op_num_threads = threads
    # A model given as bytes may name any file in the working directory as its weights; under
    # the null device there is none. Those read and hashed with the model are handed over, so the
    # fingerprint's digest covers all of it.
    if file.beside:
        held = [(name, part.data, len(part.data)) for name, part in file.beside.items()]
        options.add_external_initializers_from_files_in_memory(*map(list, zip(*held, strict=True)))
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", os.devnull
    )
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


def _preload(ort: Any) -> str:
    """Load CUDA and cuDNN from installed wheels; its complaint, in one line. A missing library is
    not an error yet: it may be on the system's search path.
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
    """Number of the model's nodes per provider; empty if this version does not tell."""
    count: Counter[str] = Counter()
    tell = getattr(session, "get_provider_graph_assignment_info", None)
    for part in tell() if tell is not None else ():
        count[part.ep_name] += len(part.get_nodes())
    return count


def _reason(error: Exception) -> str:
    """Text of ``error`` without ONNX Runtime's error code and source location."""
    text = " ".join(str(error).split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    return one_line(re.sub(r"^\S+\.(?:cc|cpp|h):\d+ [^)]*\)(?: const)? ", "", text))
