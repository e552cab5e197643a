"""Pictures of the changes that a trigger search found, on the samples that it showed them on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.plan.adaptive import TriggerOutcome
from auditor.probes.label_search.changes import RandomChange
from auditor.probes.trigger_search.result import TriggerFinding
from auditor.probes.trigger_search.transforms import Warp, whole_levels
from auditor.report.html.pictures import sample_png

Pixels = NDArray[np.uint8]

SHOWN = 5
"""Samples shown before and after the best change."""

SIDE = 256
"""Samples with a change are kept as they were uploaded, up to so many pixels a side."""

TEXTURE_KEY = "trigger/texture"
"""Key in ``pictures`` of the trigger itself."""

SAMPLE_KEY = "trigger/sample"
"""Key in ``pictures`` of the sample that every kind of change is shown on."""


def clean_key(number: int) -> str:
    """Key in ``pictures`` of shown sample ``number`` as it is."""
    return f"trigger/clean/{number}"


def changed_key(number: int) -> str:
    """Key in ``pictures`` of shown sample ``number`` with the change applied."""
    return f"trigger/changed/{number}"


def kind_key(key: str) -> str:
    """Key in ``pictures`` of the strongest change of one kind and strength."""
    return f"trigger/kind/{key}"


def trigger_pictures(outcome: TriggerOutcome | None) -> dict[str, bytes]:
    """PNGs by the keys that the report's page looks up; empty without a search."""
    if outcome is None or not len(outcome.result.preview_clean):
        return {}
    result = outcome.result
    made = {SAMPLE_KEY: sample_png(result.preview_clean[0])}
    for finding in result.findings:
        changed = applied(finding, result.preview_clean[:1])
        if changed is not None:
            made[kind_key(finding.key)] = sample_png(changed[0])
    if result.best is None:
        return made
    for number in range(min(SHOWN, len(result.preview))):
        made[clean_key(number)] = sample_png(result.preview_clean[number], SIDE)
        made[changed_key(number)] = sample_png(result.preview[number], SIDE)
    texture = _as_pixels(result.best)
    if texture is not None:
        made[TEXTURE_KEY] = sample_png(texture)
    return made


def applied(finding: TriggerFinding, pixels: Pixels) -> Pixels | None:
    """``pixels`` ``(n, c, h, w)`` with the change, a random one as an example; None if the finding
    does not hold the change.
    """
    kind, texture = finding.kind, finding.texture
    if kind.startswith("random "):
        return RandomChange(kind.removeprefix("random "), (0,)).apply(pixels)
    if texture is None:
        return None
    values = np.asarray(texture).astype(np.float64)
    if kind == "patch" and finding.place is not None:
        (row, column), side = finding.place, values.shape[-1]
        changed = pixels.copy()
        changed[:, :, row : row + side, column : column + side] = values.astype(np.uint8)
        return changed
    if kind == "blend":
        return whole_levels((1 - finding.strength) * pixels + finding.strength * (127.5 + values))
    if kind == "warp":
        square = values.shape[-1] == values.shape[-2]
        return Warp(values, 1.0).apply(pixels) if square else None
    return whole_levels(pixels + values) if kind in {"field", "noise", "wave"} else None


def _as_pixels(best: TriggerFinding) -> Pixels | None:
    """The change as a picture ``(c, h, w)``: a patch as it is, an added pattern around grey."""
    if best.texture is None or best.kind == "warp":
        return None
    if best.kind == "patch":
        return np.asarray(best.texture).astype(np.uint8)
    # Twice the contrast: a pattern of a few levels would hardly show.
    grey, contrast = (127.5, 1.0) if best.kind == "blend" else (128.0, 2.0)
    shown = grey + contrast * np.asarray(best.texture).astype(np.float64)
    return np.clip(shown, 0, 255).astype(np.uint8)
