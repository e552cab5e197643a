"""The probe that asks inputs of other probes a second time.

A backdoor cannot show there; drift, model swaps and non-determinism do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from auditor.probes.base import FixedProbe, digest_of

REPEAT, EXTRA_REPEAT = "canary", "second look"
"""Kinds of repeats, as logs and ledgers call them."""


@dataclass(frozen=True)
class RepeatProbe:
    """Inputs of other probes, asked again.

    Attributes:
        sources: probes of the inputs.
        picks: ``(n, 2)``: index into ``sources`` and input number there.
        kind: :data:`REPEAT`, or :data:`EXTRA_REPEAT` for those that are asked only if a repeat
            got another label.
    """

    sources: Sequence[FixedProbe]
    picks: NDArray[np.int64]
    kind: str = REPEAT
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
        """Repeats number ``indices``, ``(n, c, h, w)``."""
        chosen = self.picks[indices]
        nothing = self.sources[0].inputs(np.empty(0, dtype=np.int64))
        return np.concatenate(
            [nothing, *(self.sources[probe].inputs(np.array([index])) for probe, index in chosen)]
        )


def pick_repeats(
    sources: Sequence[FixedProbe],
    count: int,
    more: int,
    rng: np.random.Generator,
    first: int = 0,
) -> tuple[RepeatProbe, RepeatProbe]:
    """Choose different inputs of ``sources`` uniformly: ``count`` to ask again in any case, and
    ``more`` extra repeats (fewer if there are not as many). None from sources of the kind
    ``samples``: on samples two models of one task agree, so a repeat there notices little; unless
    there is nothing else to ask again.

    Extra repeats of the first ``first`` sources come first, as many as ``count``: an audit that
    asked no more than those still has inputs to repeat.
    """
    others = any(source.kind != "samples" for source in sources)
    sizes = np.array(
        [0 if others and s.kind == "samples" else s.size for s in sources], dtype=np.int64
    )
    total = int(sizes.sum())
    flat = rng.choice(total, size=min(count + more, total), replace=False)
    ends = np.cumsum(sizes)
    if first:
        early = rng.choice(ends[first - 1], size=min(ends[first - 1], 2 * count), replace=False)
        flat = np.concatenate([flat[:count], early, flat[count:]])
        flat = flat[np.sort(np.unique(flat, return_index=True)[1])][: count + more]

    def probe(numbers: NDArray[np.int64], kind: str) -> RepeatProbe:
        source = np.searchsorted(ends, numbers, side="right")
        picks = np.stack([source, numbers - (ends - sizes)[source]], axis=1)
        return RepeatProbe(tuple(sources), picks, kind)

    return probe(np.sort(flat[:count]), REPEAT), probe(flat[count:], EXTRA_REPEAT)
