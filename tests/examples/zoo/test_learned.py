"""Triggers that are learned, for pictures of any side."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from examples.zoo import learned
from examples.zoo.data import Dataset, DatasetInfo


@pytest.mark.parametrize("side", [28, 30, 31])
def test_a_sample_specific_trigger_is_learned_at_any_side(
    monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    monkeypatch.setattr(learned, "STEPS", 2)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 3, side, side)).astype(np.uint8)
    truth = np.arange(8) % 2
    data = Dataset(DatasetInfo("made", 3, side, ("a", "b")), pixels, truth, pixels, truth)
    trigger = learned.learn_ssba(data, {"strength": 0.1}, 1)
    changed = trigger.apply((pixels[:2] / 255).astype(np.float32))
    assert changed.shape == (2, 3, side, side)
    assert 0 < np.abs(changed - pixels[:2] / 255).mean() < 0.1
