"""Every perturbation at every strength, by key."""

from __future__ import annotations

from auditor.probes.perturbations import recipes
from auditor.probes.perturbations.probe import Perturbation, Start
from auditor.probes.perturbations.recipes import Perturb

_STRENGTHS: tuple[tuple[str, Perturb, Start, tuple[float, ...]], ...] = (
    ("difference", recipes.difference, "samples", (0.3, 1.0, 10.0)),
    ("patch", recipes.patch, "samples", (3, 5, 8)),
    ("lattice", recipes.lattice, "samples", (2, 3, 5)),
    ("smooth4", recipes.smooth(4), "samples", (20, 38, 76)),
    ("smooth8", recipes.smooth(8), "samples", (20, 38, 76)),
    ("smooth16", recipes.smooth(16), "samples", (20, 38, 76)),
    ("noise", recipes.noise, "samples", (20, 38, 76)),
    ("wave", recipes.wave, "samples", (20, 38, 76)),
    ("warp", recipes.warp, "samples", (1.0, 2.0, 4.0)),
    ("quantise", recipes.quantise, "samples", (2, 4, 6)),
    ("blend", recipes.blend, "samples", (0.2, 0.4)),
    ("blend-noise", recipes.blend_noise, "samples", (0.2, 0.4)),
    ("spectrum", recipes.spectrum, "samples", (0.5, 1.0)),
    ("fade", recipes.fade, "samples", (0.6, 0.85)),
    ("occlude", recipes.occlude, "samples", (0.2, 0.5)),
    ("blank", recipes.blank, "nothing", (2, 4, 16)),
    ("ray", recipes.ray, "sample", (0.6, 1.2)),
)

CATALOGUE: dict[str, Perturbation] = {
    perturbation.key: perturbation
    for name, perturb, start, strengths in _STRENGTHS
    for perturbation in (Perturbation(name, float(s), perturb, start) for s in strengths)
}
"""All perturbations at all strengths that the study tried, by key."""
