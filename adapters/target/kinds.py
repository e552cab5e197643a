"""Kinds of values in a target description, with what pydantic is to check of each.

Nothing here imports pydantic: a program that reads no description starts without it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from adapters.spans import read_span

READING: dict[str, Any] = {"extra": "forbid"}
"""Pydantic's configuration for a description: no unknown field."""


@dataclass(frozen=True, slots=True)
class Exact:
    """A number or truth value, never converted; above ``least`` or from it on, to ``most``."""

    least: float | None = None
    most: float | None = None
    above: bool = False

    def __get_pydantic_core_schema__(
        self, source: Any, handler: Callable[[Any], Any]
    ) -> dict[str, Any]:
        schema = {**handler(source), "strict": True}
        if source is float:
            schema["allow_inf_nan"] = False
        if self.least is not None:
            schema["gt" if self.above else "ge"] = self.least
        if self.most is not None:
            schema["le"] = self.most
        return schema

    def __str__(self) -> str:
        low = f"above {self.least:g}" if self.above else f"at least {self.least:g}"
        return low if self.most is None else f"{low} and at most {self.most:g}"


class AnyText:
    """A text; numbers and truth values are taken as their text."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        core = importlib.import_module("pydantic_core.core_schema")
        taken = [core.str_schema(), core.int_schema(), core.float_schema(), core.bool_schema()]
        return core.no_info_before_validator_function(
            _as_text, handler(source), json_schema_input_schema=core.union_schema(taken)
        )


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) else value


class SpanOfTime:
    """Seconds, or a text such as ``5m`` or ``1h30m``."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        core = importlib.import_module("pydantic_core.core_schema")
        taken = core.union_schema([core.float_schema(), core.str_schema()])
        return core.no_info_before_validator_function(
            _as_seconds, handler(source), json_schema_input_schema=taken
        )


def _as_seconds(value: Any) -> Any:
    span = read_span(value) if isinstance(value, str) else None
    return value if span is None else span


Flag = Annotated[bool, Exact()]
Number = Annotated[float, Exact()]
Count = Annotated[int, Exact(1)]
Seconds = Annotated[float, Exact(0, above=True)]
Span = Annotated[float, SpanOfTime(), Exact(0, above=True)]
Statuses = tuple[Annotated[int, Exact(100, 599)], ...]
Texts = Mapping[str, Annotated[str, AnyText()]]
