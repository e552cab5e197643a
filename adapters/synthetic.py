"""An oracle with known regions, for tests and examples: no file, no network, exact answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.checks import check_batch, check_labels
from adapters.contract import Batch, InputSpec, LabelOracle, Labels, LabelSpace, WireCount
from adapters.errors import TargetError
from adapters.target import Target

LabelFunction = Callable[[Batch], NDArray[Any]]


class SyntheticOracle(LabelOracle):
    """Labels computed by ``labels_of``, which maps ``(n, c, h, w)`` to ``(n,)`` whole numbers;
    ``names`` are the classes in index order, and equal functions must have equal fingerprints.
    """

    def __init__(
        self,
        labels_of: LabelFunction,
        spec: InputSpec,
        names: list[str],
        fingerprint: str = "synthetic",
        max_batch: int = 1024,
    ) -> None:
        self._labels_of = labels_of
        self.input_spec = spec
        self.label_space = LabelSpace(list(names))
        self.fingerprint = f"{fingerprint}/{spec.access} black={spec.low} white={spec.high}"
        self.description: dict[str, Any] = {"kind": "synthetic", "name": fingerprint}
        self.max_batch = max_batch
        self.wire = WireCount()

    async def predict_labels(self, batch: Batch) -> Labels:
        """See :meth:`adapters.contract.LabelOracle.predict_labels`."""
        checked = check_batch(batch, self.input_spec, self.max_batch)
        self.wire.requests += 1
        labels = self._labels_of(self.input_spec.as_sent(checked))
        return check_labels(labels, len(batch), self.label_space.size)


def nearest_prototype(prototypes: NDArray[np.float64]) -> LabelFunction:
    """A classifier: the label of the nearest of ``prototypes`` ``(classes, c, h, w)``."""
    flat = prototypes.reshape(len(prototypes), -1)
    norms = (flat**2).sum(axis=1)

    def labels_of(batch: Batch) -> NDArray[Any]:
        points = batch.reshape(len(batch), -1).astype(np.float64)
        labels: NDArray[Any] = (norms - 2.0 * points @ flat.T).argmin(axis=1)
        return labels

    return labels_of


async def open_oracle(target: Target) -> SyntheticOracle:
    """Open ``prototypes:SEED:CLASSES:C:H:W``, a seeded nearest-prototype classifier."""
    parts = target.location.split(":")
    if len(parts) != 6 or parts[0] != "prototypes" or not all(p.isdigit() for p in parts[1:]):
        raise TargetError(
            f"synthetic target {target.location!r} is not prototypes:SEED:CLASSES:C:H:W"
        )
    seed, classes, c, h, w = (int(p) for p in parts[1:])
    spec = target.input_spec((c, h, w), "uint8" if target.access == "image" else "float32")
    prototypes = synthetic_prototypes(seed, classes, (c, h, w))
    digest = hashlib.sha256(prototypes.tobytes()).hexdigest()[:16]
    return SyntheticOracle(
        nearest_prototype(prototypes),
        spec,
        [str(i) for i in range(classes)],
        fingerprint=f"prototypes-{digest}",
        max_batch=target.batch or 1024,
    )


def synthetic_prototypes(
    seed: int, classes: int, shape: tuple[int, int, int]
) -> NDArray[np.float64]:
    """The prototypes of ``prototypes:SEED:...``, ``(classes, c, h, w)``, uniform in [0, 1]."""
    return np.random.default_rng(seed).random((classes, *shape))
