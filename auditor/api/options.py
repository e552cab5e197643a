"""The options of an audit in Python: settings of its questions, and the description of its target.

Their values' meaning stands at :class:`auditor.plan.settings.AuditSettings` and
:class:`adapters.target.Target`, whose fields they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

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
