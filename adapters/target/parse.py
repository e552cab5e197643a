"""Reads a target description (TOML) into a :class:`~adapters.target.description.Target`.

    preset(s)  <  the description  <  the command line's flags

A description never holds a secret: only the name of the variable, file or keyring entry.
"""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from adapters.contract import Access, Layout
from adapters.errors import TargetError
from adapters.target.description import (
    Auth,
    Color,
    Count,
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
from adapters.target.presets import over, preset_table
from adapters.target.tables import as_table, build, dotted, fit

TARGET_FILE = Path("xray-audit-target.toml")
"""Read where the command line names no target."""

Pixels = tuple[Count, Count]
Shape = tuple[Count, Count, Count]

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
    """What one input looks like.

    Attributes:
        shape: channels, height and width of one input, where the target does not state it.
        layout: ``NCHW`` or ``NHWC``, where the target does not make it plain.
        color: order of three channels in arrays; pictures are always RGB.
        encoding: ``float32``, ``uint8``, ``png`` or ``jpeg:QUALITY``.
        range: input values of a black and a white pixel, before mean and std.
        mean: per-channel mean that the caller must subtract, red first.
        std: per-channel deviation that the caller must divide by, red first.
        upload_size: height and width of the pictures that travel, where the endpoint wants
            another size than that of ``shape``.
        resample: how an input is brought to ``upload_size``.
    """

    shape: Shape | None = None
    layout: Layout | None = None
    color: Color = "rgb"
    encoding: str | None = None
    range: tuple[float, float] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    upload_size: Pixels | None = None
    resample: Resample = "bilinear"


@dataclass(frozen=True, slots=True)
class Batch:
    """How many inputs travel together.

    Attributes:
        max: most inputs per request.
    """

    max: Count | None = None


@dataclass(frozen=True, slots=True)
class Response(ReplyFormat):
    """Where the label is in a reply, and what labels there are.

    Attributes:
        classes: class names in index order.
    """

    classes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """A model to audit, and how to ask it.

    Attributes:
        name: what the report calls the target.
        preset: name of the preset to build on, or a list of them, later over earlier.
        url: URL of the endpoint; ``${NAME}`` stands for an environment variable.
        model: a model file (.onnx, .pt, .pt2) instead of a URL.
        access: ``float``: tensors reach the model unclipped. ``image``: clipped and 8 bits, as an
            upload.
        protocol: how to talk to the endpoint; presets state it.
        transport: HTTP library: ``auto`` takes aiohttp where it is installed.
        private_network: whether a public host name may lead to a private or loopback address.
        idempotency_header: header for a key by which the server knows a repeated request.
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``tensorrt``, for a model file.
        threads: CPU threads, for a model file.
        headers: extra headers; ``${NAME}`` stands for an environment variable.
        auth: the key.
        tls: certificates.
        input: what one input looks like.
        request: how a request is written.
        batch: how many inputs travel together.
        response: where the label is.
        limits: what may be spent.
        retry: what is worth another attempt.
        poll: how to fetch an answer that comes later.
        preflight: what ``check`` asks of the target.
    """

    name: str = ""
    preset: str | tuple[str, ...] = ()
    url: str | None = None
    model: str | None = None
    access: Access = "float"
    protocol: Protocol = "auto"
    transport: Literal["auto", "httpx", "aiohttp"] = "auto"
    private_network: bool = False
    idempotency_header: str = ""
    device: str = "cpu"
    threads: Count | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: Auth = field(default_factory=Auth)
    tls: Tls = field(default_factory=Tls)
    input: Input = field(default_factory=Input)
    request: RequestFormat = field(default_factory=RequestFormat)
    batch: Batch = field(default_factory=Batch)
    response: Response = field(default_factory=Response)
    limits: Limits = field(default_factory=Limits)
    retry: Retry = field(default_factory=Retry)
    poll: Poll | None = None
    preflight: Preflight = field(default_factory=Preflight)


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
    refuse_secrets(as_table("the target description", table))
    stated = over(table, overrides or {})
    presets = _preset_list(stated.get("preset", ()))
    merged = over(preset_table(presets), {**stated, "preset": presets})
    return _target(build(Description, "", merged), vouched=vouched)


def with_fields(target: Target, fields: Mapping[str, Any]) -> Target:
    """A copy of ``target`` with the named ``fields`` changed.

    Raises:
        TargetError: an unknown field, or a value of the wrong kind, by name.
    """
    hints = typing.get_type_hints(Target, include_extras=True)
    unknown = next((name for name in fields if name not in hints), None)
    if unknown is not None:
        raise TargetError(f"a target has no field {unknown!r}; it has {', '.join(sorted(hints))}")
    fitted = {name: fit(name, hints[name], value) for name, value in fields.items()}
    return dataclasses.replace(target, **fitted)


def _preset_list(value: Any) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise TargetError(f"preset is {value!r}, it must be a name or a list of names")
    return tuple(names)


def _target(said: Description, *, vouched: bool) -> Target:
    kind, location = _place(said)
    reply = {name: getattr(said.response, name) for name in ReplyFormat.__dataclass_fields__}
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
    """Name of the adapter for the model file ``path``, by its ending; None where there is none."""
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
    for where in ("", "auth"):
        part = table.get(where, {}) if where else table
        names = part if isinstance(part, Mapping) else {}
        found = next((name for name in names if name in _SECRET_FIELDS), None)
        if found is not None:
            raise TargetError(f"{dotted(where, found)} looks like a secret, and {_REMEDY}")
    headers = table.get("headers", {})
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        if _SECRET_HEADER.fullmatch(str(name)) and not _VARIABLE.search(str(value)):
            raise TargetError(f"headers.{name} looks like a secret, and {_REMEDY}")
    if isinstance(table.get("url"), str) and _SECRET_QUERY.search(table["url"]):
        raise TargetError(f"url holds what looks like a secret in its query, and {_REMEDY}")
