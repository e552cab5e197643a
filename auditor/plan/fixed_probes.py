"""The fixed probes of a plan: its planes, repeats and perturbations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.errors import SamplesError
from auditor.measured import decision_rule
from auditor.plan import draw
from auditor.plan.schedule import OPENING_ROUNDS
from auditor.plan.settings import PERTURBATION_QUERIES, ROUND_PLANES, AuditSettings
from auditor.probes.net_points import NetPointsProbe
from auditor.probes.perturbations.catalogue import CATALOGUE
from auditor.probes.perturbations.probe import PerturbationProbe
from auditor.probes.plane import NoPlaneError, PlaneProbe
from auditor.probes.repeats import RepeatProbe, pick_repeats
from auditor.probes.samples import SampleProbe

EXTRA_REPEATS = 250
"""Enough to distinguish a vendor that answers every fiftieth query from another model from a model
that is unsteady once in a thousand queries. They are asked only if a repeat got another label."""


def draw_triplets_of(classes: NDArray[np.int64], settings: AuditSettings) -> NDArray[np.int64]:
    """Samples of each plane; none if there are fewer classes than a plane needs.

    Raises:
        SamplesError: too few samples.
    """
    if len(np.unique(classes)) < draw.PLANE_CLASSES:
        return np.empty((0, 3), dtype=np.int64)
    draw_all = draw.draw_in_turn if settings.sampler == "frugal" else draw.draw_triplets
    return draw_all(classes, settings.planes, settings.seed)


def build_planes(
    images: NDArray[np.float32],
    triplets: NDArray[np.int64],
    refs: Sequence[str | int],
    settings: AuditSettings,
) -> tuple[PlaneProbe | NetPointsProbe, ...]:
    """One probe per triplet.

    Raises:
        SamplesError: the samples of a triplet span no plane.
    """
    planes: list[PlaneProbe | NetPointsProbe] = []
    for number, triplet in enumerate(triplets):
        # Views: a copy for every plane would take several times the samples' memory.
        samples = [images[index] for index in triplet]
        if settings.sampler == "paper":
            planes.append(PlaneProbe(samples, settings.expansion, settings.density))
        else:
            seed = (settings.seed, draw.NET_STREAM, number)
            net = NetPointsProbe(samples, settings.expansion, settings.points, seed)
            planes.append(net)
        try:
            _ = planes[-1].plane
        except NoPlaneError as error:
            names = ", ".join(str(refs[index]) for index in triplet)
            raise SamplesError(f"samples {names} span no plane: {error}") from error
    return tuple(planes)


def build_repeats(
    samples: SampleProbe,
    planes: tuple[PlaneProbe | NetPointsProbe, ...],
    settings: AuditSettings,
) -> tuple[RepeatProbe, RepeatProbe] | tuple[None, None]:
    """The inputs that are asked again, and those that are if one of them is answered otherwise."""
    if not settings.canaries:
        return None, None
    rng = np.random.default_rng([settings.seed, draw.REPEAT_STREAM])
    first = 0
    if settings.sampler == "frugal":
        first = 1 + min(len(planes), OPENING_ROUNDS * ROUND_PLANES["frugal"])
    return pick_repeats((samples, *planes), settings.canaries, EXTRA_REPEATS, rng, first)


def build_perturbations(
    samples: NDArray[np.float32], spec: InputSpec, seed: int
) -> tuple[SampleProbe | PerturbationProbe, ...]:
    """The decision rule's perturbations of ``samples`` ``(n, c, h, w)``, and the samples first.

    Their inputs are 8-bit images inside the range in both access modes.
    """
    order = np.random.default_rng([seed, draw.PERTURBATION_STREAM]).permutation(len(samples))
    probes = [
        PerturbationProbe(
            CATALOGUE[key], samples, order, spec, seed, PERTURBATION_QUERIES, eight_bit=True
        )
        for key in decision_rule().rule.keys
    ]
    return (SampleProbe(samples), *probes)
