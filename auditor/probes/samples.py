"""The probe that asks the clean samples themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.probes.base import RecordedProbe, array_digest, digest_of


@dataclass(frozen=True)
class SampleProbe(RecordedProbe):
    """The clean samples themselves, ``(n, c, h, w)`` float32 in model units."""

    samples: NDArray[np.float32]
    kind: str = "samples"
    repeat: bool = False

    @property
    def key(self) -> str:
        """Name among the perturbations of the samples."""
        return "samples"

    def _digest(self) -> str:
        return digest_of("samples/1", *(array_digest(sample) for sample in self.samples))

    @property
    def size(self) -> int:
        """One input per sample."""
        return len(self.samples)

    def inputs(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Samples number ``indices``, ``(n, c, h, w)``."""
        picked: NDArray[np.float32] = self.samples[indices]
        return picked
