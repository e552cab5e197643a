"""Tables of a description to frozen dataclasses: every mistake is named by its field."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from adapters.errors import TargetError
from adapters.target.description import Bounds

T = TypeVar("T")


def build(cls: type[T], where: str, values: Any) -> T:
    """``values`` as an object of the dataclass ``cls``.

    Args:
        cls: a dataclass; the types of its fields decide what is allowed.
        where: dotted name of the table, for messages; empty at the top.
        values: the parsed table.

    Raises:
        TargetError: an unknown or missing field, or a value of the wrong kind, by name.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]  # callers pass dataclasses
    prepared = {}
    for name, value in as_table(where, values).items():
        if name not in fields:
            raise TargetError(_unknown(where, str(name), sorted(fields)))
        prepared[name] = fit(dotted(where, name), hints[name], value)
    return cls(**prepared)


def as_table(where: str, value: Any) -> Mapping[str, Any]:
    """``value`` where it is a table.

    Raises:
        TargetError: it is not.
    """
    if not isinstance(value, Mapping):
        raise TargetError(f"{where} is {value!r}, it must be a table")
    return value


def dotted(where: str, name: object) -> str:
    """The name of a field, for messages."""
    return f"{where}.{name}" if where else str(name)


def fit(where: str, kind: Any, value: Any) -> Any:
    """``value`` where it is of the type ``kind``; lists become tuples.

    Raises:
        TargetError: it is not.
    """
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _bounded(where, options[0], options[1], value)
    if origin is typing.Union or origin is types.UnionType:
        return _either(where, options, value)
    if origin is not None:
        return _fit_generic(where, origin, options, value)
    if dataclasses.is_dataclass(kind) and not isinstance(value, typing.cast("type[Any]", kind)):
        return build(typing.cast("type[Any]", kind), where, value)
    return _fit_plain(where, kind, value)


def _fit_plain(where: str, kind: type, value: Any) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TargetError(f"{where} is {value!r}, it must be {_WORDS.get(kind, kind.__name__)}")
    return value


_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def _bounded(where: str, kind: Any, bounds: Bounds, value: Any) -> Any:
    fitted = fit(where, kind, value)
    if not bounds.allow(fitted):
        raise TargetError(f"{where} is {fitted}, it must be {bounds}")
    return fitted


def _either(where: str, options: tuple[Any, ...], value: Any) -> Any:
    """A value of one of ``options``: nothing, or a text or a list of them, or one plain type."""
    plain = [option for option in options if option is not type(None)]
    if value is None and len(plain) < len(options):
        return None
    listed = next((option for option in plain if typing.get_origin(option) is tuple), None)
    single = next((option for option in plain if option is not listed), None)
    if listed is not None and (single is None or isinstance(value, list | tuple)):
        return fit(where, listed, value)
    return fit(where, single, value)


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
        return tuple(fit(where, options[0], item) for item in value)
    plain = as_table(where, value)
    bad = next((key for key, item in plain.items() if isinstance(item, Mapping | list)), None)
    if bad is not None:
        raise TargetError(f"{dotted(where, bad)} is {plain[bad]!r}, it must be a text")
    return {str(key): str(item) for key, item in plain.items()}


def _unknown(where: str, name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    table = f"[{where}]" if where else "the target description"
    return (
        f"{table} has no field {name!r}{hint} It has {', '.join(known)}"
        if hint
        else (f"{table} has no field {name!r}; it has {', '.join(known)}")
    )
