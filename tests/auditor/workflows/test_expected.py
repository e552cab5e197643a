"""The price of a search of pictures that nobody searched before is that of the nearest ones."""

from __future__ import annotations

import numpy as np
import pytest

from adapters.contract import InputSpec
from auditor.plan.plan import build_plan
from auditor.plan.settings import AuditSettings
from auditor.probes.label_search.settings import Effort
from auditor.verdict.label_scope import rates_for
from auditor.workflows.expected import ExpectedSearch, expected_search


def expected(height: int, width: int, effort: Effort, encoding: str = "png") -> ExpectedSearch:
    spec = InputSpec((1, height, width), (0.0,), (1.0,), "image", encoding)
    pixels = np.random.default_rng(5).integers(0, 256, (60, *spec.shape))
    chosen = AuditSettings(planes=3, effort=effort)
    refs = [str(number) for number in range(60)]
    images = (pixels / 255).astype(np.float32)
    return expected_search(build_plan(images, np.arange(60) % 6, refs, chosen, spec), spec)


@pytest.mark.parametrize(
    ("height", "width", "encoding"), [(64, 128, "png"), (128, 64, "png"), (128, 128, "jpeg:20")]
)
def test_pictures_that_were_not_searched_cost_what_the_nearest_do(
    height: int, width: int, encoding: str
) -> None:
    search = expected(height, width, "quick", encoding)
    assert search.not_found == rates_for((1, 128, 128), "png", 6)["quick"].not_found
    assert "of pictures sent like these none were searched" in search.rests_on
    assert "none were searched" not in expected(128, 128, "quick").rests_on


def test_above_all_sizes_the_most_is_expected() -> None:
    search = expected(64, 400, "quick")
    assert search.not_found == search.found > 10_000
    assert "no searches with these settings were measured" in search.rests_on
