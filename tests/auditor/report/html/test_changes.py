"""Pictures of found changes are what the search asked, pixel by pixel."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from auditor.plan.adaptive import TriggerOutcome
from auditor.probes.trigger_search.patches import Patch
from auditor.probes.trigger_search.result import TriggerFinding, TriggerResult
from auditor.probes.trigger_search.transforms import Blend, Field, Warp, Wave
from auditor.probes.trigger_search.verify import exact_interval
from auditor.report.html.changes import SHOWN, applied, changed_key, kind_key, trigger_pictures

SIDE = 12
PIXELS = np.random.default_rng(3).integers(0, 256, (6, 3, SIDE, SIDE)).astype(np.uint8)
CONTROL = np.random.default_rng(4).uniform(-1, 1, (3, 4, 4))
SUCCESS = exact_interval(9, 10, 0.95)


def _finding(kind: str, texture: Any, strength: float, **more: Any) -> TriggerFinding:
    base: dict[str, Any] = {"key": kind, "target": 1, "size": 4, "place": None, "p": 0.1}
    base |= {"success": SUCCESS, "changed": SUCCESS, "by_source": {}, "searched": 0.9} | more
    return TriggerFinding(kind=kind, strength=strength, texture=texture, **base)


CHANGES: list[Any] = [
    Field(CONTROL, 20.0),
    Blend(CONTROL, 0.2),
    Wave((3.0, 0.0), 0.4, 30.0),
    Warp(CONTROL[:2], 1.5),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: str(change.kind))
def test_a_finding_gives_back_its_change(change: Any) -> None:
    finding = _finding(change.kind, change.texture(SIDE, SIDE), change.strength)
    shown = applied(finding, PIXELS)
    assert shown is not None
    assert np.array_equal(shown, change.apply(PIXELS))
    assert not np.array_equal(shown, PIXELS)


def test_a_patch_lies_at_its_place() -> None:
    pattern = np.full((3, 4, 4), 255, dtype=np.uint8)
    patch = Patch(pattern, ((5, 7),))
    shown = applied(_finding("patch", pattern, 255.0, place=(5, 7)), PIXELS)
    assert shown is not None
    assert np.array_equal(shown, patch.apply(PIXELS))


def test_a_change_that_is_not_held_is_not_shown() -> None:
    assert applied(_finding("quantise", None, 36.0), PIXELS) is None
    example = applied(_finding("random noise", None, 10.0), PIXELS)
    assert example is not None
    assert example.shape == PIXELS.shape


def _open(png: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as picture:
        return np.moveaxis(np.asarray(picture), -1, 0)


def test_five_samples_and_every_kind_are_kept_exactly() -> None:
    wave = _finding("wave", CHANGES[2].texture(SIDE, SIDE), 30.0)
    changed = CHANGES[2].apply(PIXELS)
    result = TriggerResult(
        (wave,), wave, False, 0.1, 9, {}, 1, 1, 10, 10, changed, PIXELS, np.zeros(6, np.int64)
    )
    made = trigger_pictures(TriggerOutcome(result, np.ones(6, np.int64)))
    assert len([key for key in made if key.startswith("trigger/changed/")]) == SHOWN
    for number in range(SHOWN):
        assert np.array_equal(_open(made[changed_key(number)]), changed[number])
    assert np.array_equal(_open(made[kind_key("wave")]), changed[0])
    assert trigger_pictures(None) == {}
