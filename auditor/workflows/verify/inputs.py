"""Inputs built again, and compared with the request hashes of the log."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.engine.requests import input_keys
from auditor.evidence.label_log import request_hash
from auditor.evidence.log_rows import Places
from auditor.evidence.record_types import LogRow
from auditor.plan.plan import AuditPlan
from auditor.probes.base import FixedProbe

MOST_VALUES = 400_000_000
"""Input values built again, spread evenly over the requests: some seconds of work."""


@dataclass
class Requests:
    """The answered requests of a log: the probes each asked, the places, the hash on record."""

    found: list[tuple[Places, NDArray[np.int64], str]] = field(default_factory=list)

    def add(self, places: Places, at: NDArray[np.int64], row: LogRow) -> None:
        """Take one row of the log."""
        self.found.append((places, at, str(row.request)))


@dataclass(frozen=True)
class InputCheck:
    """Number of requests, of those built again, and of those that differ."""

    requests: int
    checked: int
    differ: int


def check_inputs(
    requests: Requests, plan: AuditPlan, spec: InputSpec, most_values: int = MOST_VALUES
) -> InputCheck:
    """Compare request hashes with inputs built from the plan, which holds its images.

    At most ``most_values`` input values are built, so fewer requests may be compared.
    """
    probes = {probe.digest: probe for probe in (*plan.probes, *plan.perturbations)}
    ours = [
        (places, at, held)
        for places, at, held in requests.found
        if all(probe.digest in probes for probe in places.probes)
    ]
    total = sum(len(at) for _, at, _ in ours) * spec.size
    step = max(1, -(-total // most_values))
    differ = sum(
        request_hash(input_keys(spec, _inputs(places, at, probes, spec))) != held
        for places, at, held in ours[::step]
    )
    return InputCheck(len(ours), len(ours[::step]), differ)


def _inputs(
    places: Places, at: NDArray[np.int64], probes: dict[str, FixedProbe], spec: InputSpec
) -> NDArray[np.float32]:
    batch = np.empty((len(at), *spec.shape), dtype=np.float32)
    owner = np.searchsorted(places.starts, at, side="right") - 1
    for number in np.unique(owner):
        where = owner == number
        probe = probes[places.probes[number].digest]
        batch[where] = probe.inputs(at[where] - places.starts[number])
    return batch
