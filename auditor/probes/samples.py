"""The probe that asks the clean samples themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from auditor.probes.base import array_digest, digest_of


@dataclass(frozen=True)
class SampleProbe:
    """The clean samples themselves.

    Attributes:
        samples: ``(n, c, h, w)`` float32 in model units.
        recorded_digest: digest on record, if other images stand in for those that were asked.
    """

    samples: NDArray[np.float32]
    kind: str = "samples"
    repeat: bool = False
    recorded_digest: str | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any], like: Self) -> Self:
        """``like``, but what depends on its images is as ``record`` states."""
        return replace(like, recorded_digest=str(record["digest"]))

    @property
    def key(self) -> str:
        """Name among the perturbations of the samples."""
        return "samples"

    @cached_property
    def digest(self) -> str:
        """Digest of the samples."""
        if self.recorded_digest is not None:
            return self.recorded_digest
        return digest_of("samples/1", *(array_digest(sample) for sample in self.samples))

    @property
    def size(self) -> int:
        """One input per sample."""
        return len(self.samples)

    def inputs(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Samples number ``indices``, ``(n, c, h, w)``."""
        picked: NDArray[np.float32] = self.samples[indices]
        return picked
