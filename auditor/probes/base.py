"""The interface of every fixed probe to the query engine, and the digests that identify inputs."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray


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


def array_digest(array: NDArray[np.float32]) -> str:
    """Hex SHA-256 of an array's shape and float32 values."""
    flat = np.ascontiguousarray(array, dtype="<f4").reshape(-1)
    return digest_of(str(array.shape), flat.view(np.uint8).data)
