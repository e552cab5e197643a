"""The options of an audit in Python: settings of its questions, and the description of its target.

Their values' meaning stands at :class:`auditor.plan.settings.AuditSettings` and
:class:`adapters.target.Target`, whose fields they are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar

from adapters.contract import Access, Fit, Layout
from adapters.target.description import (
    Color,
    HttpOptions,
    Limits,
    Preflight,
    Resample,
    Tariff,
)
from auditor.plan.settings import SamplerName
from auditor.probes.label_search.settings import Effort

F = TypeVar("F", bound=Callable[..., Any])


class SettingOptions(TypedDict, total=False):
    """Settings of the questions."""

    effort: Effort
    planes: int
    density: int
    expansion: float
    alpha: float
    ats_threshold: float
    seed: int
    canaries: int
    trigger_search: bool
    per_source: bool
    families: bool
    sampler: SamplerName
    points: int
    pictures: int
    stop_early: bool


class AuditOptions(SettingOptions, total=False):
    """Settings of the questions, and the description of the target."""

    access: Access
    encoding: str | None
    recoded: str | None
    value_range: Sequence[float] | None
    mean: Sequence[float] | None
    std: Sequence[float] | None
    shape: Sequence[int] | None
    layout: Layout | None
    color: Color
    upload_size: Sequence[int] | None
    resample: Resample
    fit: Fit | None
    background: str | None
    classes: Sequence[str] | None
    threshold: float | None
    constants: Mapping[str, float]
    device: str
    batch: int | None
    threads: int | None
    trust_model_file: bool
    presets: Sequence[str]
    source: str
    labels_file: str | None
    http: HttpOptions
    limits: Limits
    price: Tariff
    preflight: Preflight


def spelled(function: F) -> F:
    """``function`` with the options in its signature, from which a console completes them."""
    own = inspect.signature(function)
    named = [one for one in own.parameters.values() if one.kind is not one.VAR_KEYWORD]
    named += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=..., annotation=kind)
        for name, kind in AuditOptions.__annotations__.items()
    ]
    vars(function)["__signature__"] = own.replace(parameters=named)
    return function
