"""A small audit of a classifier whose regions are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import Access, InputSpec
from adapters.synthetic import SyntheticOracle, nearest_prototype, synthetic_prototypes
from auditor.plan import AuditSettings
from auditor.samples import Samples

SHAPE = (1, 4, 4)
CLASSES = 5
PER_CLASS = 4

MakeOracle = Callable[..., SyntheticOracle]


@pytest.fixture
def make_oracle() -> MakeOracle:
    """Opens the known classifier, ``(access, labels_of, max_batch)``."""

    def make(
        access: Access = "float",
        labels_of: Callable[[NDArray[np.float32]], NDArray[np.int64]] | None = None,
        max_batch: int = 64,
    ) -> SyntheticOracle:
        return SyntheticOracle(
            labels_of or nearest_prototype(synthetic_prototypes(1, CLASSES, SHAPE)),
            InputSpec(SHAPE, (0.0,), (1.0,), access, "uint8" if access == "image" else "float32"),
            [str(label) for label in range(CLASSES)],
            max_batch=max_batch,
        )

    return make


@pytest.fixture
def samples() -> Samples:
    """Pixels near the prototypes of their classes."""
    centres = np.repeat(synthetic_prototypes(1, CLASSES, SHAPE), PER_CLASS, axis=0)
    noise = np.random.default_rng(2).normal(0.0, 0.05, centres.shape)
    pixels = np.rint(np.clip(centres + noise, 0.0, 1.0) * 255.0).astype(np.uint8)
    names = tuple(str(i // PER_CLASS) for i in range(len(pixels)))
    refs = tuple(f"{name}/{i}.png" for i, name in enumerate(names))
    return Samples(refs, names, pixels, tuple("01234"), stated_order=True, digest="d" * 64)


@pytest.fixture
def settings() -> AuditSettings:
    """Few, coarse planes."""
    return AuditSettings(planes=4, density=8, canaries=10)
