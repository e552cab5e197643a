"""Answers that are not those of one model: their contradictions and the reasons named."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy
from numpy.typing import NDArray

from auditor.labels.consistency import (
    ALPHA,
    TOLERATED,
    Consistency,
    Repeats,
    chance_of_finding,
    check_consistency,
    fewest_flips,
    least_caught,
    wants_extra_repeats,
)
from auditor.measured import of_earlier_search
from auditor.plan.fixed_probes import EXTRA_REPEATS
from auditor.plan.settings import AuditSettings
from auditor.report.wording.reasons import sentence
from auditor.scores.intervals import binomial_rate

STEADY = np.array([400, 300, 200])
CANARIES = AuditSettings().canaries


def repeats(size: int, seed: int = 0, classes: int = 10, planned: int = 0) -> Repeats:
    """Repeats of a steady model, asked at random moments."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, size)
    return Repeats(labels, labels.copy(), rng.random(size), rng.random(size), planned or size)


def judged(given: Repeats | None, **changes: Any) -> Consistency:
    facts: dict[str, Any] = {"label_counts": STEADY, "server_identity": {}, "open_labels": False}
    return check_consistency(given, **{**facts, **changes})


def codes(found: Consistency) -> list[str]:
    return [one.reason.code for one in found.found]


def said(found: Consistency) -> str:
    assert found.problem is not None
    return sentence(found.problem)


def flip(given: Repeats, which: NDArray[Any], classes: int = 10) -> Repeats:
    given.second[which] = (given.second[which] + 1) % classes
    return given


def test_a_steady_model_is_trusted() -> None:
    consistency = judged(repeats(150))
    assert consistency.found == ()
    assert consistency.problem is None
    assert consistency.flips is not None
    assert (consistency.flips.rate, consistency.flips.n) == (0.0, 150)
    assert consistency.flips.high == pytest.approx(1 - 0.025 ** (1 / 150))


def test_without_repeats_nothing_is_said_about_them() -> None:
    assert judged(None) == Consistency(None, ())


@pytest.mark.parametrize("planned", [15, 150, 400, 2000])
def test_the_threshold_keeps_to_the_false_alarms_promised(planned: int) -> None:
    fewest = fewest_flips(planned)

    def at_least(count: int) -> float:
        return sum(
            math.comb(planned, k) * TOLERATED**k * (1 - TOLERATED) ** (planned - k)
            for k in range(count, min(planned, count + 60) + 1)
        )

    assert at_least(fewest) <= ALPHA < at_least(fewest - 1)
    few = flip(repeats(planned), np.arange(fewest - 1))
    assert codes(judged(few)) == []
    assert codes(judged(flip(repeats(planned), np.arange(fewest)))) != []


def test_extra_repeats_are_for_flips_that_show_nothing_yet() -> None:
    planned = CANARIES + EXTRA_REPEATS
    wanted = [flips for flips in range(50) if wants_extra_repeats(flips, planned)]
    assert wanted == list(range(1, fewest_flips(planned)))


@pytest.mark.parametrize(
    ("own", "planned"),
    [(150, 400), (150, 150), (40, 290), pytest.param(2000, 2250, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("rate", [0.001, 0.01, 0.03])
def test_the_chance_of_a_finding_is_what_simulated_audits_find(
    own: int, planned: int, rate: float
) -> None:
    rng = np.random.default_rng(own + planned)
    first, more = rng.binomial([[own], [planned - own]], rate, (2, 20_000))
    looked = np.array([wants_extra_repeats(int(flips), planned) for flips in first])
    found = (first + more * looked) >= fewest_flips(planned)
    assert chance_of_finding(rate, own, planned) == pytest.approx(found.mean(), abs=0.015)


@pytest.mark.parametrize(("own", "planned"), [(150, 400), (2000, 2250), (15, 15)])
def test_the_least_share_caught_is_caught_in_95_of_100_audits(own: int, planned: int) -> None:
    share = least_caught(own, planned)
    assert share is not None
    assert chance_of_finding(2 * share, own, planned) == pytest.approx(0.95, abs=1e-6)


def test_more_repeats_catch_less() -> None:
    shares = [least_caught(own, own + EXTRA_REPEATS) or 1.0 for own in (50, 150, 1000, 5000)]
    assert shares == sorted(shares, reverse=True)
    assert least_caught(0, 0) is None
    assert least_caught(1, 400) is not None


def test_the_least_caught_share_is_stated_with_and_without_extra_repeats() -> None:
    before = judged(replace(repeats(150, planned=400), own=150))
    after = judged(replace(flip(repeats(400), np.arange(2)), own=150))
    assert before.least_caught == after.least_caught == least_caught(150, 400)
    assert judged(None).least_caught is None


def test_answers_of_several_models_have_no_moment() -> None:
    rng = np.random.default_rng(1)
    consistency = judged(flip(repeats(400), rng.random(400) < 0.15))
    assert codes(consistency) == ["unsteady"]
    assert "several models answer" in said(consistency)
    assert "95 % interval" in said(consistency)


@pytest.mark.parametrize("moment", [0.1, 0.5, 0.85])
def test_a_model_swapped_in_the_middle_is_dated(moment: float) -> None:
    given = repeats(150, seed=3)
    across = (given.first_at < moment) != (given.second_at < moment)
    rng = np.random.default_rng(2)
    consistency = judged(flip(given, across & (rng.random(150) < 0.7)))
    assert codes(consistency) == ["swapped"]
    assert consistency.problem is not None
    values = consistency.problem.values
    differs = given.flipped & across
    late = np.maximum(given.first_at, given.second_at)[differs]
    assert values["after"] < moment < values["before"] == late.min()
    ends = f"lies between {values['after']:.0%} and {values['before']:.0%} of samples"
    assert ends in said(consistency)
    assert "From there on" not in said(consistency)
    # Reports by earlier plans are recomputed in their words.
    with of_earlier_search(earlier=False, by_label=False, version=13):
        dated = float(said(consistency).split("at about ")[1].split("%")[0]) / 100
        assert "From there on another model answered." in said(consistency)
    assert dated == pytest.approx(moment, abs=0.06)


def test_shuffled_answers_are_named_so() -> None:
    given = repeats(150)
    np.random.default_rng(4).shuffle(given.second)
    consistency = judged(given)
    assert codes(consistency) == ["shuffled"]
    assert "do not belong to the inputs" in said(consistency)


def test_a_model_of_two_labels_that_flips_a_little_is_not_shuffled() -> None:
    rng = np.random.default_rng(5)
    given = flip(repeats(300, classes=2), rng.random(300) < 0.1, classes=2)
    assert codes(judged(given)) == ["unsteady"]


@pytest.mark.parametrize("counts", [[50], [0, 0, 7]])
def test_one_label_for_everything(counts: list[int]) -> None:
    consistency = judged(None, label_counts=np.array(counts))
    assert codes(consistency) == ["constant"]
    assert "one and the same label" in said(consistency)


def test_no_answers_at_all_are_another_matter() -> None:
    assert codes(judged(None, label_counts=np.array([], dtype=np.int64))) == []


def test_another_sender_comes_first() -> None:
    server_identity = {"header server": ["nginx"], "TLS certificate": ["sha256:aa", "sha256:bb"]}
    consistency = judged(flip(repeats(100), np.arange(30)), server_identity=server_identity)
    assert codes(consistency) == ["sender", "unsteady"]
    assert "TLS certificate was sha256:aa and became sha256:bb" in said(consistency)


def test_labels_without_end() -> None:
    made_up = np.ones(500, dtype=np.int64)
    assert codes(judged(None, label_counts=made_up, open_labels=True)) == ["growing"]
    # A complete list of classes cannot grow, whatever few answers name of it.
    assert codes(judged(None, label_counts=made_up, open_labels=False)) == []
    many = np.random.default_rng(0).multinomial(20_000, np.full(1000, 0.001))
    assert codes(judged(None, label_counts=many, open_labels=True)) == []


# ---- how often it is right -------------------------------------------------------------------


def caught(rng: np.random.Generator, swapped: float, disagree: float, unsteady: float) -> bool:
    """One audit: ``swapped`` of all answers come from a model that disagrees on ``disagree``."""
    planned = CANARIES + EXTRA_REPEATS
    given = repeats(planned, seed=int(rng.integers(2**32)))
    other = rng.random((2, planned)) < swapped
    flipped = (other[0] != other[1]) & (rng.random(planned) < disagree)
    flipped |= rng.random(planned) < unsteady
    flip(given, flipped)
    early = slice(None, CANARIES)
    if not wants_extra_repeats(int(flipped[early].sum()), planned):
        given = Repeats(
            given.first[early],
            given.second[early],
            given.first_at[early],
            given.second_at[early],
            planned,
        )
    return bool(judged(given).found)


@pytest.mark.parametrize(
    ("disagree", "least"),
    # How often two models of one task disagree on points of planes; 0.7 is the median of pairs.
    [pytest.param(0.7, 0.95, marks=pytest.mark.slow), (0.55, 0.93)],
)
def test_two_percent_of_answers_from_another_model_are_caught(
    disagree: float, least: float
) -> None:
    rng = np.random.default_rng(11)
    hits = sum(caught(rng, 0.02, disagree, 0.0) for _ in range(500))
    assert hits / 500 >= least


def test_a_model_as_unsteady_as_tolerated_is_seldom_refused() -> None:
    rng = np.random.default_rng(12)
    assert sum(caught(rng, 0.0, 0.0, TOLERATED) for _ in range(500)) <= 10


@pytest.mark.parametrize(("own", "planned"), [(1, 1), (2, 5), (40, 40), (150, 150), (150, 450)])
@pytest.mark.parametrize("rate", [0.0, 0.001, 0.1, 0.5, 1.0])
def test_chances_are_those_of_the_binomial(own: int, planned: int, rate: float) -> None:
    fewest = fewest_flips(planned)
    assert scipy.stats.binom.sf(fewest - 1, planned, TOLERATED) <= ALPHA
    assert fewest == 0 or scipy.stats.binom.sf(fewest - 2, planned, TOLERATED) > ALPHA
    first = np.arange(1, fewest)
    later = scipy.stats.binom.pmf(first, own, rate) @ scipy.stats.binom.sf(
        fewest - first - 1, planned - own, rate
    )
    expected = scipy.stats.binom.sf(fewest - 1, own, rate) + later
    assert chance_of_finding(rate, own, planned) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 20), (3, 20), (20, 20), (7, 200_000)])
def test_rates_have_exact_intervals(hits: int, n: int) -> None:
    interval = scipy.stats.binomtest(hits, n).proportion_ci(0.95, method="exact")
    found = binomial_rate(hits, n)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-11)
