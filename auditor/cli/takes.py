"""Commands that take groups of options, each stated once in :mod:`auditor.cli.options`."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any


def takes(*groups: type) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Give a command the options of ``groups``; it is called with one object of each.

    Parameters the command states itself (the context, an argument) stay as they are.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., None]:
        hints = typing.get_type_hints(command, include_extras=True)
        stated = list(inspect.signature(command).parameters.values())
        grouped = {p.name: hints[p.name] for p in stated if hints[p.name] in groups}
        own = [p for p in stated if p.name not in grouped]

        def wrapper(**values: Any) -> None:
            for name, group in grouped.items():
                options = {field.name: values.pop(field.name) for field in fields(group)}
                values[name] = group(**options)
            command(**values)

        parameters = [p.replace(annotation=hints[p.name], kind=p.KEYWORD_ONLY) for p in own]
        parameters += [p for group in groups for p in _parameters(group)]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions have it
        wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
        wrapper.__name__, wrapper.__doc__ = command.__name__, command.__doc__
        return wrapper

    return decorate


def _parameters(group: type) -> list[inspect.Parameter]:
    hints = typing.get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]
