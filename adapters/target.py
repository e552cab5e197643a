"""What the user says about the model under audit: pure data, no connection yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from adapters.contract import Access, InputSpec
from adapters.errors import TargetError

Layout = Literal["NCHW", "NHWC"]
Protocol = Literal["auto", "v2", "v2-binary", "http"]
ReplyKind = Literal["label", "index", "scores", "label-score-list", "label-score-dict"]


@dataclass(frozen=True, slots=True)
class RequestFormat:
    """How one generic HTTP request is written.

    Attributes:
        method: HTTP method.
        body: ``json`` (a template), ``multipart`` (a file field) or ``raw`` (the image bytes).
        field: multipart field name.
        template: JSON text; the string "$INPUT" stands for one input and "$INPUTS" for the list
            of all inputs of the request (then ``batch`` may exceed 1).
        item: JSON text of one element of "$INPUTS", around the string "$INPUT", for servers that
            wrap every input: ``{"b64": "$INPUT"}``.
        value: how an input is written into JSON: ``array`` (nested numbers in the model's input
            units), ``pixels`` (nested whole numbers 0 to 255), ``base64`` or ``data-uri`` (an
            encoded image).
    """

    method: str = "POST"
    body: Literal["json", "multipart", "raw"] = "json"
    field: str = "file"
    template: str = '{"inputs": "$INPUTS"}'
    item: str = '"$INPUT"'
    value: Literal["array", "pixels", "base64", "data-uri"] = "array"


@dataclass(frozen=True, slots=True)
class ReplyFormat:
    """Where the label is in a generic reply.

    Attributes:
        path: dotted path with indices into the JSON reply, ``predictions.*.label`` style; ``*``
            walks a list with one entry per input. Empty: the reply itself.
        kind: what stands there: a class ``label`` (name), an ``index``, ``scores`` (one per
            class, reduced to the top label at once), a ``label-score-list``
            (``[{"label": .., "score": ..}]``) or a ``label-score-dict`` (``{name: score}``).
        success_path: path that must hold ``success_value`` in a good reply, or empty.
        error_path: path of an error message; present and not null means the request failed.
        label_key, score_key: names of the two fields of a ``label-score-list`` entry.
    """

    path: str = ""
    kind: ReplyKind = "scores"
    success_path: str = ""
    success_value: str = ""
    error_path: str = ""
    label_key: str = "label"
    score_key: str = "score"


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Everything HTTP.

    Attributes:
        protocol: ``auto`` takes ``v2`` for URLs that contain ``/v2/models/``, else ``http``.
        headers: extra headers; they are never logged.
        key_env: environment variable that holds the key.
        key_header: header that carries it.
        key_prefix: text before the key, with its space ("Bearer ").
        throttle_statuses: statuses that mean "slow down".
        timeout_s: seconds for one whole attempt.
        max_reply_bytes: refuse larger replies.
        transport: ``auto`` takes aiohttp where it is installed, else plain httpx.
        ca_file: PEM file of the authorities that sign the server's certificate, or None for the
            public ones.
        idempotency_header: header that carries a key, the same for every attempt at one request
            and after a resume, so that the server can bill it once; empty for none.
        private_network: whether a public host name may lead to a private or loopback address.
            An address, a name without a dot, and names such as ``.internal`` or ``.local`` name a
            private network themselves. Link-local addresses, where clouds serve their metadata,
            are asked only where the URL names the address.
    """

    protocol: Protocol = "auto"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    key_env: str = "XRAY_AUDIT_API_KEY"
    key_header: str = "Authorization"
    key_prefix: str = "Bearer "
    throttle_statuses: tuple[int, ...] = (429, 503)
    timeout_s: float = 30.0
    max_reply_bytes: int = 16 * 1024 * 1024
    transport: Literal["auto", "httpx", "aiohttp"] = "auto"
    ca_file: str | None = None
    idempotency_header: str = ""
    private_network: bool = False
    request: RequestFormat = field(default_factory=RequestFormat)
    reply: ReplyFormat = field(default_factory=ReplyFormat)


@dataclass(frozen=True, slots=True)
class Target:
    """One model to audit.

    Attributes:
        kind: ``onnx``, ``torchscript``, ``http`` or ``synthetic``: a name in the registry.
        location: a file path or a URL.
        access: ``float`` or ``image``.
        encoding: ``float32``, ``uint8``, ``png`` or ``jpeg:QUALITY``; None takes the access
            mode's default (float32, or PNG for uploads and 8-bit values for tensors).
        value_range: input values of a black and a white pixel before mean and std.
        mean, std: per-channel normalisation that the *caller* must apply, or None.
        shape: ``(c, h, w)`` where the target does not state it.
        layout: ``NCHW`` or ``NHWC`` where the target does not make it plain.
        classes: class names in index order, or None.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``tensorrt``.
        batch: most inputs per request, or None for the adapter's own limit.
        threads: intra-op threads of a local runtime, or None for its default.
        trust_model_file: the user vouches for a file whose loading runs code.
        http: HTTP details.
    """

    kind: str
    location: str
    access: Access = "float"
    encoding: str | None = None
    value_range: tuple[float, float] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    shape: tuple[int, int, int] | None = None
    layout: Layout | None = None
    classes: tuple[str, ...] | None = None
    device: str = "cpu"
    batch: int | None = None
    threads: int | None = None
    trust_model_file: bool = False
    http: HttpOptions = field(default_factory=HttpOptions)

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
            origin="given" if stated else "assumed 0,1: nobody stated a range",
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
