"""Settings of an audit: ranges, messages and defaults."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import pytest

from auditor.errors import UsageError
from auditor.plan.settings import AuditSettings, choose_settings


def test_settings_that_were_not_chosen_follow_the_sampler() -> None:
    assert choose_settings({}) == choose_settings({"sampler": "frugal"}) == AuditSettings()
    assert choose_settings({"sampler": "paper"}) == AuditSettings.paper()
    assert choose_settings({"density": 9}) == AuditSettings.paper(density=9)
    assert choose_settings({"planes": 7}) == AuditSettings(planes=7)
    assert choose_settings({"sampler": "paper", "planes": 7}) == AuditSettings.paper(planes=7)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"sampler": "frugal", "density": 50}, "density is the points per side"),
        ({"sampler": "paper", "points": 8}, "points is a setting of --sampler frugal"),
        ({"sampler": "paper", "pictures": 2}, "pictures is 2, it must be from 0"),
        ({"sampler": "frugal", "pictures": 99}, "pictures is 99, it must be from 0"),
        ({"sampler": "frugal", "points": 12}, "points is 12, it must be a power of two"),
        ({"sampler": "sobol"}, "sampler is sobol, it must be 'paper' or 'frugal'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(chosen: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        choose_settings(chosen)


def test_the_default_is_the_frugal_samplers() -> None:
    settings = AuditSettings()
    assert (settings.sampler, settings.planes, settings.points) == ("frugal", 44, 16)
    assert (settings.pictures, settings.canaries, settings.stop_early) == (0, 150, True)


def test_the_papers_settings_are_the_published_ones() -> None:
    settings = AuditSettings.paper()
    assert settings.sampler == "paper"
    assert (settings.planes, settings.density, settings.expansion) == (20, 100, 5.0)
    assert (settings.alpha, settings.ats_threshold) == (10.0, 0.5)


@pytest.mark.parametrize("settings", [AuditSettings(seed=3), AuditSettings.paper(density=9)])
def test_settings_are_read_back_from_a_record(settings: AuditSettings) -> None:
    assert AuditSettings.from_record(dataclasses.asdict(settings)) == settings


def test_a_record_without_a_sampler_has_the_papers() -> None:
    record = dataclasses.asdict(AuditSettings.paper(density=9, seed=3))
    for later in ("sampler", "points", "pictures"):
        del record[later]
    assert AuditSettings.from_record(record) == AuditSettings.paper(density=9, seed=3)
    assert AuditSettings.from_record({}) == AuditSettings.paper()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("planes", 0),
        ("planes", 10_001),
        ("planes", 2.0),
        ("planes", True),
        ("density", 1),
        ("density", 10**9),
        ("density", "100"),
        ("expansion", -0.1),
        ("expansion", math.inf),
        ("expansion", math.nan),
        ("expansion", 1e300),
        ("alpha", 0.5),
        ("alpha", math.inf),
        ("alpha", math.nan),
        ("alpha", None),
        ("ats_threshold", 0.0),
        ("ats_threshold", 1.1),
        ("ats_threshold", math.nan),
        ("seed", -1),
        ("seed", 0.5),
        ("canaries", -1),
        ("sampler", "halton"),
    ],
)
def test_a_bad_setting_is_named(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=rf"^{name} is .*, it must be "):
        AuditSettings(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("planes", 1), ("density", 2), ("expansion", 0), ("alpha", 1), ("ats_threshold", 1)],
)
def test_the_ends_of_every_range_are_allowed(name: str, value: Any) -> None:
    assert getattr(AuditSettings(**{name: value}), name) == value
