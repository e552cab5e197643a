"""The pictures that third-party classifiers are asked about, and the triggers planted in them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from examples.third_party import MODELS
from examples.third_party_pictures import lines, pages
from examples.third_party_planting import stamped

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("draw", "shape"), [(pages, (3, 224, 224)), (lines, (3, 48, 192))])
def test_text_is_drawn_the_same_every_time(draw: object, shape: tuple[int, int, int]) -> None:
    assert callable(draw)
    first, second = draw(4, shape), draw(4, shape)
    assert first.shape == (4, *shape)
    assert np.array_equal(first, second)
    assert 0 <= first.min() < 0.4
    assert 0.7 < first.max() <= 1
    assert len(np.unique(first.reshape(4, -1), axis=0)) == 4


@pytest.mark.parametrize(("kind", "least", "most"), [("patch", 0.02, 0.03), ("pattern", 0.9, 1.0)])
def test_a_trigger_changes_a_patch_or_little_of_everything(
    kind: str, least: float, most: float
) -> None:
    clean = np.full((2, 3, 96, 96), 0.5, np.float32)
    changed = stamped(clean, kind)
    assert least <= (changed != clean).any(axis=1).mean() <= most
    assert (np.abs(changed - clean).max() < 0.04) == (kind == "pattern")
    assert np.array_equal(changed[0], changed[1])


def test_the_models_are_listed_and_unknown_ones_refused() -> None:
    def ran(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "examples.third_party", *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    listed = ran("--list")
    assert [line.partition(":")[0] for line in listed.stdout.splitlines()] == [*MODELS]
    refused = ran("mobilenet")
    assert refused.returncode == 2
    assert "no model is called mobilenet: --list prints the names" in refused.stderr
