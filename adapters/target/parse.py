"""Reads a target description (TOML) into a :class:`~adapters.target.description.Target`.

    preset(s)  <  the description  <  the command line's flags

A description never holds a secret: only the name of the variable, file or keyring entry.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, cast

from adapters.contract import Access, Fit, Layout
from adapters.errors import TargetError
from adapters.file_kind import why_unreadable
from adapters.target import description as parts
from adapters.target import formats
from adapters.target.auth import Auth
from adapters.target.description import Target
from adapters.target.kinds import READING, Count, Flag, Number, Texts
from adapters.target.mistakes import sentence
from adapters.target.presets import over, preset_table

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")
Table = Mapping[str, Any]

TARGET_FILE = Path("xray-audit-target.toml")
"""Read if the command line names no target."""

_MODEL_KINDS = {
    ".onnx": "onnx",
    ".pt": "torchscript",
    ".pt2": "torchscript",
    ".ts": "torchscript",
    ".keras": "keras",
    ".h5": "keras",
    ".hdf5": "keras",
    ".tflite": "tflite",
}
_HUBS = ("hf:", "timm:")
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
_SECRET_FIELDS = ("key", "secret", "token", "password", "api_key", "client_secret")
_REMEDY = (
    "a secret never goes into a description: name its environment variable (auth.secret_env), "
    "its file (auth.secret_file), its keyring entry (auth.keyring) or a program (auth.command)"
)


@dataclass(frozen=True, slots=True)
class Input:
    """Form of one input."""

    shape: tuple[Count, Count, Count] | None = None
    """Channels, height and width of one input if the target does not state it."""
    layout: Layout | None = None
    """``NCHW`` or ``NHWC`` if the target does not make it plain."""
    color: parts.Color = "rgb"
    """Order of three channels in arrays; images are always RGB."""
    encoding: str | None = None
    """``float32``, ``uint8``, ``png``, ``jpeg:QUALITY`` or ``jpeg:QUALITY/444`` in full colour."""
    recoded: str | None = None
    """``jpeg:QUALITY`` or ``jpeg:QUALITY/444`` if the service turns pictures into such JPEGs."""
    range: tuple[Number, Number] | None = None
    """Input values of a black and a white pixel, before mean and std."""
    mean: tuple[Number, ...] | None = None
    """Per-channel mean that the caller must subtract, red first."""
    std: tuple[Number, ...] | None = None
    """Per-channel deviation that the caller must divide by, red first."""
    upload_size: tuple[Count, Count] | None = None
    """Height and width of the images that travel if the endpoint wants another size than
    that of ``shape``."""
    resample: parts.Resample = "bilinear"
    """Method that brings an input to ``upload_size``."""
    fit: Fit | None = None
    """Way of a sample of another size to that of ``shape`` (or ``--resize``): ``squash`` both
    sides, ``crop`` what is over, or ``pad`` with ``background``."""
    background: str | None = None
    """Colour beneath transparent samples and around padded ones, a name or ``#rrggbb``; without
    it white."""
    constants: Mapping[str, Number] = field(default_factory=dict)
    """Values of a model file's inputs beside the pictures, by name: a flag, a threshold."""


@dataclass(frozen=True, slots=True)
class BatchSize:
    """Number of inputs that travel together."""

    max: Count | None = None
    """Most inputs per request."""


@dataclass(frozen=True, slots=True)
class Response(formats.ReplyFormat):
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
    """A model instead of a URL: a file (.onnx, .pt, .pt2, .keras, .h5, .tflite), ``hf:ORG/NAME``,
    ``timm:NAME``, or a folder with a ``config.json`` and a ``model.safetensors``."""
    access: Access = "float"
    """``float``: tensors reach the model unclipped. ``image``: clipped and 8 bits, as an upload."""
    protocol: parts.Protocol = "auto"
    """Protocol of the endpoint; presets state it."""
    transport: Literal["auto", "httpx", "aiohttp"] = "auto"
    """HTTP library: ``auto`` takes aiohttp if it is installed."""
    proxy: str = ""
    """URL of an HTTP proxy (``http://proxy:3128``) that requests go through; ``${NAME}`` stands
    for an environment variable. ``env`` obeys HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.
    Empty for none."""
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
    tls: parts.Tls = field(default_factory=parts.Tls)
    """Certificates."""
    input: Input = field(default_factory=Input)
    """Form of one input."""
    request: formats.RequestFormat = field(default_factory=formats.RequestFormat)
    """Form of a request."""
    batch: BatchSize = field(default_factory=BatchSize)
    """Number of inputs that travel together."""
    response: Response = field(default_factory=Response)
    """Place of the label in a reply."""
    limits: parts.Limits = field(default_factory=parts.Limits)
    """Limits on time, requests and queries."""
    price: parts.Tariff = field(default_factory=parts.Tariff)
    """Prices of the target, for the price of an audit."""
    retry: parts.Retry = field(default_factory=parts.Retry)
    """Failures worth another attempt."""
    poll: parts.Poll | None = None
    """Retrieval of an answer that comes later."""
    preflight: parts.Preflight = field(default_factory=parts.Preflight)
    """Requirements of ``check`` on the target."""


def read_target(table: Table, *, source: str = "", vouched: bool = False) -> Target:
    """The target that ``table`` describes. Raises TargetError, naming ``source`` and the field, for
    an unknown or missing field or a value of the wrong kind.

    Args:
        table: everything stated, in the shape of a description. It names the model by ``url``,
            ``model`` or ``preset``; only without a source also by ``input_file``, a target that
            answers by files, with ``labels_file``.
        source: the description's file; empty if no file has a part in it.
        vouched: the user vouches for a model file, which then runs unchecked in this process.
    """
    if "input_file" in table and not source:
        return _by_files(table)
    try:
        presets = _preset_list(table.get("preset", ()))
        merged = over(preset_table(presets), {**table, "preset": presets})
        return _target(_build(Description, merged), source=source, vouched=vouched)
    except TargetError as error:
        raise _placed(source, error) from error


def read_description(path: Path) -> dict[str, Any]:
    """The table in the TOML file at ``path``; a ``[target]`` table in it counts, else the file.
    Raises TargetError if it is missing, unreadable or not TOML, or holds a secret.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise TargetError(f"target file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        why = why_unreadable(path, error)
        raise TargetError(f"target file {path} is not TOML: {why}") from error
    table = data.get("target", data)
    if not isinstance(table, dict):
        raise TargetError(f"target file {path}: [target] is not a table")
    stray = sorted(set(data) - {"target"}) if "target" in data else []
    if stray:
        raise TargetError(f"target file {path}: {stray[0]!r} stands outside [target]")
    refuse_secrets(table, str(path))
    return table


def refuse_secrets(table: Table, source: str = "") -> None:
    """Refuse what looks like a key in a description, which is shared and committed. Raises
    TargetError that names the file ``source`` and the field, never its value.
    """
    found = _secret(table)
    if found:
        raise _placed(source, TargetError(f"{found}, and {_REMEDY}"))


def _secret(table: Table) -> str:
    """The sentence that names the first field that looks like a secret; empty if none does."""
    auth = table.get("auth")
    inner = [auth.get(name) if isinstance(auth, Mapping) else None for name in ("hmac", "oauth2")]
    places = zip(("", "auth.", "auth.hmac.", "auth.oauth2."), (table, auth, *inner), strict=True)
    for where, part in places:
        for name in _SECRET_FIELDS:
            if isinstance(part, Mapping) and name in part:
                return f"{where}{name} looks like a secret"
    headers = table.get("headers", {})
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        if _SECRET_HEADER.fullmatch(str(name)) and not _VARIABLE.search(str(value)):
            return f"headers.{name} looks like a secret"
    if isinstance(table.get("url"), str) and _SECRET_QUERY.search(table["url"]):
        return "url holds what looks like a secret in its query"
    return ""


def with_fields(target: Target, fields: Mapping[str, Any]) -> Target:
    """A copy of ``target`` with the named ``fields`` changed. Raises TargetError, by name, for an
    unknown field or a value of the wrong kind.
    """
    known = {field.name: getattr(target, field.name) for field in dataclasses.fields(Target)}
    unknown = next((name for name in fields if name not in known), None)
    if unknown is not None:
        raise TargetError(f"a target has no field {unknown!r}; it has {', '.join(sorted(known))}")
    return _build(Target, {**known, **fields})


def model_kind(path: str) -> str | None:
    """Name of the adapter for the model ``path``: a name on a hub, a file by its ending, or a
    folder with a ``config.json`` or a ``saved_model.pb``; None if there is none.
    """
    if path.startswith(_HUBS):
        return "snapshot"
    kind = _MODEL_KINDS.get(Path(path).suffix.lower())
    with contextlib.suppress(OSError):  # a path that cannot be is told where it is opened
        if kind is None and (Path(path) / "config.json").is_file():
            return "snapshot"
        if kind is None and (Path(path) / "saved_model.pb").is_file():
            return "savedmodel"
    return kind


def _by_files(table: Table) -> Target:
    """A target without a connection: inputs go out as files, and labels come back as one."""
    given, place = dict(table.get("input", {})), str(table["input_file"])
    if "range" in given:
        given["value_range"] = given.pop("range")
    # Image files hold 8-bit values, so their access mode follows.
    access = {} if Path(place).suffix == ".npz" else {"access": "image"}
    stated = {name: table[name] for name in ("access", "labels_file") if name in table}
    classes = {k: v for k, v in table.get("response", {}).items() if k == "classes"}
    return with_fields(Target("files", place), {**access, **given, **classes, **stated})


def _placed(source: str, error: TargetError) -> TargetError:
    return TargetError(f"{source}: {error}" if source else str(error))


def _build(cls: type[T], values: Table) -> T:
    """``values`` as an object of the dataclass ``cls``; lists become tuples."""
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
    from pydantic import TypeAdapter  # noqa: PLC0415 - as above

    return TypeAdapter(cls)


def _preset_list(value: Any) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise TargetError(f"preset is {value!r}, it must be a name or a list of names")
    return tuple(names)


def _target(stated: Description, *, source: str, vouched: bool) -> Target:
    kind, location = _place(stated)
    http = {
        **_shared(stated, parts.HttpOptions),
        "proxy": _proxy(stated.proxy),
        "headers": {name: _expanded(f"headers.{name}", v) for name, v in stated.headers.items()},
        "reply": formats.ReplyFormat(**_shared(stated.response, formats.ReplyFormat)),
    }
    fields = {
        **_shared(stated, Target),
        **_shared(stated.input, Target),
        "value_range": stated.input.range,
        "classes": stated.response.classes,
        "batch": stated.batch.max,
        "threshold": stated.response.threshold if stated.response.kind == "binary" else None,
        "presets": _preset_list(stated.preset),
        "trust_model_file": vouched,
        "source": source,
    }
    return Target(kind, location, **fields, http=parts.HttpOptions(**http))


def _shared(stated: Any, cls: type[Any]) -> dict[str, Any]:
    """The fields of the dataclass ``cls`` that ``stated`` has under the same name."""
    names = [field.name for field in dataclasses.fields(cls)]
    return {name: getattr(stated, name) for name in names if hasattr(stated, name)}


def _place(stated: Description) -> tuple[str, str]:
    """Adapter and location."""
    if (stated.url is None) == (stated.model is None):
        both = "both url and model" if stated.url is not None else "neither url nor model"
        raise TargetError(f"the target description states {both}: it must state one of them")
    if stated.url is not None:
        return "http", _expanded("url", stated.url)
    assert stated.model is not None
    kind = model_kind(stated.model)
    if kind is None:
        raise TargetError(
            f"model is {stated.model!r}, it must be a file ending in {', '.join(_MODEL_KINDS)}, "
            "hf:ORG/NAME, timm:NAME, or a folder with a config.json and a model.safetensors"
        )
    return kind, stated.model


def _proxy(text: str) -> str:
    """The proxy stated, without a password that would be written down."""
    if "@" in text and not _VARIABLE.search(text):
        raise TargetError(
            "proxy holds a user name or password: put the URL into an environment variable, "
            'HTTPS_PROXY and "env" here, or another one and "${NAME}" here'
        )
    return _expanded("proxy", text)


def _expanded(where: str, text: str) -> str:
    """``text`` with every ``${NAME}`` replaced from the environment."""

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if not found:
            raise TargetError(f"{where} names the environment variable {match[1]!r}, not set here")
        return found

    return _VARIABLE.sub(value, text)
