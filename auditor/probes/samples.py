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
        kind: ``canary``, or ``second look`` for repeats that are asked only where a canary
            flipped.
    """

    sources: Sequence[FixedProbe]
    picks: NDArray[np.int64]
    kind: str = "canary"
    repeat: bool = True

    @cached_property
    def digest(self) -> str:
        """Digest of the sources and the picks."""
        pairs = [f"{self.sources[probe].digest}:{index}" for probe, index in self.picks]
        return digest_of("canary/2", self.kind, *pairs)

    @property
    def size(self) -> int:
        """Number of inputs asked again."""
        return len(self.picks)

    def inputs(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Canaries number ``indices``, ``(n, c, h, w)``."""
        chosen = self.picks[indices]
        nothing = self.sources[0].inputs(np.empty(0, dtype=np.int64))
        return np.concatenate(
            [nothing, *(self.sources[probe].inputs(np.array([index])) for probe, index in chosen)]
        )


def pick_canaries(
    sources: Sequence[FixedProbe],
    count: int,
    more: int,
    rng: np.random.Generator,
    first: int = 0,
) -> tuple[CanaryProbe, CanaryProbe]:
    """Choose different inputs of ``sources`` uniformly: ``count`` to ask again in any case, and
    ``more`` for a second look (fewer where there are fewer). None from sources of the kind
    ``samples``: on samples two models of one task agree, so a repeat there notices nothing.

    Second looks at the first ``first`` sources come first, as many as ``count``: an audit that
    asked no more than those still has inputs to repeat.
    """
    sizes = np.array([0 if s.kind == "samples" else s.size for s in sources], dtype=np.int64)
    total = int(sizes.sum())
    flat = rng.choice(total, size=min(count + more, total), replace=False)
    ends = np.cumsum(sizes)
    if first:
        early = rng.choice(ends[first - 1], size=min(ends[first - 1], 2 * count), replace=False)
        flat = np.concatenate([flat[:count], early, flat[count:]])
        flat = flat[np.sort(np.unique(flat, return_index=True)[1])][: count + more]

    def probe(numbers: NDArray[np.int64], kind: str) -> CanaryProbe:
        source = np.searchsorted(ends, numbers, side="right")
        picks = np.stack([source, numbers - (ends - sizes)[source]], axis=1)
        return CanaryProbe(tuple(sources), picks, kind)

    return probe(np.sort(flat[:count]), "canary"), probe(flat[count:], "second look")
