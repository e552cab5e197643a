"""TorchScript (``.pt``) and torch.export (``.pt2``) models on a named device.

Loading either runs code from the file: that happens in a sandbox, or the user vouches for it.
"""

from __future__ import annotations

import importlib
import io
import logging
import re
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.checks import ONE_NUMBER
from adapters.errors import BadReply, MissingExtra, ModelFileError, ProviderUnavailable, TargetError
from adapters.model_files.file import ModelFile
from adapters.model_files.loaded_model import TELLING, Dims, LoadedModel, ModelFacts
from adapters.model_files.ranked import Shapes, first_ranked, ranked_pair
from adapters.quoting import one_line

INPUT_TYPES = {
    "torch.float32": "float32",
    "torch.float16": "float16",
    "torch.float64": "float64",
    "torch.uint8": "uint8",
}
"""Torch input type -> numpy type."""

_LOADING = threading.Lock()
"""Warning filters and logger states belong to the process: one load changes them at a time."""


_Loaded = tuple[Any, Dims, str, tuple[int, int | None], int | None, list[str]]
"""Callable from a tensor to the reply, axes, torch's name of the input type, batch, classes and the
names of several outputs."""


def prepare(device: str, threads: int | None) -> None:
    """Import torch and see that it has ``device``, before any file is read."""
    torch = _runtime()
    _device(torch, device)
    if threads is not None:
        torch.set_num_threads(threads)  # on the thread that asks: OpenMP counts per thread


def load(file: ModelFile, device: str, threads: int | None) -> LoadedModel:
    """Load ``file`` into this process, which runs code from it."""
    prepare(device, threads)
    torch = _runtime()
    place = _device(torch, device)
    exported = file.name.endswith(".pt2")
    read = _load_export if exported else _load_script
    call, dims, dtype, batch, classes, outputs = read(torch, file, place)
    if dtype not in INPUT_TYPES:
        raise ModelFileError(f"model file {file.name} takes {dtype}, not an image tensor")
    form = "torch.export" if exported else "TorchScript"
    wanted = file.wanted.output
    others = [name for name in outputs if name != wanted][0 if wanted else 1 :]
    facts = ModelFacts(
        dims=dims,
        dtype=INPUT_TYPES[dtype],
        batch=batch,
        layout="NCHW",  # torch's own order
        classes=classes,
        format=form,
        identity=f"{place.type} torch {torch.__version__}{wanted and f' output {wanted}'}",
        description={
            "format": form,
            "runtime": f"torch {torch.__version__}",
            "device": str(place),
            "threads": torch.get_num_threads(),
            **({"output": wanted} if wanted else {}),
            **({"other_outputs": others} if others else {}),
        },
    )

    def infer(tensor: NDArray[Any]) -> NDArray[Any]:
        # torch refuses to share memory that it may not write to.
        own = tensor if tensor.flags.writeable else tensor.copy()
        with torch.inference_mode():
            reply = call(torch.from_numpy(own).to(place))
            return pick_reply(torch, reply, len(tensor), wanted)

    return LoadedModel(infer, facts)


def _runtime() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        what = "is not installed" if error.name == "torch" else f"does not load ({one_line(error)})"
        raise MissingExtra(f"torch {what}: pip install 'xray-audit[torchscript]'") from error


def _device(torch: Any, name: str) -> Any:
    """The torch device called ``name``, known to be there."""
    match = re.fullmatch(r"cpu|mps|cuda(?::(\d{1,3}))?", name)
    if match is None:
        raise TargetError(f"device {name!r} is not cpu, cuda, cuda:N or mps")
    if name == "mps" and not torch.backends.mps.is_available():
        raise ProviderUnavailable(f"torch {torch.__version__} finds no mps device here")
    if name.startswith("cuda"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(match[1] or 0) >= count:
            raise ProviderUnavailable(
                f"device {name} is not here: torch {torch.__version__} finds {count} CUDA devices"
            )
    return torch.device(name)


# Loading


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what loading prints: what matters reaches the user as one sentence."""
    log = logging.getLogger("torch.export")
    with _LOADING, warnings.catch_warnings():
        # torch.jit is deprecated since torch 2.11; the files people have are still to be audited.
        warnings.filterwarnings("ignore", r".*torch\.jit\.")
        was, log.disabled = log.disabled, True  # a corrupt file logs a traceback
        try:
            yield
        finally:
            log.disabled = was


def _load_script(torch: Any, file: ModelFile, device: Any) -> _Loaded:
    try:
        with _quiet():
            module = torch.jit.load(io.BytesIO(file.data), map_location=device)
            module.eval()
    except Exception as error:
        raise ModelFileError(
            f"{file.name} is not a TorchScript file that torch {torch.__version__} can load: "
            f"{one_line(error)}"
        ) from error
    weights = next((p for p in module.parameters() if p.is_floating_point()), None)
    dtype = "torch.float32" if weights is None else str(weights.dtype)
    returned = module.forward.schema.returns[0].type
    several = returned.elements() if returned.kind() == "TupleType" else []
    names = [str(number) for number in range(len(several))]
    return module, (None, None, None), dtype, (1, None), None, names


def _load_export(torch: Any, file: ModelFile, device: Any) -> _Loaded:
    try:
        with _quiet():
            program = torch.export.load(io.BytesIO(file.data))
            passes = importlib.import_module("torch.export.passes")
            program = passes.move_to_device_pass(program, str(device))
            module = program.module()
    except Exception as error:
        raise ModelFileError(
            f"{file.name} is not a torch.export file that torch {torch.__version__} can load: "
            f"{one_line(error)}"
        ) from error
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    inputs = list(program.graph_signature.user_inputs)
    if len(inputs) != 1:
        raise ModelFileError(f"model file {file.name} takes {len(inputs)} inputs, not one")
    source = values.get(inputs[0])
    if source is None or not hasattr(source, "shape") or len(source.shape) != 4:
        raise ModelFileError(f"model file {file.name} does not take a batch of images")
    axes = [axis if isinstance(axis, int) else None for axis in source.shape]
    outputs = [values.get(name) for name in program.graph_signature.user_outputs]
    form = program.call_spec.out_spec
    keys = form.context if form.type is dict else range(len(outputs))
    named = likely_first(dict(zip(map(str, keys), outputs, strict=False)), file.wanted.output)
    batch = _batch_range(source.shape[0], program.range_constraints)
    dims = (axes[1], axes[2], axes[3])
    names = list(named) if len(outputs) > 1 else []
    return module, dims, str(source.dtype), batch, _classes(named, file), names


def _batch_range(axis: Any, ranges: Mapping[Any, Any]) -> tuple[int, int | None]:
    """Fewest and most inputs per call that an exported program was exported for."""
    if isinstance(axis, int):
        return axis, axis
    allowed = ranges.get(axis.node.expr)
    if allowed is None:
        return 1, None
    most = int(allowed.upper) if allowed.upper.is_Integer else None  # else unbounded
    return max(1, int(allowed.lower)), most


def _classes(outputs: Mapping[str, Any], file: ModelFile) -> int | None:
    """Number of classes, from the first output that looks like scores ``(n, classes)`` of all."""
    shapes = _shapes({n: output for n, output in outputs.items() if hasattr(output, "shape")})
    for name, output in outputs.items():
        shape = tuple(getattr(output, "shape", ()))
        if ranked_pair(shapes, name) and name != file.wanted.output:
            return None
        if len(shape) == 2 and output.is_floating_point() and isinstance(shape[1], int):
            if shape[1] == 1 and file.wanted.threshold is None:
                raise ModelFileError(f"model file {file.name} {ONE_NUMBER}")
            return shape[1]
        if shape:
            return None
    return None


# Running


def likely_first(outputs: dict[str, Any], wanted: str) -> dict[str, Any]:
    """``outputs`` by name: the one ``wanted`` first, else those with a telling name."""
    names = sorted(outputs, key=lambda name: (name != wanted, not TELLING.search(name)))
    return {name: outputs[name] for name in names}


def pick_reply(torch: Any, reply: Any, rows: int, wanted: str = "") -> NDArray[Any]:
    """The output ``wanted`` of a reply, by its key or number, or the likeliest with a label or
    scores per input, as an array.
    """
    if isinstance(reply, Mapping):
        named = {str(key): part for key, part in reply.items()}
    else:
        listed = reply if isinstance(reply, list | tuple) else [reply]
        named = {str(number): part for number, part in enumerate(listed)}
    if wanted and wanted not in named:
        raise BadReply(f"the model has no output {wanted!r}, only {one_line(', '.join(named))}")
    tensors = {name: part for name, part in named.items() if isinstance(part, torch.Tensor)}
    listed = [wanted] if wanted else list(likely_first(tensors, ""))
    # One number for each input is no label by itself, and a threshold may read it.
    for usable in (_carries_labels, _is_one_number):
        for name in listed:
            if name in tensors and usable(tensors[name], rows):
                return _label_carrier(torch, tensors, name, wanted)
    raise BadReply("the model returned no tensor with one label or one row of scores per input")


def _label_carrier(torch: Any, tensors: Mapping[str, Any], name: str, wanted: str) -> NDArray[Any]:
    """The tensor ``name``, or the labels of a top-k pair that it belongs to, as an array."""
    pair = ranked_pair(_shapes(tensors), name, wanted)
    # numpy has no 16-bit brain floats; widening keeps their order.
    known = {n: t.float() if t.dtype == torch.bfloat16 else t for n, t in tensors.items()}
    if pair is None:
        return np.asarray(known[name].cpu().numpy())
    scores, numbers = (known[one].cpu().numpy() for one in pair)
    return first_ranked(scores, numbers, pair)


def _shapes(tensors: Mapping[str, Any]) -> Shapes:
    kinds = {n: "f" if t.is_floating_point() else str(t.dtype)[6] for n, t in tensors.items()}
    return {n: (kinds[n], t.shape) for n, t in tensors.items()}  # "torch.int64", "torch.uint8"


def _is_one_number(part: Any, rows: int) -> bool:
    return tuple(part.shape) == (rows,)


def _carries_labels(part: Any, rows: int) -> bool:
    """True for labels ``(rows,)`` and for scores ``(rows, classes)`` with or without 1x1 axes."""
    if part.ndim < 1 or len(part) != rows:
        return False
    if part.ndim == 1:
        return not part.is_floating_point()
    return bool(part.numel() == rows * part.shape[1])
