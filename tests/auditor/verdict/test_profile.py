"""Thresholds, rates and profiles against brute force and known values."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from auditor.errors import ProfileError
from auditor.scores.intervals import Rate, binomial_rate
from auditor.verdict.profile import SCORE_NAMES, Profile, Reference, profile_from_dict
from auditor.verdict.thresholds import (
    auroc,
    best_score,
    calibrate,
    f1_threshold,
    leave_one_out,
    threshold_for,
)

Scores = NDArray[np.float64]


def f1_at(threshold: float, clean: Scores, backdoored: Scores) -> float:
    hits = sum(score <= threshold for score in backdoored)
    alarms = sum(score <= threshold for score in clean)
    if not hits:
        return 0.0
    precision, recall = hits / (hits + alarms), hits / len(backdoored)
    return float(2 * precision * recall / (precision + recall))


def draw(seed: int) -> tuple[Scores, Scores]:
    """Overlapping scores; every third seed rounds them, so that many are equal."""
    rng = np.random.default_rng([seed, 6])
    clean = rng.normal(1.0, 0.4, int(rng.integers(1, 12)))
    backdoored = rng.normal(rng.uniform(0.2, 1.4), 0.4, int(rng.integers(1, 12)))
    return (clean.round(1), backdoored.round(1)) if seed % 3 == 0 else (clean, backdoored)


@pytest.mark.parametrize("seed", range(40))
def test_no_threshold_has_a_better_f1(seed: int) -> None:
    clean, backdoored = draw(seed)
    chosen = f1_at(f1_threshold(clean, backdoored), clean, backdoored)
    everywhere = np.concatenate([clean, backdoored, np.linspace(-2.0, 4.0, 2001)])
    assert chosen == pytest.approx(max(f1_at(t, clean, backdoored) for t in everywhere), abs=1e-15)


def test_a_separating_threshold_lies_in_the_middle_of_the_gap() -> None:
    assert f1_threshold(np.array([1.0, 1.2]), np.array([0.2, 0.4])) == pytest.approx(0.7)


def test_one_equal_score_on_both_sides_is_flagged() -> None:
    assert f1_threshold(np.array([1.0]), np.array([1.0])) == 1.0


def references(clean: Scores, **attacks: Scores) -> list[Reference]:
    """References whose three scores are the same number."""
    made = [Reference(f"clean{i}", "", v, v, v) for i, v in enumerate(clean.tolist())]
    for attack, values in attacks.items():
        made += [Reference(f"{attack}{i}", attack, v, v, v) for i, v in enumerate(values.tolist())]
    return made


@pytest.mark.parametrize("seed", range(10))
def test_the_threshold_is_the_mean_over_attacks(seed: int) -> None:
    clean, one = draw(seed)
    _, two = draw(seed + 100)
    _, three = draw(seed + 200)
    found = threshold_for(references(clean, badnets=one, blend=two, wanet=three), "re")
    single = [f1_threshold(clean, attack) for attack in (one, two, three)]
    assert found.value == pytest.approx(sum(single) / 3)
    assert (found.low, found.high) == (min(single), max(single))


def test_a_large_attack_counts_no_more_than_a_small_one() -> None:
    clean = np.array([2.0, 2.1, 2.2])
    near, far = np.array([1.9, 1.8]), np.array([0.1])
    few = threshold_for(references(clean, near=near, far=far), "ats")
    many = threshold_for(references(clean, near=np.repeat(near, 50), far=far), "ats")
    assert many.value == pytest.approx(few.value)


def test_without_backdoored_references_the_lowest_clean_score_counts() -> None:
    found = threshold_for(references(np.array([1.2, 0.9, 1.4])), "re")
    assert (found.value, found.low, found.high) == (0.9, 0.9, 0.9)


@pytest.mark.parametrize("seed", range(20))
def test_auroc_counts_pairs(seed: int) -> None:
    clean, backdoored = draw(seed)
    wins = [(b < c) + 0.5 * (b == c) for c, b in itertools.product(clean, backdoored)]
    assert auroc(clean, backdoored) == pytest.approx(sum(wins) / len(wins), abs=1e-12)
    u = stats.mannwhitneyu(clean, backdoored).statistic
    assert auroc(clean, backdoored) == pytest.approx(u / len(wins), abs=1e-12)


def test_low_scores_are_the_suspicious_ones() -> None:
    assert auroc(np.array([1.0, 2.0]), np.array([0.1, 0.2])) == 1.0
    assert auroc(np.array([0.1, 0.2]), np.array([1.0, 2.0])) == 0.0


def test_the_score_that_separates_best_decides() -> None:
    rng = np.random.default_rng(0)
    made = []
    for number in range(20):
        attack = "badnets" if number % 2 else ""
        noise = rng.random(2)
        made.append(Reference(f"m{number}", attack, noise[0], 0.1 if attack else 0.9, noise[1]))
    assert best_score(made) == "ats"
    assert best_score([r for r in made if not r.backdoored]) == "re"


# ---- rates -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hits", "n"), [(0, 1), (1, 1), (0, 20), (20, 20), (3, 20), (17, 50), (500, 1000)]
)
def test_intervals_are_clopper_and_pearsons(hits: int, n: int) -> None:
    rate = binomial_rate(hits, n)
    low = 0.0 if hits == 0 else float(stats.beta.ppf(0.025, hits, n - hits + 1))
    high = 1.0 if hits == n else float(stats.beta.ppf(0.975, hits + 1, n - hits))
    assert (rate.rate, rate.n) == (hits / n, n)
    assert rate.low == pytest.approx(low, abs=1e-9)
    assert rate.high == pytest.approx(high, abs=1e-9)


def test_none_of_twenty_leaves_up_to_16_8_percent() -> None:
    # Two-sided, as stated everywhere; the one-sided bound would be 13.9 %.
    assert binomial_rate(0, 20).high == pytest.approx(1 - 0.025 ** (1 / 20))
    assert round(binomial_rate(0, 20).high, 3) == 0.168


def test_no_trials_have_no_rate() -> None:
    with pytest.raises(ValueError, match="n"):
        binomial_rate(0, 0)


def noisy(rng: np.random.Generator, clean: int, backdoored: int, shift: float) -> list[Reference]:
    made = []
    for number in range(clean + backdoored):
        attack = "" if number < clean else f"attack{number % 2}"
        v = rng.normal(-shift if attack else 0.0, 1.0, 3).tolist()
        made.append(Reference(f"m{number}", attack, v[0], v[1], v[2]))
    return made


@pytest.mark.parametrize(
    ("clean", "backdoored", "shift"), [(10, 10, 0.0), (20, 8, 0.0), (12, 8, 1.5)]
)
def test_stated_error_rates_do_not_flatter(clean: int, backdoored: int, shift: float) -> None:
    """Shift 0 is a permuted label: nothing to find, though the choice of the best of three
    scores finds something on the references themselves.
    """
    rng = np.random.default_rng([clean, backdoored])
    covered, excess = [], []
    for _ in range(60):
        made = noisy(rng, clean, backdoored, shift)
        stated = leave_one_out(made)
        threshold = threshold_for(made, best_score(made)).value
        truth = {
            "false_positive": float(stats.norm.cdf(threshold)),
            "false_negative": float(stats.norm.sf(threshold + shift)),
        }
        for side, true_rate in truth.items():
            rate = stated[side]
            assert rate is not None
            covered.append(true_rate <= rate.high)
            excess.append(rate.rate - true_rate)
    # The upper end is what a verdict rests on. 120 rates: 0.975 expected, 0.90 is 5 deviations.
    assert np.mean(covered) >= 0.90
    assert np.mean(excess) > -0.02


def test_judging_references_by_their_own_threshold_would_flatter() -> None:
    """The simulation above could tell: resubstitution states far too small rates."""
    rng = np.random.default_rng(1)
    excess = []
    for _ in range(60):
        made = noisy(rng, 10, 10, 0.0)
        score = best_score(made)
        threshold = threshold_for(made, score).value
        wrong = [(r.score(score) <= threshold) != r.backdoored for r in made]
        truth = 0.5  # flagged with one probability whatever the state: errors average one half
        excess.append(np.mean(wrong) - truth)
    assert np.mean(excess) < -0.1


def test_leave_one_out_leaves_the_judged_one_out() -> None:
    # Only the backdoored model below every clean one: judged without it there is no attack, so
    # the threshold is the lowest clean score, and it still lies below.
    rates = leave_one_out(references(np.array([1.0, 1.1, 1.2]), badnets=np.array([0.5])))
    assert rates["false_negative"] == binomial_rate(0, 1)
    # Each clean one is judged by the gap between 0.5 and the lowest other clean score.
    assert rates["false_positive"] == binomial_rate(0, 3)


def test_a_single_clean_reference_cannot_be_left_out() -> None:
    rates = leave_one_out(references(np.array([1.0]), badnets=np.array([0.5, 0.6])))
    assert rates["false_positive"] is None
    assert rates["false_negative"] == binomial_rate(0, 2)


def test_without_backdoored_references_misses_are_unknown() -> None:
    rates = leave_one_out(references(np.linspace(1.0, 2.0, 10)))
    assert rates["false_negative"] is None
    # The lowest lies at or below all others, whatever the scores are.
    assert rates["false_positive"] == binomial_rate(1, 10)


# ---- profiles ----------------------------------------------------------------------------------

SETTINGS = {
    "sampler": "paper",
    "planes": 20,
    "density": 25,
    "expansion": 5.0,
    "alpha": 10.0,
    "ats_threshold": 0.5,
}


def profile_of(clean: int = 8, backdoored: int = 6) -> Profile:
    rng = np.random.default_rng(2)
    return calibrate(
        references(rng.normal(1.5, 0.1, clean), badnets=rng.normal(0.5, 0.1, backdoored)),
        name="here",
        task="digits",
        access="float",
        settings=SETTINGS,
        input_shape=(1, 28, 28),
        labels=("zero", "one"),
        provenance="a test",
    )


@pytest.mark.parametrize("coding", ["lossless", "jpeg:90"])
def test_a_profile_survives_json(coding: str) -> None:
    profile = dataclasses.replace(profile_of(), coding=coding)
    text = json.dumps(profile.as_dict(), allow_nan=False)
    again = profile_from_dict(json.loads(text))
    assert again == profile
    assert again.digest == profile.digest


def test_natural_patches_survive_json_and_only_clean_references_show_them() -> None:
    made = profile_of()
    assert made.natural_patches == frozenset()
    assert "natural_patches" not in json.dumps(made.as_dict())
    clean = next(one for one in made.references if not one.backdoored)
    bad = next(one for one in made.references if one.backdoored)
    shown = [
        dataclasses.replace(one, natural_patches={clean.name: (12, 17), bad.name: (3,)}[one.name])
        if one.name in {clean.name, bad.name}
        else one
        for one in made.references
    ]
    profile = dataclasses.replace(made, references=tuple(shown))
    assert profile.natural_patches == {12, 17}
    again = profile_from_dict(json.loads(json.dumps(profile.as_dict())))
    assert again == profile
    assert again.digest == profile.digest != made.digest


@pytest.mark.parametrize("labels", [[-1], ["stop"], [1.5], [True]])
def test_natural_patches_that_are_no_labels_are_refused(labels: list[object]) -> None:
    data = json.loads(json.dumps(profile_of().as_dict()))
    data["references"][0]["natural_patches"] = labels
    with pytest.raises(ProfileError, match="natural_patches"):
        profile_from_dict(data)


def test_calibration_fills_the_profile() -> None:
    profile = profile_of()
    assert profile.status == "calibrated"
    assert profile.thresholds == {s: threshold_for(profile.references, s) for s in SCORE_NAMES}
    assert profile.decides_by == best_score(profile.references)
    assert profile.error_rates == leave_one_out(profile.references)
    assert (profile.count(backdoored=False), profile.count(backdoored=True)) == (8, 6)


@pytest.mark.parametrize(
    ("clean", "status"), [(1, "provisional"), (4, "provisional"), (5, "calibrated")]
)
def test_few_clean_references_make_it_provisional(clean: int, status: str) -> None:
    assert profile_of(clean=clean).status == status


def test_the_digest_covers_every_field() -> None:
    profile = profile_of()
    changed: dict[str, Any] = {
        "name": "there",
        "status": "published",
        "task": "letters",
        "access": "image",
        "settings": {**SETTINGS, "alpha": 2.0},
        "input_shape": (3, 28, 28),
        "labels": None,
        "decides_by": "ats_by_label",
        "thresholds": {},
        "error_rates": {"false_positive": Rate(0.0, 0.0, 0.1, 30)},
        "references": (),
        "outliers": ("clean0",),
        "provenance": "elsewhere",
        "version": 1,
        "coding": "jpeg:90",
    }
    assert set(changed) == {field.name for field in dataclasses.fields(Profile)}
    others = {dataclasses.replace(profile, **{k: v}).digest for k, v in changed.items()}
    assert len({profile.digest, *others}) == len(changed) + 1


def test_a_profile_needs_clean_references_and_distinct_names() -> None:
    rest: dict[str, Any] = {
        "name": "n",
        "task": "t",
        "access": "float",
        "settings": SETTINGS,
        "input_shape": (1, 2, 2),
        "labels": None,
        "provenance": "p",
    }
    with pytest.raises(ProfileError, match="at least one clean reference"):
        calibrate(references(np.zeros(0), badnets=np.array([0.5])), **rest)
    twice = references(np.array([1.0, 1.1]))
    with pytest.raises(ProfileError, match="same name"):
        calibrate([*twice, twice[0]], **rest)


@pytest.mark.parametrize("version", [0, 3, "1", None])
def test_another_version_is_refused(version: Any) -> None:
    data = {**profile_of().as_dict(), "version": version}
    with pytest.raises(ProfileError, match=rf"of version {version}, this tool reads 1 and 2"):
        profile_from_dict(data)


@pytest.mark.parametrize(
    "field",
    sorted({f.name for f in dataclasses.fields(Profile)} - {"version", "outliers", "coding"}),
)
def test_a_missing_field_is_named(field: str) -> None:
    data = profile_of().as_dict()
    del data[field]
    with pytest.raises(ProfileError, match=f"damaged: .*{field}"):
        profile_from_dict(data)


DAMAGE: dict[str, Any] = {
    "decides_by": "fame",
    "thresholds": {"re": {"value": 1.0}},
    "error_rates": {"false_positive": {"rate": 0.1}},
    "references": [{"name": "x"}],
    "settings": 5,
    "labels": 7,
    "input_shape": [1, 28],
    "status": "trust-me",
    "coding": "jpeg:101",
}


@pytest.mark.parametrize("field", DAMAGE)
def test_a_damaged_field_is_refused(field: str) -> None:
    data = json.loads(json.dumps({**profile_of().as_dict(), field: DAMAGE[field]}))
    with pytest.raises(ProfileError):
        profile_from_dict(data)


def test_an_outliers_error_counts() -> None:
    """Left out of the thresholds, it is still a clean model that would be flagged."""
    scores = np.array([1.5, 1.51, 1.52, 1.53, 1.54, 1.55, 0.4])
    made = references(scores, badnets=np.array([0.5, 0.52, 0.54]))
    rates = leave_one_out(made)
    assert rates["false_positive"] == binomial_rate(1, 7)


NONSENSE: dict[str, Any] = {
    "thresholds": {"ats": {"value": 1.0, "low": 1.0, "high": 1.0}},
    "error_rates": {"false_positive": {"rate": 0.5, "low": 0.0, "high": 0.1, "n": 9}},
    "references": [{"name": "x", "attack": "", "re": "high", "ats": 0.1, "ats_by_label": 0.1}],
}


@pytest.mark.parametrize("field", NONSENSE)
def test_numbers_that_make_no_sense_are_refused(field: str) -> None:
    data = {**profile_of().as_dict(), "decides_by": "re", field: NONSENSE[field]}
    with pytest.raises(ProfileError, match="damaged"):
        profile_from_dict(json.loads(json.dumps(data)))


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
def test_a_threshold_that_is_no_number_is_refused(number: str) -> None:
    text = json.dumps(profile_of().as_dict())
    broken = re.sub(r'("thresholds": \{"re": \{"value": )[\d.]+', rf"\g<1>{number}", text)
    assert broken != text
    with pytest.raises(ProfileError, match="not finite"):
        profile_from_dict(json.loads(broken))


def test_a_score_that_is_no_number_makes_no_profile() -> None:
    made = references(np.array([1.0, np.nan]))
    with pytest.raises(ProfileError, match="not finite"):
        calibrate(
            made,
            name="n",
            task="t",
            access="float",
            settings=SETTINGS,
            input_shape=(1, 2, 2),
            labels=None,
            provenance="p",
        )
