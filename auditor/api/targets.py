"""What the Python API takes as a target, and what may be spent on it."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.contract import LabelOracle, OfflineOracle
from adapters.function import Classify, open_function
from adapters.registry import open_oracle
from adapters.target.description import Limits, Target
from adapters.target.parse import with_fields
from auditor.cli.options import TargetOptions
from auditor.cli.target_options import build_target, fit_to_samples
from auditor.engine.contract import EngineLimits
from auditor.errors import UsageError
from auditor.samples.samples import Samples, whole_number

AnyTarget = str | Path | Target | LabelOracle | Classify
Opener = Callable[[], Coroutine[Any, Any, LabelOracle]]

FIELDS = frozenset(entry.name for entry in dataclasses.fields(Target)) - {"kind", "location"}
"""Options that describe a target."""
SAME = "the same call continues it"
MAX_CONCURRENCY = 1000


@dataclass(frozen=True)
class Way:
    """How a target is reached.

    Attributes:
        opener: opens it.
        access: its access mode.
        concurrency: requests in flight where nobody says otherwise.
        continues: how the user continues an audit of it, in words.
        target: its description; None for an oracle that was open already, which stays open.
    """

    opener: Opener
    access: str
    concurrency: int
    continues: str = SAME
    target: Target | None = None

    @property
    def borrowed(self) -> bool:
        """Whether the caller opened it, and closes it."""
        return self.target is None


@dataclass(frozen=True)
class Spending:
    """What the caller allows; what is None here is left to the target's description."""

    max_queries: int | None
    rate: float | None
    request_rate: float | None
    concurrency: int | None

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if value is not None and not value > 0:
                raise UsageError(f"{name} is {value}, it must be above 0")
        if self.concurrency is not None and self.concurrency > MAX_CONCURRENCY:
            raise UsageError(f"concurrency is {self.concurrency}, at most {MAX_CONCURRENCY}")

    def limits(self, way: Way) -> EngineLimits:
        """The engine's limits for ``way``."""
        said = Limits() if way.target is None else way.target.limits
        usual = EngineLimits().attempts
        return EngineLimits(
            max_queries=self.max_queries or said.max_queries,
            queries_per_s=self.rate or said.rate,
            requests_per_s=self.request_rate or said.request_rate,
            concurrency=self.concurrency or said.concurrency or way.concurrency,
            attempts=usual if way.target is None else way.target.http.retry.max,
        )


def way_to(
    target: AnyTarget, samples: Samples, described: Mapping[str, Any], name: str | None
) -> Way:
    """How ``target`` is reached; nothing is opened yet.

    Args:
        target: a function, a URL, a path, a description or an open oracle.
        samples: their shape is that of a function's inputs where nobody states one.
        described: fields of the target's description.
        name: which model a function stands for.

    Raises:
        UsageError: it is no target, or an option does not fit it.
        TargetError: the description cannot work.
    """
    if isinstance(target, LabelOracle):
        if described or name is not None:
            option = next(iter(described), "name")
            raise UsageError(f"{option} cannot be changed any more on an open oracle")
        return _borrowed(target)
    if isinstance(target, str | Path | Target):
        if name is not None:
            raise UsageError("name is for functions: a URL or file says itself which model it is")
        return _described(target, samples, described)
    if not callable(target):
        raise UsageError(
            f"a {type(target).__name__} is no target: give a function from images to labels, a "
            "URL, a path, a Target or an open oracle"
        )
    return _function(target, samples, described, name)


def _borrowed(oracle: LabelOracle) -> Way:
    async def opener() -> LabelOracle:
        return oracle

    return Way(opener, oracle.input_spec.access, 1 if isinstance(oracle, OfflineOracle) else 2)


def _described(target: str | Path | Target, samples: Samples, described: Mapping[str, Any]) -> Way:
    base = target if isinstance(target, Target) else build_target(_options(target))
    full = fit_to_samples(with_fields(base, described), samples)

    async def opener() -> LabelOracle:
        return await open_oracle(full)

    return Way(opener, full.access, {"http": 8, "files": 1}.get(full.kind, 2), target=full)


def _options(target: str | Path) -> TargetOptions:
    text = str(target)
    if "://" in text:
        return TargetOptions(endpoint=text)
    if text.endswith(".toml"):
        return TargetOptions(target=Path(target))
    return TargetOptions(model=Path(target))


def _function(
    function: Classify, samples: Samples, described: Mapping[str, Any], name: str | None
) -> Way:
    identity = name or f"unnamed {uuid.uuid4().hex[:12]}"
    shape = described.get("shape", samples.images.shape[1:])
    target = with_fields(Target("function", "a function"), {**described, "shape": tuple(shape)})
    # Such samples name their classes, so a function without a list of classes does too.
    named = any(whole_number(one) is None for one in samples.class_order)

    async def opener() -> LabelOracle:
        return open_function(function, target, identity, named=named)

    continues = SAME if name else f"name={identity!r} in the same call continues it"
    return Way(opener, target.access, 1, continues, target)
