"""Reads a target description (a TOML table) into a :class:`~adapters.target.Target`."""

from __future__ import annotations

import dataclasses
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from adapters.errors import TargetError
from adapters.target import HttpOptions, ReplyFormat, RequestFormat, Target

T = TypeVar("T")


def read_target_file(path: Path) -> dict[str, Any]:
    """Read the TOML file at ``path``; a ``[target]`` table in it counts, else the whole file.

    Raises:
        TargetError: missing, unreadable or not TOML.
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


def target_from_table(table: Mapping[str, Any], overrides: Mapping[str, Any]) -> Target:
    """Build a target from a parsed description; ``overrides`` (command-line values) win.

    Raises:
        TargetError: an unknown or missing field, or a value of the wrong kind, by name.
    """
    http = {**_table("http", table.get("http", {})), **overrides.get("http", {})}
    nested = {
        "request": _build(RequestFormat, "http.request", http.pop("request", {})),
        "reply": _build(ReplyFormat, "http.reply", http.pop("reply", {})),
    }
    merged = {**table, **overrides, "http": _build(HttpOptions, "http", {**http, **nested})}
    for field in ("kind", "location"):
        if field not in merged:
            raise TargetError(f"the target description lacks {field!r}")
    target = _build(Target, "target", merged)
    _check_amounts(target)
    return target


def _check_amounts(target: Target) -> None:
    least = {"batch": target.batch, "threads": target.threads}
    least["http.max_reply_bytes"] = target.http.max_reply_bytes
    for name, value in least.items():
        if value is not None and value < 1:
            raise TargetError(f"{name} is {value}, it must be at least 1")
    if not 0 < target.http.timeout_s < float("inf"):
        raise TargetError(f"the timeout is {target.http.timeout_s} s, it must be above 0")


def _table(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TargetError(f"{where} is {value!r}, it must be a table")
    return value


def _build(cls: type[T], where: str, values: Mapping[str, Any]) -> T:
    hints = typing.get_type_hints(cls)
    known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]  # callers pass dataclasses
    prepared = {}
    for name, value in _table(where, values).items():
        if name not in known:
            raise TargetError(f"{where} has no field {name!r}; it has {', '.join(sorted(known))}")
        prepared[name] = _fit(f"{where}.{name}", hints[name], value)
    return cls(**prepared)


def _fit(where: str, kind: Any, value: Any) -> Any:
    """Check ``value`` against a field's type; lists become tuples."""
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if type(None) in options:
        plain = next(option for option in options if option is not type(None))
        return None if value is None else _fit(where, plain, value)
    if origin is not None:
        return _fit_generic(where, origin, options, value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TargetError(f"{where} is {value!r}, it must be of type {kind.__name__}")
    return value


def _fit_generic(where: str, origin: Any, options: tuple[Any, ...], value: Any) -> Any:
    if origin is typing.Literal:
        if value not in options:
            raise TargetError(f"{where} is {value!r}, it must be one of {', '.join(options)}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise TargetError(f"{where} is {value!r}, it must be a list")
        if Ellipsis not in options and len(value) != len(options):
            raise TargetError(f"{where} is {value!r}, it must hold {len(options)} values")
        return tuple(_fit(where, options[0], item) for item in value)
    return {str(key): str(item) for key, item in _table(where, value).items()}
