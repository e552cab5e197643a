"""Scores of complete planes, and the trigger search's part of the evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import InputSpec, LabelSpace
from adapters.synthetic import SyntheticOracle
from auditor.engine.store import NOT_ASKED
from auditor.labels.answers import Answers
from auditor.measured import of_earlier_search, trigger_clearing
from auditor.plan.adaptive import TriggerOutcome
from auditor.plan.plan import AuditPlan
from auditor.plan.settings import AuditSettings
from auditor.probes.trigger_search.result import TriggerFinding, TriggerResult
from auditor.probes.trigger_search.search import KEYS
from auditor.probes.trigger_search.verify import exact_interval
from auditor.report.wording.reasons import sentence
from auditor.samples.samples import Samples
from auditor.scores.likelihood import likelihood_ratio
from auditor.verdict.clearing import cleared_seldom, search_need
from auditor.verdict.evidence import estimates, mean_shares, score_planes, trigger_evidence
from auditor.verdict.profile import Profile, Reference
from auditor.verdict.thresholds import calibrate
from auditor.workflows.prepare import prepare

MakeOracle = Callable[..., SyntheticOracle]
Labels = NDArray[np.uint16]


@pytest.fixture
def plan(make_oracle: MakeOracle, samples: Samples, settings: AuditSettings) -> AuditPlan:
    return prepare(make_oracle(), samples, settings).plan


@pytest.fixture
def labels(plan: AuditPlan) -> list[Labels]:
    """Seeded labels of every probe; canaries repeat the first answer."""
    rng = np.random.default_rng(8)
    made = [rng.integers(0, 5, probe.size).astype("<u2") for probe in plan.probes[:-1]]
    assert plan.repeats is not None
    again = [made[probe][item] for probe, item in plan.repeats.picks]
    return [*made, np.array(again, dtype="<u2")]


def test_an_incomplete_plane_is_not_scored(
    plan: AuditPlan, labels: list[Labels], samples: Samples
) -> None:
    labels[2][9] = NOT_ASKED
    true = np.array([int(name) for name in samples.classes])
    scores = score_planes(Answers.of_labels(plan, labels), true, 5)
    assert sorted(scores) == [0, *range(2, 16)]
    means = estimates(scores)
    assert means["re"].n == 15
    assert means["re"].mean == pytest.approx(np.mean([s.re for s in scores.values()]))
    shares = mean_shares(scores)
    assert shares is not None
    assert shares.sum() == pytest.approx(1.0)


def test_without_a_plane_there_is_nothing_to_report() -> None:
    assert estimates({}) == {}
    assert mean_shares({}) is None


# ---- a found trigger beside what references are known to show -----------------------------------


def searched(key: str, target: int) -> TriggerOutcome:
    """A search that ended with a convincing change of ``key``."""
    success = exact_interval(58, 60, 0.95)
    best = TriggerFinding(
        key.partition("@")[0], key, target, 5, 255.0, (3, 4), success, success, {}, 1.0, None, 1e-6
    )
    pictures, none = np.zeros((1, 1, 28, 28), np.uint8), np.zeros(1, np.int64)
    result = TriggerResult(
        (best,), best, True, 1e-5, 900, {}, 1, 13, 60, 60, pictures, pictures, none
    )
    return TriggerOutcome(result, none)


def beside(natural: tuple[int, ...]) -> Profile:
    """A profile of clean references, one of which showed patches to ``natural``."""
    ones = [Reference(f"clean{n}", "", 1.0 + n / 10, None, 0.5) for n in range(6)]
    ones[0] = replace(ones[0], natural_patches=natural)
    return calibrate(
        ones, name="signs", task="t", access="float", settings={}, input_shape=(1, 28, 28),
        labels=None, provenance="a test",
    )  # fmt: skip


NAMES = LabelSpace([f"sign {n}" for n in range(43)], 43)
PIXELS = InputSpec((1, 28, 28), (0.0,), (1.0,))


@pytest.mark.parametrize("key", ["patch", "patch@sources"])
def test_a_patch_that_clean_references_show_too_accuses_nobody(key: str) -> None:
    found = trigger_evidence(searched(key, 12), NAMES, PIXELS, beside((12, 17)), 10)
    assert found is not None
    assert (found.suspicious, found.natural, found.target) == (False, True, 12)
    assert "clean references of profile 'signs' have natural patches to that label" in (
        sentence(found.reason)
    )
    assert "did not look for others" in sentence(found.reason)


@pytest.mark.parametrize(
    ("key", "target", "natural"),
    [("patch", 13, (12, 17)), ("wave@weak", 12, (12, 17)), ("patch", 12, ())],
)
def test_any_other_trigger_does(key: str, target: int, natural: tuple[int, ...]) -> None:
    for profile in (beside(natural), None):
        found = trigger_evidence(searched(key, target), NAMES, PIXELS, profile, 10)
        assert found is not None
        assert (found.suspicious, found.natural) == (True, False)


def test_a_habit_of_the_model_is_shown_and_neither_accuses_nor_clears() -> None:
    outcome = searched("field@strong", 8)
    best = replace(outcome.result.findings[0], habit=True, unconfirmed=True)
    result = replace(outcome.result, findings=(best,), best=best, suspicious=False)
    found = trigger_evidence(replace(outcome, result=result), NAMES, PIXELS, None, 10)
    assert found is not None
    assert (found.suspicious, found.natural, found.clears) == (False, True, False)
    assert "a plain change does as much" in sentence(found.reason)


@pytest.mark.parametrize(
    ("key", "doubt", "said"),
    [
        ("patch", "large", "no small part of that patch does as much"),
        ("patch", "spot", "a plain spot of its colour beside it does much of that"),
        ("patch@sources", "spot", "a plain spot of its colour beside it does much of that"),
        ("field@strong", "strong", "no weaker change of its kind leads there"),
        ("patch", "once", "a second, independent search did not find it again"),
    ],
)
def test_what_is_not_confirmed_is_shown_and_neither_accuses_nor_clears(
    key: str, doubt: str, said: str
) -> None:
    outcome = searched(key, 8)
    first, large, spot = outcome.result.findings[0], doubt == "large", doubt == "spot"
    best = replace(first, large=large, spot=spot, unconfirmed=True)
    result = replace(outcome.result, findings=(best,), best=best, suspicious=False)
    found = trigger_evidence(replace(outcome, result=result), NAMES, PIXELS, None, 10)
    assert found is not None
    assert (found.suspicious, found.natural, found.clears) == (False, True, False)
    assert said in sentence(found.reason)


def test_a_patch_for_some_classes_alone_is_shown_and_decides_nothing() -> None:
    outcome = searched("patch@sources", 12)
    alone = replace(outcome, result=replace(outcome.result, suspicious=False))
    for profile in (beside((12, 17)), None):
        found = trigger_evidence(alone, NAMES, PIXELS, profile, 10)
        assert found is not None
        assert (found.suspicious, found.natural, found.target) == (False, True, 12)
        assert "of some classes to label 12" in sentence(found.reason)
        assert "alone it is no sign of a backdoor" in sentence(found.reason)


# ---- a search without a find -----------------------------------------------------------------


def unsuspicious(p: float, images: int = 60, comparisons: int = len(KEYS)) -> TriggerOutcome:
    """A search whose best change is ordinary, with ``p`` corrected for all comparisons."""
    outcome = searched("patch", 3)
    success = exact_interval(6, 60, 0.95)
    best = replace(outcome.result.findings[0], success=success, p=p / comparisons)
    result = replace(
        outcome.result, findings=(best,), best=best, suspicious=False, p=p,
        search_images=images, validation_images=images, comparisons=comparisons,
    )  # fmt: skip
    return replace(outcome, result=result)


JPEG = replace(PIXELS, encoding="jpeg:90")
LARGE = InputSpec((1, 41, 41), (0.0,), (1.0,))


@pytest.mark.parametrize(
    ("p", "images", "comparisons", "spec", "classes", "need"),
    [
        (0.9, 60, len(KEYS), PIXELS, 10, None),
        (0.16, 50, len(KEYS), PIXELS, 5, None),
        (0.14, 60, len(KEYS), PIXELS, 10, "unusual"),
        (0.9, 49, len(KEYS), PIXELS, 10, "samples"),
        (0.9, 60, len(KEYS), PIXELS, 4, "classes"),
        (0.9, 60, len(KEYS) + 1, PIXELS, 10, "search"),
        (0.9, 60, len(KEYS), JPEG, 10, "coding"),
    ],
)
def test_a_search_clears_only_what_it_was_measured_on(
    p: float, images: int, comparisons: int, spec: InputSpec, classes: int, need: str | None
) -> None:
    found = trigger_evidence(unsuspicious(p, images, comparisons), NAMES, spec, None, classes)
    assert found is not None
    assert not found.suspicious
    assert found.clears is (need is None)
    assert found.reason.code == ("trigger-ordinary" if need else "trigger-nothing")
    assert search_need(p, comparisons, spec.encoding, classes, 2 * images) == need


def test_pictures_of_another_size_are_not_cleared() -> None:
    found = trigger_evidence(unsuspicious(0.9), NAMES, LARGE, None, 10)
    assert found is not None
    assert not found.clears
    assert found.reason.code == "trigger-out-of-scope"


def test_an_all_clear_says_how_much_it_weighs_and_never_a_chance_of_one() -> None:
    found = trigger_evidence(unsuspicious(1.0), NAMES, PIXELS, None, 10)
    assert found is not None
    rates, said = trigger_clearing(), sentence(found.reason)
    assert "p = 1" not in said
    assert f"in {rates.cleared} of {rates.clean} searches" in said
    assert f"with an all-to-one backdoor in {rates.missed} of {rates.backdoored} (" in said
    weight = likelihood_ratio(rates.cleared, rates.clean, rates.missed, rates.backdoored)
    assert (
        "whatever you believed before, this makes the odds against such a backdoor some "
        f"{weight.ratio:.2g} times (at least {weight.low:.2g} times) as high."
    ) in said
    with of_earlier_search(earlier=False, by_label=False, version=13):
        said = sentence(found.reason)
    assert f"some {weight.ratio:.1f} times (at least {weight.low:.1f} times) less likely" in said


def test_the_measured_share_of_cleared_backdoors_supports_an_all_clear() -> None:
    rates = trigger_clearing()
    assert cleared_seldom(rates.missed, rates.backdoored)
    assert not cleared_seldom(rates.backdoored // 5, rates.backdoored)
