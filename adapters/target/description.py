"""What the user says about the model under audit: pure data, no connection yet.

Every class here but Target and HttpOptions is one table of a target description, field by field;
the schema takes its texts from their docstrings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from adapters.contract import Access, InputSpec, Layout
from adapters.errors import TargetError

Color = Literal["rgb", "bgr"]
Resample = Literal["nearest", "bilinear", "bicubic"]
Protocol = Literal["auto", "v2", "v2-json", "v2-binary", "v2-grpc", "http"]
ReplyKind = Literal[
    "label",
    "index",
    "scores",
    "label-score-list",
    "label-score-dict",
    "label-score-columns",
    "classification",
]
Statuses = tuple["Status", ...]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of a number in a description.

    Attributes:
        least: smallest value.
        most: largest value, or None.
        above: whether ``least`` itself is excluded.
    """

    least: float
    most: float | None = None
    above: bool = False

    def allow(self, value: float) -> bool:
        """Whether ``value`` is finite and within the limits."""
        low = value > self.least if self.above else value >= self.least
        return low and value < float("inf") and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        low = f"above {self.least:g}" if self.above else f"at least {self.least:g}"
        return low if self.most is None else f"{low} and at most {self.most:g}"


Count = Annotated[int, Bounds(1)]
Seconds = Annotated[float, Bounds(0, above=True)]
Share = Annotated[float, Bounds(0, 1)]
Status = Annotated[int, Bounds(100, 599)]


@dataclass(frozen=True, slots=True)
class RequestFormat:
    """How one request is written.

    Attributes:
        method: HTTP method.
        body: ``json`` (a template), ``multipart`` (a file field) or ``raw`` (the file's bytes).
        content_type: Content-Type of a raw body or of a multipart file where the server wants
            another one than the encoding's own.
        field: multipart field name.
        template: JSON text; the string "$INPUT" stands for one input and "$INPUTS" for the list
            of all inputs of the request (then ``batch`` may exceed 1).
        item: JSON text of one element of "$INPUTS", around the string "$INPUT", for servers that
            wrap every input: ``{"b64": "$INPUT"}``.
        value: how an input is written into JSON: ``array`` (nested numbers in the model's input
            units), ``pixels`` (nested whole numbers 0 to 255), ``base64`` or ``data-uri`` (an
            encoded image).
        axes: the axes of one input written as numbers: ``image`` (three, in the order of
            ``input.layout``), ``grey`` (height and width, of a single channel) or ``flat`` (one
            list of all values, in that order).
        tensor: V2 input name where the model has several; empty takes the only one.
    """

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    body: Literal["json", "multipart", "raw"] = "json"
    content_type: str = ""
    field: str = "file"
    template: str = '{"inputs": "$INPUTS"}'
    item: str = '"$INPUT"'
    value: Literal["array", "pixels", "base64", "data-uri"] = "array"
    axes: Literal["image", "grey", "flat"] = "image"
    tensor: str = ""


@dataclass(frozen=True, slots=True)
class ReplyFormat:
    """Where the label is in a reply.

    Attributes:
        path: dotted path with indices into the JSON reply, ``predictions.*.label`` style; ``*``
            walks a list with one entry per input. Empty: the reply itself. For V2: the name of
            the output.
        kind: what stands there: a class ``label`` (name), an ``index``, ``scores`` (one per
            class, reduced to the top label at once), a ``label-score-list``
            (``[{"label": .., "score": ..}]``), a ``label-score-dict`` (``{name: score}``),
            ``label-score-columns`` (``{"labels": [..], "scores": [..]}``) or a
            ``classification`` (V2 only: Triton's extension answers ``score:index[:label]``).
        reshape_from: path of the shape that a flat list of scores has.
        success_path: path that must hold ``success_value`` in a good reply, or empty; ``*``
            asks it of every entry.
        success_value: see ``success_path``.
        error_path: path of an error message; present and not null means the request failed.
        label_key: name of the label in an entry of a ``label-score-list``, or of the list of
            labels in ``label-score-columns``.
        score_key: the same for the score.
        no_label: name of the class that stands for "the target named nothing". Empty: an
            answer without a label is a failure, as it must be wherever a label is always due.
        min_score: a top label with a lower score counts as ``no_label``.
        unlisted: what to do with a label that ``classes`` does not list: ``refuse`` the reply,
            or ``skip`` it and take the best one that is listed.
        rename: table of the target's class names to those of the samples.
    """

    path: str = ""
    kind: ReplyKind = "scores"
    reshape_from: str = ""
    success_path: str = ""
    success_value: str = ""
    error_path: str = ""
    label_key: str = "label"
    score_key: str = "score"
    no_label: str = ""
    min_score: float | None = None
    unlisted: Literal["refuse", "skip"] = "refuse"
    rename: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Auth:
    """The key: never itself in a description, only where to find it.

    Attributes:
        type: ``bearer`` and ``header`` send the key in a header, ``query`` in the URL's query,
            ``basic`` as the password of ``user``, ``sigv4`` signs for AWS with the credentials
            that the AWS command line would use; ``none`` sends no key.
        header: header that carries the key.
        prefix: text before the key, with its space ("Key "). ``bearer`` sets "Bearer ".
        parameter: name of the query parameter that carries the key.
        user: user name of ``basic``.
        secret_env: environment variable that holds the key.
        secret_file: file that holds the key, and nothing else.
        keyring: ``SERVICE/NAME`` of the key in the system's keyring (extra ``keyring``).
        region: AWS region of ``sigv4``.
        service: AWS service of ``sigv4``: ``sagemaker``, ``rekognition``, ``execute-api``.
        profile: AWS profile of ``sigv4``, or empty for the default credentials.
    """

    type: Literal["bearer", "header", "query", "basic", "sigv4", "none"] = "bearer"
    header: str = "Authorization"
    prefix: str = ""
    parameter: str = "key"
    user: str = ""
    secret_env: str = "XRAY_AUDIT_API_KEY"  # noqa: S105 - a variable's name, not its content
    secret_file: str = ""
    keyring: str = ""
    region: str = ""
    service: str = ""
    profile: str = ""


@dataclass(frozen=True, slots=True)
class Tls:
    """How an https connection is secured.

    Attributes:
        ca: PEM file of the authorities that sign the server's certificate; empty: the public ones.
        cert: PEM file of our own certificate, where the server wants one.
        key: PEM file of its private key, where it is not in ``cert``.
    """

    ca: str = ""
    cert: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """What failures are worth another attempt.

    Attributes:
        throttle: statuses that mean "slow down".
        statuses: further statuses that are worth another attempt.
        final: statuses that never are, whatever they usually mean.
        max: attempts per request, the first included.
        respect_retry_after: whether to wait as long as the server asks for.
        on_reset: whether a connection that breaks is worth another attempt (``retry``) or ends
            the run (``stop``), for targets that bill what they may have answered.
    """

    throttle: Statuses = (429, 503)
    statuses: Statuses = ()
    final: Statuses = ()
    max: Annotated[int, Bounds(1, 100)] = 8
    respect_retry_after: bool = True
    on_reset: Literal["retry", "stop"] = "retry"


@dataclass(frozen=True, slots=True)
class Poll:
    """How to fetch an answer that comes later.

    Attributes:
        pending: values of ``success_path`` that mean "not yet".
        statuses: statuses of the first reply that mean "not yet", whatever its body says.
        url_path: path in the first reply of the URL to ask; it must be on the same server.
        id_path: path in the first reply of the job's name, for ``url``.
        url: URL to ask, where ``{url}`` is the endpoint's own and ``{id}`` the job's name.
        format: ``json``, or ``events``: a stream of server-sent events that ends with
            ``complete`` or ``error``.
        interval: seconds between two looks.
        timeout: seconds until the answer counts as lost.
    """

    pending: tuple[str, ...] = ()
    statuses: Statuses = ()
    url_path: str = ""
    id_path: str = ""
    url: str = ""
    format: Literal["json", "events"] = "json"
    interval: Seconds = 0.5
    timeout: Seconds = 300.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be spent, and how fast; the command line's flags win.

    Attributes:
        timeout: seconds for one whole attempt.
        concurrency: most requests in flight.
        rate: most queries per second.
        request_rate: most requests per second.
        max_queries: hard cap on inputs sent.
        max_reply_bytes: refuse larger replies.
        model_timeout: seconds that an isolated model file may take for one batch.
        model_memory: GiB that an isolated model file may take beyond its runtime; without it 4,
            and no limit on a GPU.
    """

    timeout: Seconds = 30.0
    concurrency: Annotated[int, Bounds(1, 1000)] | None = None
    rate: Seconds | None = None
    request_rate: Seconds | None = None
    max_queries: Count | None = None
    max_reply_bytes: Count = 16 * 1024 * 1024
    model_timeout: Seconds = 300.0
    model_memory: Annotated[float, Bounds(0.1, 1024)] | None = None


@dataclass(frozen=True, slots=True)
class Preflight:
    """What ``xray-audit check`` asks of the target.

    Attributes:
        min_accuracy: share of the labelled samples that must get their own label.
        determinism_repeats: samples asked twice.
    """

    min_accuracy: Share | None = None
    determinism_repeats: Annotated[int, Bounds(0, 30)] = 10


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Everything HTTP.

    Attributes:
        protocol: ``auto`` takes ``v2`` for URLs that contain ``/v2/models/``, else ``http``.
            ``v2`` sends raw tensors where the server lists them, else JSON; ``v2-json`` and
            ``v2-binary`` insist; ``v2-grpc`` speaks gRPC (extra ``grpc``).
        headers: extra headers; they are never logged.
        transport: ``auto`` takes aiohttp where it is installed, else plain httpx.
        idempotency_header: header that carries a key, the same for every attempt at one request
            and after a resume, so that the server can bill it once; empty for none.
        private_network: whether a public host name may lead to a private or loopback address.
            An address, a name without a dot, and names such as ``.internal`` or ``.local`` name a
            private network themselves. Link-local addresses, where clouds serve their metadata,
            are asked only where the URL names the address.
    """

    protocol: Protocol = "auto"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: Auth = field(default_factory=Auth)
    tls: Tls = field(default_factory=Tls)
    transport: Literal["auto", "httpx", "aiohttp"] = "auto"
    idempotency_header: str = ""
    private_network: bool = False
    request: RequestFormat = field(default_factory=RequestFormat)
    reply: ReplyFormat = field(default_factory=ReplyFormat)
    retry: Retry = field(default_factory=Retry)
    poll: Poll | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One model to audit.

    Attributes:
        kind: ``onnx``, ``torchscript``, ``http``, ``files`` or ``synthetic``: a name in the
            registry.
        location: a file path or a URL.
        name: what the report calls it; empty for its location.
        access: ``float`` or ``image``.
        encoding: ``float32``, ``uint8``, ``png`` or ``jpeg:QUALITY``; None takes the access
            mode's default (float32, or PNG for uploads and 8-bit values for tensors).
        value_range: input values of a black and a white pixel before mean and std.
        mean, std: per-channel normalisation that the *caller* must apply, or None; channels in
            the order of the samples (red first), whatever ``color`` says.
        shape: ``(c, h, w)`` where the target does not state it.
        layout: ``NCHW`` or ``NHWC`` where the target does not make it plain.
        color: order of three channels in arrays; pictures are always RGB.
        upload_size: ``(h, w)`` of the pictures that travel where it is another than that of
            ``shape``, as a user's client would send them; None: the same.
        resample: how an input is brought to ``upload_size``.
        classes: class names in index order, or None.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``tensorrt``.
        batch: most inputs per request, or None for the adapter's own limit.
        threads: intra-op threads of a local runtime, or None for its default.
        trust_model_file: the user vouches for a model file: it runs in this process, unchecked.
        presets: names of the presets that the description is built on.
        source: file the description stands in, or empty.
        labels_file: file with the labels of the inputs handed out last, for ``files``.
        http: HTTP details.
        limits: see :class:`Limits`.
        preflight: see :class:`Preflight`.
    """

    kind: str
    location: str
    name: str = ""
    access: Access = "float"
    encoding: str | None = None
    value_range: tuple[float, float] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    shape: tuple[int, int, int] | None = None
    layout: Layout | None = None
    color: Color = "rgb"
    upload_size: tuple[int, int] | None = None
    resample: Resample = "bilinear"
    classes: tuple[str, ...] | None = None
    device: str = "cpu"
    batch: Count | None = None
    threads: Count | None = None
    trust_model_file: bool = False
    presets: tuple[str, ...] = ()
    source: str = ""
    labels_file: str | None = None
    http: HttpOptions = field(default_factory=HttpOptions)
    limits: Limits = field(default_factory=Limits)
    preflight: Preflight = field(default_factory=Preflight)

    def input_spec(self, shape: tuple[int, int, int], encoding: str) -> InputSpec:
        """The InputSpec for inputs of ``shape``, from range, mean and std.

        Raises:
            TargetError: mean or std do not match the channels, or std is not positive.
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
