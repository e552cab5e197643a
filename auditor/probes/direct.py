"""Probes that ask plain inputs: the clean samples themselves, and canaries.

A canary asks an input a second time. A backdoor cannot show there; drift, model swaps and
non-determinism do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from auditor.probes.base import FixedProbe, array_digest, digest_of


@dataclass(frozen=True)
class SampleProbe:
    """The clean samples themselves, ``(n, c, h, w)`` float32 in model units."""

    samples: NDArray[np.float32]
    kind: str = "samples"
    repeat: bool = False

    @cached_property
    def digest(self) -> str:
        """Digest of the samples."""
        return digest_of("samples/1", *(array_digest(sample) for sample in self.samples))

    @property
    def size(self) -> int:
        """One input per sample."""
        return len(self.samples)

    def inputs(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Samples number ``indices``, ``(n, c, h, w)``."""
        picked: NDArray[np.float32] = self.samples[indices]
        return picked


@dataclass(frozen=True)
class CanaryProbe:
    """Inputs of other probes, asked again.

    Attributes:
        sources: the probes the inputs come from.
        picks: ``(n, 2)``: index into ``sources`` and input number there.
    """

    sources: Sequence[FixedProbe]
    picks: NDArray[np.int64]
    kind: str = "canary"
    repeat: bool = True

    @cached_property
    def digest(self) -> str:
        """Digest of the sources and the picks."""
        pairs = [f"{self.sources[probe].digest}:{index}" for probe, index in self.picks]
        return digest_of("canary/1", *pairs)

    @property
    def size(self) -> int:
        """Number of inputs asked again."""
        return len(self.picks)

    def inputs(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Canaries number ``indices``, ``(n, c, h, w)``."""
        chosen = self.picks[indices]
        return np.concatenate(
            [self.sources[probe].inputs(np.array([index])) for probe, index in chosen]
        )


def pick_canaries(
    sources: Sequence[FixedProbe], count: int, rng: np.random.Generator
) -> CanaryProbe:
    """Choose ``count`` different inputs of ``sources`` uniformly (fewer where there are fewer)."""
    sizes = np.array([source.size for source in sources], dtype=np.int64)
    total = int(sizes.sum())
    flat = np.sort(rng.choice(total, size=min(count, total), replace=False))
    ends = np.cumsum(sizes)
    probe = np.searchsorted(ends, flat, side="right")
    return CanaryProbe(tuple(sources), np.stack([probe, flat - (ends - sizes)[probe]], axis=1))
