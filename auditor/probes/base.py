"""The interface of every fixed probe to the query engine, and the digests that identify inputs."""

from __future__ import annotations

import hashlib
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class FixedProbe(Protocol):
    """A fixed list of inputs, built in slices so that only one request's worth exists at a time.

    Attributes:
        kind: its line in the ledger ("plane", "samples", "canary").
        digest: hex digest of everything that determines the inputs. The label store keys on it.
        size: number of inputs.
        repeat: True if asking an input again is the purpose, so that neither the store's other
            answers nor the deduplication may stand in for it.
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


def digest_of(*parts: str | bytes) -> str:
    """Hex SHA-256 over ``parts``, each framed by its length so that no two lists collide.

    Probes keep this form: labels that were paid for are kept under their digests.
    """
    state = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode()
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()


def array_digest(array: NDArray[np.float32]) -> str:
    """Hex SHA-256 of an array's shape and float32 values."""
    return digest_of(str(array.shape), np.ascontiguousarray(array, dtype="<f4").tobytes())
