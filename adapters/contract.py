"""The contract between audits and models: hard labels in, nothing else out.

``auditor`` knows a model only through :class:`LabelOracle`. Scores, probabilities and logits
die inside the adapter; a string label becomes an index in the oracle's :class:`LabelSpace`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from adapters.errors import TargetError
from adapters.secrets import without_secrets

Access = Literal["float", "image"]
"""float: a tensor reaches the model unclipped, as the paper assumes. image: the input is
uploaded as an image, so it is clipped to the valid range and rounded to 8 bits."""

Layout = Literal["NCHW", "NHWC"]
"""Order of the axes of a batch in an array: channels before or after height and width."""

Fit = Literal["squash", "crop", "pad"]
"""Way of a picture to the model's shape: both sides scaled by themselves; filled, and what is over
cut off; or kept whole, and filled up."""

Batch = NDArray[np.float32]
"""Inputs, shape ``(n, c, h, w)``, in the model's own input units."""

Labels = NDArray[np.int64]
"""Hard labels, shape ``(n,)``, each an index into the oracle's label space."""

MAX_VALUES = 1 << 26
"""Most values in one input: 4,700 by 4,700 pixels of three channels."""

_JPEG = re.compile(r"jpeg:([1-9][0-9]?|100)(/444)?")

MAX_CLASSES = 65535
"""Largest label space we store: labels are kept as uint16 and 65535 marks "not asked"."""


def jpeg_quality(encoding: str) -> int | None:
    """Quality, 1 to 100, of ``jpeg:QUALITY``, or of ``jpeg:QUALITY/444``, which keeps the colour of
    every pixel; None for any other encoding.
    """
    match = _JPEG.fullmatch(encoding)
    return None if match is None else int(match[1])


def coarser(sent: str, recoded: str) -> str:
    """The coding that pictures ``sent`` in one encoding have had once the service has made another
    of them, or none: of two JPEGs the lower quality, in full colour only if both have it.
    """
    codings = [one for one in (sent, recoded) if jpeg_quality(one) is not None]
    if not codings:
        return sent
    least = min(quality for one in codings if (quality := jpeg_quality(one)))
    full = all(one.endswith("/444") for one in codings)
    return f"jpeg:{least}/444" if full else f"jpeg:{least}"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """Input that the model takes: ``shape`` is ``(c, h, w)`` of one input, independent of the
    layout on the wire; ``low`` and ``high`` are the input values, per channel, of a black (0) and a
    white (255) 8-bit pixel; ``encoding`` is the form that travels: ``float32``, ``uint8``, ``png``
    or ``jpeg:QUALITY``; ``range_source`` says in words, for the report, where low and high come
    from; ``recoded`` is the JPEG that the service makes of what it is sent, ``jpeg:QUALITY``, or
    empty.
    """

    shape: tuple[int, int, int]
    low: tuple[float, ...]
    high: tuple[float, ...]
    access: Access = "float"
    encoding: str = "float32"
    range_source: str = "given"
    recoded: str = ""

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise TargetError(f"input shape {self.shape} is not (channels, height, width)")
        if math.prod(self.shape) > MAX_VALUES:
            raise TargetError(
                f"input shape {self.shape} has more than the {MAX_VALUES} values supported"
            )
        channels = self.shape[0]
        if len(self.low) != channels or len(self.high) != channels:
            raise TargetError(
                f"the value range names {len(self.low)} and {len(self.high)} channels, "
                f"the input has {channels}"
            )
        if not all(np.isfinite((*self.low, *self.high))):
            raise TargetError("the value range holds a number that is not finite")
        if any(lo >= hi for lo, hi in zip(self.low, self.high, strict=True)):
            raise TargetError(f"the value range is empty: low {self.low}, high {self.high}")
        if self.recoded and jpeg_quality(self.recoded) is None:
            raise TargetError(
                f"recoded {self.recoded!r} is no JPEG; use jpeg:QUALITY, 1 to 100, as the service "
                "encodes pictures"
            )
        if self.recoded and self.access != "image":
            raise TargetError("recoded is of pictures; use --access image (access in descriptions)")

    @property
    def coding(self) -> str:
        """Coding that pictures have had when the model sees them, as :func:`coarser` says."""
        return coarser(self.encoding, self.recoded)

    @property
    def lossy(self) -> bool:
        """True if pictures reach the model as JPEG."""
        return jpeg_quality(self.coding) is not None

    def as_record(self) -> dict[str, Any]:
        """The fields as reports and evidence hold them: ``range_source`` is ``origin`` there, and
        ``recoded`` is left out where nothing is.
        """
        fields = asdict(self)
        fields["origin"] = fields.pop("range_source")
        if not self.recoded:
            del fields["recoded"]
        return fields

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> InputSpec:
        """The spec that :meth:`as_record` gave, its lists from JSON as tuples."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in record.items()
        }
        source = fields.pop("origin")
        return cls(**fields, range_source=source)

    @property
    def size(self) -> int:
        """Number of values in one input, ``c * h * w``."""
        return int(np.prod(self.shape))

    def from_pixels(self, pixels: NDArray[Any]) -> Batch:
        """Map 8-bit pixels ``(n, c, h, w)``, 0 to 255, to the model's input units."""
        low, gain = self._affine()
        if pixels.dtype != np.uint8 or pixels.shape[-3] != len(self.low):
            return np.asarray(low + gain * (pixels.astype(np.float64) / 255.0), dtype=np.float32)
        if _is_plain(low, gain):  # for all 256 pixels what float64 gives, at a quarter of the time
            plain: Batch = np.divide(pixels, 255, dtype=np.float32)
            return plain
        # The same numbers from a table of the 256 values per channel, several times faster.
        table = np.asarray(low + gain * (np.arange(256) / 255.0), dtype=np.float32)
        inputs = np.empty(pixels.shape, dtype=np.float32)
        for channel, values in enumerate(table[:, 0]):
            np.take(values, pixels[..., channel, :, :], out=inputs[..., channel, :, :], mode="clip")
        return inputs

    def to_pixels(self, batch: NDArray[Any]) -> NDArray[np.uint8]:
        """Map inputs ``(n, c, h, w)`` to the nearest 8-bit pixels, clipping to the range."""
        low, gain = self._affine()
        plain = _is_plain(low, gain)
        inputs = np.asarray(batch).reshape(-1, *np.shape(batch)[-3:])
        pixels = np.empty(inputs.shape, dtype=np.uint8)
        # A few inputs at a time: float64 copies of a whole batch would not fit the cache.
        step = max(1, 16384 // max(1, inputs[:1].size))
        for start in range(0, len(inputs), step):
            scaled = inputs[start : start + step].astype(np.float64)
            if not plain:
                scaled -= low
                scaled /= gain
            scaled *= 255.0
            np.rint(np.clip(scaled, 0.0, 255.0, out=scaled), out=scaled)
            pixels[start : start + step] = scaled
        return pixels.reshape(np.shape(batch))

    def as_sent(self, batch: Batch) -> Batch:
        """Input that the model receives for ``batch``: itself in ``float`` access, the 8-bit image
        in the same units in ``image`` access (before any lossy encoding).
        """
        return batch if self.access == "float" else self.from_pixels(self.to_pixels(batch))

    def _affine(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        low = np.asarray(self.low, dtype=np.float64).reshape(-1, 1, 1)
        high = np.asarray(self.high, dtype=np.float64).reshape(-1, 1, 1)
        return low, high - low


def _is_plain(low: NDArray[np.float64], gain: NDArray[np.float64]) -> bool:
    """True if inputs lie in 0 to 1, so that neither would change a bit."""
    return not low.any() and bool((gain == 1.0).all())


def distinct_names(names: Sequence[str]) -> list[str]:
    """``names`` with its index behind each one that stands there twice: ``crane (134)``."""
    count = Counter(names)
    return [f"{n} ({i})" if count[n] > 1 else n for i, n in enumerate(names)]


@dataclass(slots=True)
class LabelSpace:
    """The classes an oracle can name: ``names`` by index, complete unless the space is ``open``,
    which appends names never seen before; ``size`` is the number of classes if it is known. Names
    are kept in their composed form (NFC): one name written in two ways is one class. ``shown`` are
    names for people, of classes that the target only numbers; answers are never matched with them.
    """

    names: list[str] = field(default_factory=list)
    size: int | None = None
    open: bool = False
    shown: Sequence[str] = ()
    _places: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.names = [unicodedata.normalize("NFC", name) for name in self.names]
        if len(set(self.names)) != len(self.names):
            raise TargetError("two classes of the target have the same name")
        if self.size is None and self.names and not self.open:
            self.size = len(self.names)
        if self.size is not None and self.size > MAX_CLASSES:
            raise TargetError(f"{self.size} classes are more than the {MAX_CLASSES} supported")

    def index(self, name: str) -> int | None:
        """Index of ``name``, appending it to an open space; None if it is unknown. A server may
        answer with the key it was sent, and class names are printed, so secrets in it are hidden.
        """
        name = unicodedata.normalize("NFC", without_secrets(name))
        if len(self._places) != len(self.names):
            # The list was changed elsewhere. A search of it per label would take seconds if
            # a server makes up names.
            self._places = {known: place for place, known in enumerate(self.names)}
        place = self._places.get(name)
        if place is not None or not self.open or len(self.names) >= MAX_CLASSES:
            return place
        self.names.append(name)
        self._places[name] = len(self.names) - 1
        return len(self.names) - 1

    def learn(self, names: Iterable[str]) -> None:
        """Take over names that an earlier run of the same target saw, in its order."""
        for name in names:
            self.index(name)

    def name(self, index: int) -> str:
        """Name of class ``index``; the number itself if nobody named it."""
        names = self.names or self.shown
        return names[index] if index < len(names) else str(index)


@dataclass(frozen=True, slots=True)
class PaceHint:
    """Quota as an answered request states it: requests left and seconds to its reset."""

    remaining: int | None = None
    reset_s: float | None = None


@dataclass(slots=True)
class WireCount:
    """Traffic of one oracle since it was opened."""

    requests: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


@runtime_checkable
class LabelOracle(Protocol):
    """A model that answers with hard labels.

    Attributes:
        fingerprint: identity in words; two answers are comparable only if it is equal (model digest
        or endpoint + model version, preprocessing, provider, precision).
        description: a JSON-able account of the target for the report, without secrets.
        max_batch: most inputs one :meth:`predict_labels` call may carry.
    """

    input_spec: InputSpec
    label_space: LabelSpace
    fingerprint: str
    description: dict[str, Any]
    max_batch: int
    wire: WireCount

    async def predict_labels(self, batch: Batch) -> Labels:
        """Ask for the hard labels of ``batch`` in exactly one request, order kept. Raises
        EndpointError if the request failed; its ``advice`` says what a retry could achieve. Raises
        TargetError for a batch that does not fit :attr:`input_spec`.
        """
        ...

    def request_bytes(self, n: int) -> int:  # noqa: ARG002 - local models send nothing
        """Estimated bytes on the wire of one request with ``n`` inputs (0 for local models)."""
        return 0

    def take_pace_hint(self) -> PaceHint | None:
        """The newest quota hint, once; None if there is none."""
        return None

    async def aclose(self) -> None:
        """Release connections, threads and memory."""
        return


@runtime_checkable
class RemoteOracle(Protocol):
    """An oracle whose replies come over a network, and tell who sent them.

    Attributes:
        status: of the newest reply: the HTTP number, or gRPC's name (``OK``); empty before the
            first.
        server_identity: statements of the newest reply about its server, by name: ``TLS
        certificate``, ``header server``, ``model_version``. Safe to print. Two values of one name
        are two servers, and their answers are not answers of one model.
        addresses: every network address that the endpoint's name led to so far.
    """

    status: str
    server_identity: dict[str, str]

    @property
    def addresses(self) -> Collection[str]: ...  # noqa: D102 - documented above

    def identity(self) -> dict[str, Any]:
        """The server as seen so far, JSON-able and without secrets: ``url``; ``addresses`` of its
        name; SHA-256 of its ``certificate``; ``headers`` that name a server, model or version;
        ``model_version``; ``clock_offset_s``, the ``low`` and ``high`` of its clock minus ours.
        """
        ...


@runtime_checkable
class IdempotentOracle(Protocol):
    """An oracle whose server knows a repeated request by its key, and bills it once; ``idempotent``
    is True if the target's description names a header for the key.
    """

    idempotent: bool

    async def predict_labels_as(self, batch: Batch, key: str) -> Labels:
        """Labels as by :meth:`LabelOracle.predict_labels`, sent under ``key``."""
        ...


@runtime_checkable
class GroupingOracle(Protocol):
    """An oracle of a model that takes one input at a time, but whose calls may carry more: it asks
    the model about one after the other. ``group`` is the most that a call may carry now; it only
    grows.
    """

    group: int


@runtime_checkable
class OfflineOracle(Protocol):
    """An oracle that may answer only in a later run, such as one behind files. The engine asks it
    about each request first, and leaves out those without an answer yet.
    """

    async def begin(self, audit: str) -> None:
        """Begin an audit with the plan digest ``audit``. Raises TargetError if inputs handed out
        before belong to another plan, BadReply if the answers do not fit what was handed out.
        """
        ...

    async def answers_now(self, batch: Batch) -> bool:
        """True if every input of ``batch`` can be answered in this run; others are noted, to be
        handed out.
        """
        ...

    async def hand_out(self) -> str:
        """Hand out the noted inputs; returns what the user has to do now, in one sentence."""
        ...

    async def taken_over(self) -> None:
        """Take note that everything was answered, and that the labels are kept."""
        ...
