"""The model under audit as the user describes it: pure data, no connection yet.

Every class here but Target and HttpOptions is one table of a description, field by field; pydantic
checks a description by their types and takes the schema's texts from their docstrings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from adapters.contract import Access, Fit, InputSpec, Layout
from adapters.errors import TargetError
from adapters.target.auth import Auth
from adapters.target.formats import ReplyFormat, RequestFormat
from adapters.target.kinds import (
    READING,
    Count,
    Exact,
    Flag,
    Number,
    Seconds,
    Span,
    Statuses,
    Texts,
)

Color = Literal["rgb", "bgr"]
Resample = Literal["nearest", "bilinear", "bicubic"]
Protocol = Literal["auto", "v2", "v2-json", "v2-binary", "v2-grpc", "http"]


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificates of an https connection."""

    ca: str = ""
    """PEM file of the authorities that sign the server's certificate; empty: the public ones."""
    cert: str = ""
    """PEM file of our own certificate if the server wants one."""
    key: str = ""
    """PEM file of its private key, if it is not in ``cert``."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Failures worth another attempt."""

    throttle: Statuses = (429, 503)
    """Statuses that mean "slow down"."""
    statuses: Statuses = ()
    """Further statuses that are worth another attempt."""
    final: Statuses = ()
    """Statuses that never are, also if they usually would be."""
    max: Annotated[int, Exact(1, 100)] | None = None
    """Attempts per request, the first included, whatever the failure. Without it 8 where the
    request may be at fault; while the server is down or says "wait", ``limits.patience`` counts."""
    respect_retry_after: Flag = True
    """True to wait as long as the server asks for."""
    on_reset: Literal["retry", "stop"] = "retry"
    """Effect of a connection that breaks: another attempt (``retry``), or the end of the run
    (``stop``), for targets that bill what they may have answered."""


@dataclass(frozen=True, slots=True)
class Poll:
    """Retrieval of an answer that comes later: the reply names a job, which is asked for."""

    pending: tuple[str, ...] = ()
    """States that mean "not yet", in either case of letters."""
    done: tuple[str, ...] = ()
    """States that mean that the answer is there; any that is neither here nor in ``pending`` is a
    failure then. Empty: every state that is not in ``pending``."""
    state_path: str = ""
    """Path of the state in a reply; empty: ``response.success_path``."""
    statuses: Statuses = ()
    """HTTP statuses that mean "not yet", independent of the body."""
    header: str = ""
    """Header of the first reply with the URL to ask, such as ``Location``; it must be on the same
    server."""
    url_path: str = ""
    """The same as a path in the first reply."""
    id_path: str = ""
    """Path in the first reply of the job's name, for ``url``."""
    url: str = ""
    """URL to ask, where ``{url}`` is the endpoint's own and ``{id}`` the job's name, ``{+id}`` with
    its slashes."""
    result_path: str = ""
    """Path of the URL of the answer, in the reply that says that it is there or in the first one;
    empty if that reply holds the answer itself."""
    format: Literal["json", "events"] = "json"
    """``json``, or ``events``: a stream of server-sent events that ends with ``complete`` or
    ``error``."""
    interval: Seconds = 0.5
    """Seconds until the first request for the answer. Each further one waits half as long again, up
    to 2 seconds, or as long as the target says."""
    timeout: Seconds = 300.0
    """Seconds until the answer counts as lost."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on time, requests and queries; the command line's flags win."""

    timeout: Seconds = 30.0
    """Seconds for one whole attempt."""
    concurrency: Annotated[int, Exact(1, 1000)] | None = None
    """Most requests in flight."""
    rate: Seconds | None = None
    """Most queries per second."""
    request_rate: Seconds | None = None
    """Most requests per second."""
    max_queries: Count | None = None
    """Hard cap on inputs sent."""
    max_reply_bytes: Count | None = None
    """Refuse larger replies. Default: 4 MiB and 256 KiB more for each input of the request, at most
    16 MiB."""
    model_timeout: Seconds = 300.0
    """Seconds that an isolated model file may take for one batch."""
    model_memory: Annotated[float, Exact(0.1, 1024)] | None = None
    """GiB that an isolated model file may take beyond its runtime; without it 4, and no limit
    on a GPU."""
    requests_per_day: Count | None = None
    """Requests that the target's quota allows a day, for the price of an audit: the target itself
    says when it is used up."""
    patience: Span | None = None
    """Seconds, or a text such as ``5m`` or ``2h``, that a run goes on asking while the target is
    down or says "wait" and answers nothing. A longer pause that it asks for ends the run with the
    time to come back. Without it 5 minutes."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """Requirements of ``xray-audit check`` on the target."""

    min_accuracy: Annotated[float, Exact(0, 1)] | None = None
    """Share of the labelled samples that must get their own label."""
    determinism_repeats: Annotated[int, Exact(0, 30)] = 10
    """Samples asked twice."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """Prices of the target, for the price of an audit; in any one currency."""

    per_1000: Annotated[float, Exact(0)] | None = None
    """Price of 1,000 inputs."""
    per_million_input_tokens: Annotated[float, Exact(0)] | None = None
    """Price of a million tokens of requests, pictures included, of a language model."""
    per_million_output_tokens: Annotated[float, Exact(0)] | None = None
    """Price of a million tokens of its replies."""


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Everything HTTP."""

    protocol: Protocol = "auto"
    """``auto`` takes ``v2`` for URLs that contain ``/v2/models/``, else ``http``. ``v2`` sends
    raw tensors if the server lists them, else JSON; ``v2-json`` and ``v2-binary`` insist;
    ``v2-grpc`` speaks gRPC (extra ``grpc``)."""
    headers: Texts = field(default_factory=dict, repr=False)
    """Extra headers; they are never logged."""
    auth: Auth = field(default_factory=Auth)
    tls: Tls = field(default_factory=Tls)
    transport: Literal["auto", "httpx", "aiohttp"] = "auto"
    """``auto`` takes aiohttp if it is installed, else plain httpx."""
    idempotency_header: str = ""
    """Header that carries a key, the same for every attempt at one request and after a resume,
    so that the server can bill it once; empty for none."""
    proxy: str = ""
    """See the description's own ``proxy``."""
    private_network: Flag = False
    """True if a public host name may lead to a private or loopback address. An address, a name
    without a dot, and names such as ``.internal`` or ``.local`` name a private network
    themselves. Link-local addresses, where clouds serve their metadata, are asked only if
    the URL names the address."""
    request: RequestFormat = field(default_factory=RequestFormat)
    reply: ReplyFormat = field(default_factory=ReplyFormat)
    retry: Retry = field(default_factory=Retry)
    poll: Poll | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One model to audit."""

    __pydantic_config__: ClassVar[dict[str, Any]] = READING

    kind: str
    """``onnx``, ``torchscript``, ``keras``, ``tflite``, ``savedmodel``, ``snapshot``, ``http``,
    ``files`` or ``synthetic``: a name in the registry."""
    location: str
    """A file path or a URL."""
    name: str = ""
    """Name in the report; empty for its location."""
    access: Access = "float"
    """``float`` or ``image``."""
    encoding: str | None = None
    """``float32``, ``uint8``, ``png``, ``jpeg:QUALITY`` or ``jpeg:QUALITY/444``, in colour; None
    takes the access mode's default (float32, or PNG for uploads and 8-bit values for tensors)."""
    recoded: str | None = None
    """``jpeg:QUALITY`` or ``jpeg:QUALITY/444`` if the service turns pictures into such JPEGs."""
    value_range: tuple[Number, Number] | None = None
    """Input values of a black and a white pixel before mean and std."""
    mean: tuple[Number, ...] | None = None
    """Per-channel normalisation that the *caller* must apply, or None; channels in the order of
    the samples (red first), independent of ``color``."""
    std: tuple[Number, ...] | None = None
    """See ``mean``."""
    shape: tuple[Count, Count, Count] | None = None
    """``(c, h, w)`` if the target does not state it."""
    layout: Layout | None = None
    """``NCHW`` or ``NHWC`` if the target does not make it plain."""
    color: Color = "rgb"
    """Order of three channels in arrays; images are always RGB."""
    upload_size: tuple[Count, Count] | None = None
    """``(h, w)`` of the images that travel if it is another than that of ``shape``, as a
    user's client would send them; None: the same."""
    resample: Resample = "bilinear"
    """Method that brings an input to ``upload_size``."""
    fit: Fit | None = None
    """Way of a sample of another size to that of ``shape`` (or ``--resize``): ``squash`` both
    sides, ``crop`` what is over, or ``pad`` with ``background``."""
    background: str | None = None
    """Colour beneath transparent samples and around padded ones, a name or ``#rrggbb``; without
    it white."""
    classes: tuple[str, ...] | None = None
    """Class names in index order, or None."""
    constants: Mapping[str, Number] = field(default_factory=dict)
    """Values of a model file's inputs beside the pictures, by name."""
    threshold: Number | None = None
    """Number from which on a model's only output means the second of two classes."""
    device: str = "cpu"
    """``cpu``, ``cuda``, ``cuda:1``, ``tensorrt``."""
    batch: Count | None = None
    """Most inputs per request, or None for the adapter's own limit."""
    threads: Count | None = None
    """Intra-op threads of a local runtime, or None for its default."""
    trust_model_file: Flag = False
    """The user vouches for a model file: it runs in this process, unchecked."""
    presets: tuple[str, ...] = ()
    """Names of the presets that the description is built on."""
    source: str = ""
    """File the description stands in, or empty."""
    labels_file: str | None = None
    """File with the labels of the inputs handed out last, for ``files``."""
    http: HttpOptions = field(default_factory=HttpOptions)
    limits: Limits = field(default_factory=Limits)
    price: Tariff = field(default_factory=Tariff)
    preflight: Preflight = field(default_factory=Preflight)

    def input_spec(self, shape: tuple[int, int, int], encoding: str) -> InputSpec:
        """The InputSpec for inputs of ``shape``, from range, mean and std. Raises TargetError if
        mean or std do not match the channels, or std is not positive.
        """
        channels = shape[0]
        lo, hi = self.value_range or (0.0, 1.0)
        mean = _per_channel("mean", self.mean, 0.0, channels)
        std = _per_channel("std", self.std, 1.0, channels)
        if min(std) <= 0:
            raise TargetError("std holds a value that is not positive")
        stated = self.value_range is not None
        return InputSpec(
            shape=shape,
            low=tuple((lo - m) / s for m, s in zip(mean, std, strict=True)),
            high=tuple((hi - m) / s for m, s in zip(mean, std, strict=True)),
            access=self.access,
            encoding=self.encoding or encoding,
            recoded=self.recoded or "",
            range_source="given" if stated else "assumed 0,1: nobody stated a range",
        )


def _per_channel(
    name: str, values: tuple[float, ...] | None, default: float, channels: int
) -> tuple[float, ...]:
    if values is None:
        return (default,) * channels
    if len(values) == 1:
        return values * channels
    if len(values) != channels:
        raise TargetError(f"{name} has {len(values)} values, the input has {channels} channels")
    return values
