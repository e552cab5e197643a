"""Pictures of a found trigger: samples before and after it, and the change itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.plan.adaptive import TriggerOutcome
from auditor.report.html.trigger import SHOWN, TEXTURE_KEY, changed_key, clean_key
from auditor.report.thumbnails import sample_png


def trigger_pictures(outcome: TriggerOutcome | None) -> dict[str, bytes]:
    """PNGs by the keys that the report's page looks up; empty without a finding."""
    if outcome is None or outcome.result.best is None:
        return {}
    result = outcome.result
    made: dict[str, bytes] = {}
    for number in range(min(SHOWN, len(result.preview))):
        made[clean_key(number)] = sample_png(result.preview_clean[number])
        made[changed_key(number)] = sample_png(result.preview[number])
    texture = _as_pixels(outcome)
    if texture is not None:
        made[TEXTURE_KEY] = sample_png(texture)
    return made


def _as_pixels(outcome: TriggerOutcome) -> NDArray[np.uint8] | None:
    """The change as a picture ``(c, h, w)``: a patch as it is, an added pattern around grey."""
    best = outcome.result.best
    if best is None or best.texture is None or best.family == "warp":
        return None
    texture = np.asarray(best.texture)
    if best.family == "patch":
        return texture.astype(np.uint8)
    if best.family == "blend":
        return np.clip(127.5 + texture.astype(np.float64), 0, 255).astype(np.uint8)
    # Twice the contrast: a pattern of a few levels would hardly show.
    return np.clip(128.0 + 2.0 * texture.astype(np.float64), 0, 255).astype(np.uint8)
