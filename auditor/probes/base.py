"""The interface of every fixed probe to the query engine, and the digests that identify inputs."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec

BLOCK_BYTES = 1 << 20
"""Bytes of inputs that are widened and hashed at once: they stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Inputs held as 8-bit ``pixels`` ``(n, c, h, w)``, a quarter of their size, and mapped to the
    units of ``spec`` a part at a time.
    """

    spec: InputSpec
    pixels: NDArray[np.uint8]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all inputs, ``(n, c, h, w)``."""
        return self.pixels.shape

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, which: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        return self.spec.from_pixels(self.pixels[which])

    def hashes(self) -> list[bytes]:
        """SHA-256 of the 8-bit pixels of each."""
        return [hashlib.sha256(one).digest() for one in np.ascontiguousarray(self.pixels)]


class FixedProbe(Protocol):
    """A fixed list of inputs, built in slices so that only one request's worth exists at a time.

    Attributes:
        kind: its line in the ledger ("plane", "samples", "canary").
        digest: hex digest of everything that determines the inputs. The label store keys on it.
        size: number of inputs.
        repeat: True if an input is asked again on purpose, so that no known answer stands in.
    """

    @property
    def kind(self) -> str: ...  # noqa: D102 - documented on the class
    @property
    def digest(self) -> str: ...  # noqa: D102 - documented on the class
    @property
    def size(self) -> int: ...  # noqa: D102 - documented on the class
    @property
    def repeat(self) -> bool: ...  # noqa: D102 - documented on the class

    def inputs(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Inputs number ``indices``, shape ``(len(indices), c, h, w)``, in model units."""
        ...


@dataclass(frozen=True)
class RecordedProbe(ABC):
    """Base of the probes that a record can complete if other images stand in for those asked.

    Attributes:
        recorded_digest: digest on record, or None.
    """

    recorded_digest: str | None = field(default=None, kw_only=True)

    def as_recorded(self, record: Mapping[str, Any]) -> Self:
        """This probe, but everything that depends on its images is as ``record`` states."""
        return replace(self, recorded_digest=str(record["digest"]))

    @cached_property
    def digest(self) -> str:
        """Digest of everything that determines the inputs."""
        return self._digest() if self.recorded_digest is None else self.recorded_digest

    @abstractmethod
    def _digest(self) -> str: ...


def digest_of(*parts: str | bytes | memoryview) -> str:
    """Hex SHA-256 over ``parts``, each framed by its length so that no two lists collide.

    Probes keep this form: labels that were paid for are kept under their digests.
    """
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()


def array_digest(array: NDArray[np.float32] | Pictures) -> str:
    """Hex SHA-256 of an array's shape and float32 values, as :func:`digest_of` frames them."""
    shape, one = str(array.shape).encode(), 4 * math.prod(array.shape[1:])
    state = hashlib.sha256(len(shape).to_bytes(8, "big") + shape)
    state.update((one * len(array)).to_bytes(8, "big"))
    step = max(1, BLOCK_BYTES // max(1, one))
    for start in range(0, len(array), step):
        block = np.ascontiguousarray(array[start : start + step], dtype="<f4")
        state.update(block.reshape(-1).view(np.uint8).data)
    return state.hexdigest()
