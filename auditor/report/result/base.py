"""Building blocks of the typed result.

Reading a report checks names and types. Ranges, patterns and vocabularies stand in its schema
alone: a rounding error at a bound must not cost an audit that was paid for, and a word that a later
minor version invents is shown as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, Strict, WithJsonSchema, WrapValidator

T = TypeVar("T")


class Part(BaseModel):
    """One JSON object of a report: closed, immutable, read without conversions.

    The docstring of a class or field is its description in the schema.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,
        defer_build=True,  # a command that reads no report need not wait for its types
    )


def words(*known: str) -> WithJsonSchema:
    """A text for which the schema lists the words."""
    return WithJsonSchema({"type": "string", "enum": list(known)})


def text(pattern: str) -> WithJsonSchema:
    """A text for which the schema states the pattern."""
    return WithJsonSchema({"type": "string", "pattern": pattern})


def number(kind: str, **bounds: float) -> WithJsonSchema:
    """A number of this JSON type for which the schema states the bounds."""
    return WithJsonSchema({"type": kind, **bounds})


def also_required(*names: str) -> Callable[[dict[str, Any]], None]:
    """Rule for ``json_schema_extra``: require fields that the first versions did not write."""

    def change(schema: dict[str, Any]) -> None:
        wanted = {*schema["required"], *names}
        schema["required"] = [name for name in schema["properties"] if name in wanted]

    return change


# JSON knows no tuples: the strictness that refuses a list for one would refuse every report.
# The first mistake is enough: millions of them would cost gigabytes.
Many = Annotated[tuple[T, ...], Strict(False), Field(fail_fast=True)]


def _as_given(value: Any, check: Callable[[Any], Any]) -> Any:
    if not isinstance(value, np.ndarray):  # an audit's own labels, whole numbers of two bytes
        check(value)
    return value


AS_GIVEN = WrapValidator(_as_given)
"""Checked like any other, but kept as it is: a million labels are not held twice, nor as objects.
"""
Pair = Annotated[tuple[T, T], Strict(False)]
Triple = Annotated[tuple[T, T, T], Strict(False)]

FreeForm = dict[str, Any]
Count = Annotated[int, number("integer", minimum=0)]
Positive = Annotated[int, number("integer", minimum=1)]
Label = Annotated[int, number("integer", minimum=0, maximum=65534)]
Amount = Annotated[float, number("number", minimum=0)]
Fraction = Annotated[float, number("number", minimum=0, maximum=1)]
Sha256 = Annotated[str, text("^[0-9a-f]{64}$")]
HexDigest = Annotated[str, text("^[0-9a-f]{8,128}$")]
ScoreName = Annotated[str, words("re", "ats", "ats_by_label")]
AccessMode = Annotated[str, words("float", "image")]
SampleRef = str | int
Shares = Many[Fraction]


class EstimatePart(Part):
    """A mean over planes with its 95 % interval over planes: Student t after Hall's transformation,
    which takes the skewness out.
    """

    mean: float | None
    """Mean over planes. Null if no plane was scored."""
    low: float | None
    """Lower end of the interval. Null from fewer than two planes."""
    high: float | None
    """Upper end of the interval. Null from fewer than two planes."""
    n: Count
    """Number of planes in the mean."""


class RatePart(Part):
    """An error rate measured on reference models, with its 95 % confidence interval."""

    rate: Fraction
    """Share of the reference models that the rule judges wrongly, 0 to 1."""
    low: Fraction | None
    """Lower end of the interval, 0 to 1."""
    high: Fraction | None
    """Upper end of the interval, 0 to 1."""
    n: Count
    """Number of reference models the rate was measured on."""

    @property
    def count(self) -> int:
        """Reference models that the rule judges wrongly."""
        return round(self.rate * self.n)


class SharePart(Part):
    """A share of samples with its exact (Clopper-Pearson) 95 % interval."""

    hits: Count
    """Samples that count."""
    samples: Count
    """Samples asked."""
    rate: Fraction
    """hits / samples."""
    low: Fraction
    """Lower end of the interval."""
    high: Fraction
    """Upper end of the interval."""


class HeldOutRates(Part):
    """Error rates of a rule on models that it was not made from."""

    false_positive: RatePart
    """Clean models called suspicious."""
    false_negative: RatePart
    """Backdoored models not found."""
