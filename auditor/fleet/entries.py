"""The audits of a fleet and the limits they share, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True)
class FleetEntry:
    """One audit of a fleet.

    Attributes:
        name: unique in the fleet; also the name of its folder.
        options: options of the audit by name, as the command line reads them; paths are absolute.
        stated: the same as the file states them, for its digest.
        place: the file and the line.
        target: description of the model in the fleet file itself, or None.
        price_per_1000: price of 1,000 queries.
    """

    name: str
    options: Mapping[str, Any]
    stated: Mapping[str, Any]
    place: str
    target: Mapping[str, Any] | None = None
    price_per_1000: float = 0.0


class HostLimits(BaseModel):
    """Limits of all audits together on one server.

    Attributes:
        rate: queries per second.
        request_rate: requests per second.
        concurrency: requests in flight.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: Annotated[float, Field(gt=0)] | None = None
    request_rate: Annotated[float, Field(gt=0)] | None = None
    concurrency: Annotated[int, Field(gt=0)] | None = None


class FleetLimits(BaseModel):
    """Limits of a whole fleet.

    Attributes:
        max_queries: hard cap on the inputs that all audits send, over all runs.
        max_money: hard cap on their price.
        hosts: limits by host or host:port; ``*`` stands for every other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_queries: Annotated[int, Field(gt=0)] | None = None
    max_money: Annotated[float, Field(gt=0)] | None = None
    hosts: dict[str, HostLimits] = {}

    def of(self, host: str) -> HostLimits | None:
        """The limits on ``host``, a name with or without a port; None without any."""
        for name in (host, host.rpartition(":")[0], "*"):
            if host and name in self.hosts:
                return self.hosts[name]
        return None

    @property
    def capped(self) -> bool:
        """True if queries or money are limited."""
        return self.max_queries is not None or self.max_money is not None


@dataclass(frozen=True)
class Fleet:
    """A fleet file: its audits, in order, and the limits they share."""

    path: Path
    entries: tuple[FleetEntry, ...]
    limits: FleetLimits = field(default_factory=FleetLimits)
