from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from auditor.probes.trigger_search.settings import TriggerSettings

Worlds = Callable[..., Any]
WAVES = replace(TriggerSettings(), schedule=(("wave", 300),))


def test_a_planted_wave_is_found_with_its_cycles_and_its_target(worlds: Worlds) -> None:
    result = worlds("wave").search(settings=WAVES)
    assert result.suspicious
    assert (result.best.key, result.best.target, result.best.size) == ("wave@weak", 2, 6)
    assert result.queries < 1000


def test_a_model_that_listens_to_no_wave_shows_none(worlds: Worlds) -> None:
    result = worlds("clean").search(settings=WAVES)
    assert not result.suspicious
    assert result.queries < 1000
