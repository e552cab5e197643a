"""Reads a target description (TOML) into a :class:`~adapters.target.description.Target`.

    preset(s)  <  the description  <  the command line's flags

A description never holds a secret: only the name of the variable, file or keyring entry.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, cast

from adapters.contract import Access, Layout
from adapters.errors import TargetError
from adapters.target.description import (
    Auth,
    Color,
    HttpOptions,
    Limits,
    Poll,
    Preflight,
    Protocol,
    ReplyFormat,
    RequestFormat,
    Resample,
    Retry,
    Target,
    Tls,
)
from adapters.target.kinds import READING, Count, Flag, Number, Texts
from adapters.target.mistakes import sentence
from adapters.target.presets import over, preset_table

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")

TARGET_FILE = Path("xray-audit-target.toml")
"""Read if the command line names no target."""

_MODEL_KINDS = {".onnx": "onnx", ".pt": "torchscript", ".pt2": "torchscript", ".ts": "torchscript"}
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_HEADER = re.compile(
    r"(proxy-)?authorization|cookie|.*(api|access|subscription|auth|account)[-_]?key"
    r"|.*(token|secret|password|credential).*",
    re.IGNORECASE,
)
_SECRET_QUERY = re.compile(
    r"[?&](key|code|sig|signature|.*(api|access|subscription)[-_]?key|[^=&]*token|[^=&]*secret"
    r"|[^=&]*password)=(?!\$\{)[^&]",
    re.IGNORECASE,
)
_SECRET_FIELDS = ("key", "secret", "token", "password", "api_key")
_REMEDY = (
    "a secret never goes into a description: name its environment variable (auth.secret_env), "
    "its file (auth.secret_file) or its keyring entry (auth.keyring)"
)


@dataclass(frozen=True, slots=True)
class Input:
    """Form of one input."""

    shape: tuple[Count, Count, Count] | None = None
    """Channels, height and width of one input if the target does not state it."""
    layout: Layout | None = None
    """``NCHW`` or ``NHWC`` if the target does not make it plain."""
    color: Color = "rgb"
    """Order of three channels in arrays; images are always RGB."""
    encoding: str | None = None
    """``float32``, ``uint8``, ``png`` or ``jpeg:QUALITY``."""
    range: tuple[Number, Number] | None = None
    """Input values of a black and a white pixel, before mean and std."""
    mean: tuple[Number, ...] | None = None
    """Per-channel mean that the caller must subtract, red first."""
    std: tuple[Number, ...] | None = None
    """Per-channel deviation that the caller must divide by, red first."""
    upload_size: tuple[Count, Count] | None = None
    """Height and width of the images that travel if the endpoint wants another size than
    that of ``shape``."""
    resample: Resample = "bilinear"
    """Method that brings an input to ``upload_size``."""


@dataclass(frozen=True, slots=True)
class BatchSize:
    """Number of inputs that travel together."""

    max: Count | None = None
    """Most inputs per request."""


@dataclass(frozen=True, slots=True)
class Response(ReplyFormat):
    """Place of the label in a reply, and the labels there are."""

    classes: tuple[str, ...] | None = None
    """Class names in index order."""


@dataclass(frozen=True, slots=True)
class Description:
    """A model to audit, and how to ask it."""

    __pydantic_config__: ClassVar[dict[str, Any]] = READING

    name: str = ""
    """Name of the target in the report."""
    preset: str | tuple[str, ...] = ()
    """Name of the preset to build on, or a list of them, later over earlier."""
    url: str | None = None
    """URL of the endpoint; ``${NAME}`` stands for an environment variable."""
    model: str | None = None
    """A model file (.onnx, .pt, .pt2) instead of a URL."""
    access: Access = "float"
    """``float``: tensors reach the model unclipped. ``image``: clipped and 8 bits, as an upload."""
    protocol: Protocol = "auto"
    """Protocol of the endpoint; presets state it."""
    transport: Literal["auto", "httpx", "aiohttp"] = "auto"
    """HTTP library: ``auto`` takes aiohttp if it is installed."""
    private_network: Flag = False
    """True if a public host name may lead to a private or loopback address."""
    idempotency_header: str = ""
    """Header for a key by which the server knows a repeated request."""
    device: str = "cpu"
    """``cpu``, ``cuda``, ``cuda:N`` or ``tensorrt``, for a model file."""
    threads: Count | None = None
    """CPU threads, for a model file."""
    headers: Texts = field(default_factory=dict)
    """Extra headers; ``${NAME}`` stands for an environment variable."""
    auth: Auth = field(default_factory=Auth)
    """The key."""
    tls: Tls = field(default_factory=Tls)
    """Certificates."""
    input: Input = field(default_factory=Input)
    """Form of one input."""
    request: RequestFormat = field(default_factory=RequestFormat)
    """Form of a request."""
    batch: BatchSize = field(default_factory=BatchSize)
    """Number of inputs that travel together."""
    response: Response = field(default_factory=Response)
    """Place of the label in a reply."""
    limits: Limits = field(default_factory=Limits)
    """Limits on time, requests and queries."""
    retry: Retry = field(default_factory=Retry)
    """Failures worth another attempt."""
    poll: Poll | None = None
    """Retrieval of an answer that comes later."""
    preflight: Preflight = field(default_factory=Preflight)
    """Requirements of ``check`` on the target."""


def read_target_file(path: Path) -> dict[str, Any]:
    """The table in the TOML file at ``path``; a ``[target]`` table in it counts, else the file.

    Raises:
        TargetError: missing, unreadable, not TOML, or it holds a secret.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TargetError(f"target file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TargetError(f"target file {path} is not TOML: {error}") from error
    table = data.get("target", data)
    if not isinstance(table, dict):
        raise TargetError(f"target file {path}: [target] is not a table")
    stray = sorted(set(data) - {"target"}) if "target" in data else []
    if stray:
        raise TargetError(f"target file {path}: {stray[0]!r} stands outside [target]")
    return table


def target_from_table(
    table: Mapping[str, Any], overrides: Mapping[str, Any] | None = None, *, vouched: bool = False
) -> Target:
    """Build a target from a parsed description.

    Args:
        table: the description.
        overrides: command-line values in the same shape; they win.
        vouched: the user vouches for a model file, which then runs unchecked in this process.

    Raises:
        TargetError: an unknown or missing field, a value of the wrong kind, a secret, by name.
    """
    if not isinstance(table, Mapping):
        raise TargetError(f"the target description is {table!r}, it must be a table")
    refuse_secrets(table)
    stated = over(table, overrides or {})
    presets = _preset_list(stated.get("preset", ()))
    merged = over(preset_table(presets), {**stated, "preset": presets})
    return _target(_build(Description, merged), vouched=vouched)


def with_fields(target: Target, fields: Mapping[str, Any]) -> Target:
    """A copy of ``target`` with the named ``fields`` changed.

    Raises:
        TargetError: an unknown field, or a value of the wrong kind, by name.
    """
    known = {field.name: getattr(target, field.name) for field in dataclasses.fields(Target)}
    unknown = next((name for name in fields if name not in known), None)
    if unknown is not None:
        raise TargetError(f"a target has no field {unknown!r}; it has {', '.join(sorted(known))}")
    return _build(Target, {**known, **fields})


def _build(cls: type[T], values: Mapping[str, Any]) -> T:
    """``values`` as an object of the dataclass ``cls``; lists become tuples.

    Raises:
        TargetError: an unknown field, or a value of the wrong kind, by name.
    """
    from pydantic import ValidationError  # noqa: PLC0415 - see _adapter

    adapter: TypeAdapter[T] = _adapter(cast("Any", cls))  # a class is hashable, which mypy misses
    try:
        return adapter.validate_python(values)
    except ValidationError as error:
        # "from None": the original's text repeats every value, and is no sentence.
        raise TargetError(sentence(cls, error.errors(include_url=False))) from None


@functools.cache
def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    """Pydantic's reader of ``cls``, made when a description is first read: --help needs none."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - as said above

    return TypeAdapter(cls)


def _preset_list(value: Any) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise TargetError(f"preset is {value!r}, it must be a name or a list of names")
    return tuple(names)


def _target(said: Description, *, vouched: bool) -> Target:
    kind, location = _place(said)
    reply = {f.name: getattr(said.response, f.name) for f in dataclasses.fields(ReplyFormat)}
    return Target(
        kind=kind,
        location=location,
        name=said.name,
        access=said.access,
        encoding=said.input.encoding,
        value_range=said.input.range,
        mean=said.input.mean,
        std=said.input.std,
        shape=said.input.shape,
        layout=said.input.layout,
        color=said.input.color,
        upload_size=said.input.upload_size,
        resample=said.input.resample,
        classes=said.response.classes,
        device=said.device,
        batch=said.batch.max,
        threads=said.threads,
        trust_model_file=vouched,
        presets=_preset_list(said.preset),
        http=HttpOptions(
            protocol=said.protocol,
            headers={name: _expanded(f"headers.{name}", v) for name, v in said.headers.items()},
            auth=said.auth,
            tls=said.tls,
            transport=said.transport,
            private_network=said.private_network,
            idempotency_header=said.idempotency_header,
            request=said.request,
            reply=ReplyFormat(**reply),
            retry=said.retry,
            poll=said.poll,
        ),
        limits=said.limits,
        preflight=said.preflight,
    )


def _place(said: Description) -> tuple[str, str]:
    """Adapter and location."""
    if (said.url is None) == (said.model is None):
        both = "both url and model" if said.url is not None else "neither url nor model"
        raise TargetError(f"the target description states {both}: it must state one of them")
    if said.url is not None:
        return "http", _expanded("url", said.url)
    assert said.model is not None
    kind = model_kind(said.model)
    if kind is None:
        raise TargetError(
            f"model is {said.model!r}, it must be a file ending in {', '.join(_MODEL_KINDS)}"
        )
    return kind, said.model


def model_kind(path: str) -> str | None:
    """Name of the adapter for the model file ``path``, by its ending; None if there is none."""
    return _MODEL_KINDS.get(Path(path).suffix.lower())


def _expanded(where: str, text: str) -> str:
    """``text`` with every ``${NAME}`` replaced from the environment."""

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if not found:
            raise TargetError(f"{where} names the environment variable {match[1]!r}, not set here")
        return found

    return _VARIABLE.sub(value, text)


def refuse_secrets(table: Mapping[str, Any]) -> None:
    """A description is shared and committed: what looks like a key in it is refused.

    Raises:
        TargetError: names the field, never its value.
    """
    for where, part in (("", table), ("auth.", table.get("auth"))):
        names = part if isinstance(part, Mapping) else {}
        found = next((name for name in names if name in _SECRET_FIELDS), None)
        if found is not None:
            raise TargetError(f"{where}{found} looks like a secret, and {_REMEDY}")
    headers = table.get("headers", {})
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        if _SECRET_HEADER.fullmatch(str(name)) and not _VARIABLE.search(str(value)):
            raise TargetError(f"headers.{name} looks like a secret, and {_REMEDY}")
    if isinstance(table.get("url"), str) and _SECRET_QUERY.search(table["url"]):
        raise TargetError(f"url holds what looks like a secret in its query, and {_REMEDY}")
