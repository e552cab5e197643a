from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from auditor.probes.trigger_search.pattern_search import Draws
from auditor.probes.trigger_search.settings import TriggerSettings

Worlds = Callable[..., Any]


def only(kind: str, queries: int = 600) -> TriggerSettings:
    return replace(TriggerSettings(), schedule=((kind, queries),))


@pytest.mark.parametrize(
    ("planted", "kind"), [("field", "field"), ("noise", "noise"), ("blend", "blend")]
)
def test_a_planted_pattern_is_found_within_a_thousand_queries(
    worlds: Worlds, planted: str, kind: str
) -> None:
    result = worlds(planted).search(settings=only(kind))
    assert result.suspicious
    assert (result.best.kind, result.best.target) == (kind, 2)
    assert result.best.success.rate >= 0.85
    assert result.queries < 1000


@pytest.mark.parametrize("kind", ["field", "noise", "blend", "warp"])
def test_a_clean_model_shows_nothing_and_gets_no_second_turn(worlds: Worlds, kind: str) -> None:
    twice = replace(TriggerSettings(), schedule=((kind, 250), (kind, 2000)))
    result = worlds("clean").search(settings=twice)
    assert not result.suspicious
    assert result.queries < 900


def test_fine_patterns_are_as_fine_as_pixels_and_coarse_ones_are_not(worlds: Worlds) -> None:
    noise = worlds("noise").search(settings=only("noise")).best
    field = worlds("field").search(settings=only("field")).best
    assert noise.size in {16, 24}
    assert field.size in {4, 8}


def test_a_mean_points_along_what_the_label_listens_to() -> None:
    rng = np.random.default_rng(0)
    wanted = np.where(rng.random((1, 8, 8)) < 0.5, -1.0, 1.0)
    signs = np.where(rng.random((800, 1, 8, 8)) < 0.5, -1.0, 1.0)
    along = (signs * wanted).sum(axis=(1, 2, 3))
    draws = Draws(signs, np.zeros(800, dtype=np.int64), np.where(along > 6, 3, 0))
    assert draws.hits(3) == (along > 6).sum()
    assert (np.sign(draws.mean(3)) == wanted).mean() > 0.95


def test_images_that_had_the_label_already_do_not_count() -> None:
    signs = np.ones((3, 1, 2, 2)) * np.array([1.0, -1.0, 1.0])[:, None, None, None]
    draws = Draws(signs, np.array([1, 0, 0]), np.array([1, 1, 0]))
    assert draws.hits(1) == 1
    assert np.allclose(draws.mean(1), -1.0)  # one hit of -1, and the mean of both others is 0
