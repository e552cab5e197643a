"""Small plans of twenty samples, for the tests of plans."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.plan.plan import AuditPlan, build_plan
from auditor.plan.settings import AuditSettings

CLASSES = np.repeat(np.arange(5), 4)
REFS = [f"{label}/{item}.png" for label in range(5) for item in range(4)]
SETTINGS = AuditSettings(planes=6, canaries=9)


def twenty_images() -> NDArray[np.float32]:
    return np.random.default_rng(3).random((20, 1, 4, 4)).astype(np.float32)


def plan_of(
    images: NDArray[np.float32] | None = None, settings: AuditSettings = SETTINGS
) -> AuditPlan:
    return build_plan(twenty_images() if images is None else images, CLASSES, REFS, settings)


def plan_with_perturbations(count: int = 60, seed: int = 0) -> AuditPlan:
    rng = np.random.default_rng(4)
    images = rng.random((count, 1, 24, 24)).astype(np.float32)
    settings = AuditSettings(planes=2, canaries=0, seed=seed, families=True)
    spec = InputSpec((1, 24, 24), (0.0,), (1.0,))
    refs = [str(number) for number in range(count)]
    return build_plan(images, np.arange(count, dtype=np.int64) % 5, refs, settings, spec)
