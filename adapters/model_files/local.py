"""What runtimes for model files share: the file, the tensor sent, the labels read, the oracle."""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.checks import check_batch, check_labels, top1
from adapters.contract import Batch, InputSpec, Labels, LabelSpace, PaceHint, WireCount
from adapters.errors import BadReply, InputRejected, ModelFileError, RetryAdvice, TargetError
from adapters.target.description import Color, Layout, Target
from adapters.worker import Worker

MAX_FILE_BYTES = 2 * 1024**3
"""Larger files are refused: ONNX cannot hold more, and a file is read whole to be hashed."""

DEFAULT_BATCH = 256
DEFAULT_BATCH_BYTES = 64 * 1024**2

CHANNELS = (1, 3, 4)
"""Channel counts that tell a channel axis from a height or width."""

Dims = tuple[int | None, int | None, int | None]
"""The input's axes after the batch axis, as the model orders them; None where it is free."""

Infer = Callable[[NDArray[Any]], NDArray[Any]]
"""Runs the model: the encoded batch in, its one usable output out."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file, read once, so that what was hashed is what runs.

    Attributes:
        name: file name without its folder.
        sha256: hex digest of the content.
        data: the content.
    """

    name: str
    sha256: str
    data: bytes | mmap.mmap

    def facts(self) -> dict[str, Any]:
        """The JSON-able part, for the report."""
        return {"file": self.name, "sha256": self.sha256, "bytes": len(self.data)}


def read_model_file(location: str) -> ModelFile:
    """Read and hash a model file.

    Raises:
        ModelFileError: it is missing, not a file, unreadable or larger than 2 GiB.
    """
    path = model_path(location)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(location, error) from error
    return ModelFile(path.name, hashlib.sha256(data).hexdigest(), data)


def model_path(location: str) -> Path:
    """The path of a model file that is there and not too large.

    Raises:
        ModelFileError: it is missing, not a file, out of reach or larger than 2 GiB.
    """
    path = Path(location)
    try:
        if not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
            raise ModelFileError(f"model file {location} {what}")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelFileError(f"model file {location} is larger than the 2 GiB supported")
    except OSError as error:
        raise unreadable(location, error) from error
    return path


def unreadable(location: str, error: OSError) -> ModelFileError:
    """How a model file that cannot be read is told."""
    return ModelFileError(f"model file {location} cannot be read: {error.strerror}")


def one_line(text: object, most: int = 200) -> str:
    """Foreign text as one short printable line: a model file can put anything in a message."""
    words = "".join(c if c.isprintable() else " " for c in str(text)).split()
    line = " ".join(words)
    return line if len(line) <= most else line[: most - 1] + "…"


@dataclass(frozen=True, slots=True)
class InputPlan:
    """How a batch becomes the tensor that a model file takes.

    Attributes:
        spec: what the auditor is told.
        layout: axis order of the tensor.
        dtype: numpy name of the tensor's type: float32, float16, float64 or uint8.
        min_batch: smaller batches are padded up to this many inputs.
        max_batch: most inputs per call.
        color: order of three channels in the tensor.
    """

    spec: InputSpec
    layout: Layout
    dtype: str
    min_batch: int
    max_batch: int
    color: Color = "rgb"

    def encode(self, batch: Batch) -> NDArray[Any]:
        """The tensor for ``batch`` ``(n, c, h, w)``: padded, in the model's layout and type.

        Raises:
            TargetError: a value is too large for the model's input type.
        """
        pixels = self.dtype == "uint8"
        sent: NDArray[Any] = self.spec.to_pixels(batch) if pixels else self.spec.as_sent(batch)
        if len(sent) < self.min_batch:
            # Copies of a real input: nothing the model has not seen, so nothing new can fail.
            sent = np.concatenate([sent, np.repeat(sent[-1:], self.min_batch - len(sent), axis=0)])
        if self.color == "bgr":
            sent = sent[:, ::-1]
        if self.layout == "NHWC":
            sent = sent.transpose(0, 2, 3, 1)
        with np.errstate(over="ignore"):  # judged on the next line
            tensor = np.ascontiguousarray(sent, dtype=self.dtype)
        if self.dtype == "float16" and not np.isfinite(tensor).all():
            raise TargetError("an input holds a value too large for the model's 16-bit input")
        return tensor

    def tensor_shape(self) -> tuple[int, int, int]:
        """Shape of one input as the model takes it."""
        c, h, w = self.spec.shape
        return (c, h, w) if self.layout == "NCHW" else (h, w, c)

    def facts(self) -> dict[str, Any]:
        """The JSON-able part, for the report."""
        color = {} if self.color == "rgb" else {"color": self.color}
        return {"layout": self.layout, "dtype": self.dtype, "padded_to": self.min_batch, **color}

    def identity(self) -> str:
        """What of the input decides an answer, in words, for the fingerprint."""
        spec = self.spec
        shape = "x".join(map(str, spec.shape))
        color = "" if self.color == "rgb" else f"{self.color} "
        return (
            f"{spec.access}/{spec.encoding} {shape} {self.layout} {color}{self.dtype} "
            f"black={','.join(map(repr, spec.low))} white={','.join(map(repr, spec.high))}"
        )


def plan_input(
    target: Target,
    dims: Dims,
    dtype: str,
    *,
    batch: tuple[int, int | None] = (1, None),
    default_layout: Layout | None = None,
    model_range: tuple[float, float] | None = None,
) -> InputPlan:
    """Settle shape, layout, range and batch from what the user and the model say.

    Args:
        target: what the user says; it wins over what the model suggests.
        dims: the model's axes after the batch axis.
        dtype: numpy name of the model's input type.
        batch: fewest and most inputs per call the model takes; None for no limit.
        default_layout: layout where neither the user nor the dims tell; None asks the user.
        model_range: value range the model file itself states.

    Raises:
        TargetError: something is missing or contradicts the model.
    """
    layout = _layout(target, dims, default_layout)
    shape = _shape(target, _channels_first(dims, layout))
    spec = _spec(target, shape, dtype, model_range)
    if target.color == "bgr" and shape[0] != 3:
        raise TargetError(f"color 'bgr' needs 3 channels, the model takes {shape[0]}")
    fewest, most = batch
    own = max(fewest, min(DEFAULT_BATCH, DEFAULT_BATCH_BYTES // (4 * spec.size)))
    limit = target.batch or own
    most_sent = limit if most is None else min(limit, most)
    return InputPlan(spec, layout, dtype, fewest, most_sent, target.color)


def _spec(
    target: Target,
    shape: tuple[int, int, int],
    dtype: str,
    model_range: tuple[float, float] | None,
) -> InputSpec:
    if dtype == "uint8" and target.access != "image":
        raise TargetError("the model takes 8-bit pixels, so it can only be audited in image access")
    encoding = "uint8" if target.access == "image" else "float32"
    if target.encoding not in (None, encoding):
        raise TargetError(
            f"encoding {target.encoding} is for uploads: a model file in {target.access} access "
            f"is given {encoding}"
        )
    if target.value_range is not None:
        return target.input_spec(shape, encoding)
    if model_range is not None:
        stated, origin = model_range, "model metadata"
    elif dtype == "uint8":
        stated, origin = (0.0, 255.0), "the model takes 8-bit pixels"
    else:
        return target.input_spec(shape, encoding)
    spec = replace(target, value_range=stated).input_spec(shape, encoding)
    return replace(spec, origin=origin)


def _channels_first(dims: Dims, layout: Layout) -> Dims:
    return dims if layout == "NCHW" else (dims[2], dims[0], dims[1])


def _fits(shape: tuple[int, int, int], dims: Dims) -> bool:
    return all(dim in (None, size) for size, dim in zip(shape, dims, strict=True))


def _layout(target: Target, dims: Dims, default: Layout | None) -> Layout:
    if target.layout is not None:
        return target.layout
    if target.shape is not None:
        layouts: tuple[Layout, Layout] = ("NCHW", "NHWC")
        fits = [name for name in layouts if _fits(target.shape, _channels_first(dims, name))]
        if len(fits) == 1:
            return fits[0]
    first, last = dims[0] in CHANNELS, dims[2] in CHANNELS
    if first != last:
        return "NCHW" if first else "NHWC"
    if default is not None:
        return default
    raise TargetError(
        f"the model's input axes {_axes(dims)} do not tell where the channels are: "
        "give --layout NCHW or NHWC"
    )


def _shape(target: Target, dims: Dims) -> tuple[int, int, int]:
    if target.shape is not None:
        if not _fits(target.shape, dims):
            given = ",".join(map(str, target.shape))
            raise TargetError(f"--shape {given} does not fit the model's C,H,W {_axes(dims)}")
        return target.shape
    c, h, w = dims
    if c is None or h is None or w is None:
        raise TargetError(f"the model leaves its C,H,W {_axes(dims)} open: give --shape C,H,W")
    return c, h, w


def _axes(dims: Dims) -> str:
    return "(" + ",".join("?" if dim is None else str(dim) for dim in dims) + ")"


def label_space(classes: Sequence[str] | None, size: int | None, *, text: bool) -> LabelSpace:
    """The label space of a model file.

    Args:
        classes: class names in index order, where somebody stated them.
        size: number of classes, where the file tells.
        text: True where the model answers with names instead of numbers.

    Raises:
        TargetError: the names and the number of classes disagree.
    """
    names = list(classes or ())
    if text:
        return LabelSpace(names, open=not names)
    if names and size is not None and len(names) != size:
        raise TargetError(f"{len(names)} class names were given, the model has {size} classes")
    return LabelSpace(names, size=size)


def read_labels(reply: NDArray[Any], rows: int, space: LabelSpace) -> Labels:
    """Reduce a model's reply to labels ``(rows,)``; the reply itself goes no further.

    Names ``(rows,)`` and whole numbers ``(rows,)`` or ``(rows, 1)`` are labels already; all else
    must be scores ``(rows, classes)``, whose count fixes the size of an unsized ``space``.

    Raises:
        BadReply: no usable label per input.
    """
    flat = reply.shape in ((rows,), (rows, 1))
    if reply.dtype.kind in "OUS":
        if not flat:
            raise BadReply(f"the model returned names of shape {reply.shape} for {rows} inputs")
        return _indices(reply.ravel(), space)
    if flat and reply.dtype.kind in "iu":
        return check_labels(reply, rows, space.size)
    labels = top1(reply, rows)
    classes = reply.size // rows
    if space.size is None:
        space.size = classes
    if space.size != classes:
        raise BadReply(f"the model scores {classes} classes where {space.size} were expected")
    return labels


def _indices(names: NDArray[Any], space: LabelSpace) -> Labels:
    labels = np.empty(len(names), dtype=np.int64)
    for i, name in enumerate(names):
        text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
        index = space.index(text)
        if index is None:
            raise BadReply(f"the model answered {one_line(text)!r}, which is not a known class")
        labels[i] = index
    return labels


def run_failure(error: object, n: int) -> InputRejected:
    """How a failed run of ``n`` inputs is told: fewer may fit the memory or a baked-in size."""
    advice = RetryAdvice("too-large" if n > 1 else "never")
    return InputRejected(f"the model failed on {n} inputs: {one_line(error)}", advice)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a loaded file says about itself. All of it may be the file's invention.

    Attributes:
        dims: axes after the batch axis.
        dtype: numpy name of the input type.
        batch: fewest and most inputs per call; None for no limit.
        layout: axis order where neither the user nor the dims tell; None asks the user.
        value_range: value range that the file states, or None.
        names: class names that the file states, or None.
        classes: number of classes where the file tells.
        text: True where the model answers with names instead of numbers.
        format: ``onnx``, ``TorchScript`` or ``torch.export``.
        identity: what of the runtime decides an answer, in words, for the fingerprint.
        description: facts for the report.
    """

    dims: Dims
    dtype: str
    batch: tuple[int, int | None]
    layout: Layout | None
    value_range: tuple[float, float] | None
    names: tuple[str, ...] | None
    classes: int | None
    text: bool
    format: str
    identity: str
    description: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """A JSON-able copy; see :mod:`adapters.model_files.sandbox.facts` for the way back."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in the memory of this process.

    Attributes:
        infer: runs it.
        facts: what it says about itself.
    """

    infer: Infer
    facts: ModelFacts


@dataclass(frozen=True, slots=True)
class Settled:
    """What an oracle for a model file tells the auditor, settled from the user and the file.

    Attributes:
        plan: how a batch is encoded.
        space: what the labels mean.
        fingerprint: identity of file, runtime and input.
        description: facts for the report.
    """

    plan: InputPlan
    space: LabelSpace
    fingerprint: str
    description: dict[str, Any]


def settle(target: Target, file: ModelFile, facts: ModelFacts, isolation: Any) -> Settled:
    """Bring together what the user says and what the file says.

    Args:
        target: what the user says; it wins.
        file: the file, as it was hashed.
        facts: what it says about itself.
        isolation: how it runs, for the report.

    Raises:
        TargetError: something is missing or contradicts the model.
    """
    plan = plan_input(
        target,
        facts.dims,
        facts.dtype,
        batch=facts.batch,
        default_layout=facts.layout,
        model_range=facts.value_range,
    )
    space = label_space(target.classes or facts.names, facts.classes, text=facts.text)
    identity = f"{facts.format} sha256:{file.sha256} {facts.identity}"
    if facts.text and not space.open:  # the order of the names decides the labels
        identity += f" classes {json.dumps(space.names)}"
    return Settled(
        plan,
        space,
        f"{identity} {plan.identity()}",
        {
            "kind": target.kind,
            **file.facts(),
            **facts.description,
            "isolation": isolation,
            "input": plan.facts(),
        },
    )


class LocalOracle:
    """A model file that runs in this process, asked on one worker thread.

    Args:
        infer: runs the model.
        settled: what the auditor is told.
        worker: the thread it runs on, closed with the oracle.
    """

    def __init__(self, infer: Infer, settled: Settled, worker: Worker) -> None:
        self._infer = infer
        self._plan = settled.plan
        self._worker = worker
        self.input_spec = settled.plan.spec
        self.label_space = settled.space
        self.fingerprint = settled.fingerprint
        self.description = settled.description
        self.max_batch = settled.plan.max_batch
        self.wire = WireCount()

    async def predict_labels(self, batch: Batch) -> Labels:
        """See :meth:`adapters.contract.LabelOracle.predict_labels`."""
        return await self._worker.run(self._ask, batch)

    def _ask(self, batch: Batch) -> Labels:
        checked = check_batch(batch, self.input_spec, self.max_batch)
        tensor = self._plan.encode(checked)
        self.wire.requests += 1
        try:
            reply = self._infer(tensor)
        except BadReply:
            raise
        except Exception as error:
            raise run_failure(error, len(checked)) from error
        return read_labels(reply, len(tensor), self.label_space)[: len(checked)]

    def request_bytes(self, n: int) -> int:  # noqa: ARG002 - nothing travels
        """Nothing travels: 0."""
        return 0

    def take_pace_hint(self) -> PaceHint | None:
        """No quota: None."""
        return None

    async def aclose(self) -> None:
        """End the worker thread and let go of the model."""
        await self._worker.aclose()
        self._infer = _closed


def _closed(_: NDArray[Any]) -> NDArray[Any]:
    raise RuntimeError("this model is closed")
