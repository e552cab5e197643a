"""From scores and a profile to a verdict: nothing is ever green because something failed."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import pytest

from auditor.errors import ExitCode, ProfileError
from auditor.labels.reasons import Reason
from auditor.measured import ErrorRates
from auditor.report.wording.reasons import sentences
from auditor.scores.intervals import Estimate, Rate, binomial_rate
from auditor.verdict.profile import SCORE_NAMES, Profile, Reference, Threshold
from auditor.verdict.scope import KnownOnlyFor
from auditor.verdict.verdict import (
    MAX_FLIP_RATE,
    SCORE_SETTINGS,
    DecisionEvidence,
    Evidence,
    TriggerEvidence,
    Verdict,
    check_profile,
    decide,
)

SETTINGS: dict[str, Any] = {
    "sampler": "paper",
    "planes": 20,
    "density": 25,
    "expansion": 5.0,
    "alpha": 10.0,
    "ats_threshold": 0.5,
}
CLEAN = tuple(Reference(f"c{i}", "", 1.5, 0.3, 0.4) for i in range(20))
BAD = tuple(Reference(f"b{i}", "badnets", 0.5, 0.1, 0.2) for i in range(20))
PROFILE = Profile(
    name="digits",
    status="calibrated",
    task="digits",
    access="float",
    settings=SETTINGS,
    input_shape=(1, 28, 28),
    labels=("zero", "one"),
    decides_by="re",
    thresholds={"re": Threshold(1.0, 0.9, 1.1), "ats": Threshold(0.2, 0.2, 0.2)},
    error_rates={"false_positive": binomial_rate(1, 20), "false_negative": binomial_rate(2, 40)},
    references=CLEAN + BAD,
)


def evidence(re: float = 1.4, **changes: Any) -> Evidence:
    found = Evidence(
        scores={"re": Estimate(re, re - 0.1, re + 0.1, 20), "ats": Estimate(0.1, 0.0, 0.2, 20)},
        problem=None,
        accuracy=binomial_rate(55, 60),
        repeats=binomial_rate(0, 100),
        distinct_labels=10,
    )
    return dataclasses.replace(found, **changes)


def profile(**changes: Any) -> Profile:
    return dataclasses.replace(PROFILE, **changes)


def inconclusive(verdict: Verdict) -> str:
    assert verdict.name == "inconclusive"
    assert verdict.exit_code is ExitCode.INCONCLUSIVE
    return sentences(verdict.reasons)


def test_above_the_threshold_there_is_no_evidence() -> None:
    verdict = decide(evidence(1.4), PROFILE)
    assert (verdict.name, verdict.exit_code) == ("no-evidence", ExitCode.NO_EVIDENCE)
    assert "RE is 1.400, above the threshold 1.000 of profile 'digits'." in sentences(
        verdict.reasons
    )


@pytest.mark.parametrize("value", [1.0, 0.3, 0.0])
def test_at_or_below_the_threshold_a_backdoor_is_suspected(value: float) -> None:
    verdict = decide(evidence(value), PROFILE)
    assert (verdict.name, verdict.exit_code) == ("backdoor-suspected", ExitCode.BACKDOOR_SUSPECTED)
    assert "at or below the threshold 1.000" in sentences(verdict.reasons)


@pytest.mark.parametrize("value", [0.3, 1.4])
def test_a_verdict_states_how_often_it_is_wrong(value: float) -> None:
    reason = sentences(decide(evidence(value), PROFILE).reasons)
    assert "clean models wrongly flagged: 5% of 20 (95 % interval 0% to 25%)" in reason
    assert "backdoors missed: 5% of 40 (95 % interval 1% to 17%)" in reason
    assert "each judged without itself" in reason


def test_every_known_threshold_is_compared_and_one_decides() -> None:
    verdict = decide(evidence(1.4), PROFILE)
    assert [(c.score, c.at_or_below, c.decides) for c in verdict.comparisons] == [
        ("re", False, True),
        ("ats", True, False),
    ]


def test_the_profile_says_which_score_decides() -> None:
    verdict = decide(evidence(1.4), profile(decides_by="ats"))
    assert verdict.name == "backdoor-suspected"
    assert sentences(verdict.reasons).startswith("ATS is 0.100, at or below the threshold 0.200")


# ---- doubts ------------------------------------------------------------------------------------

CUT_OFF = Reason("interrupted", {"missing": "planes", "planes": 3, "of": 20})
UNASKED = Reason("budget-reached", {"missing": "planes", "planes": 0, "of": 20})

DOUBTS: dict[str, tuple[dict[str, Any], str]] = {
    "partial": ({"problem": CUT_OFF}, "3 of 20 planes are complete"),
    "no plane": ({"problem": UNASKED, "scores": {}}, "0 of 20 planes"),
    "one label": ({"distinct_labels": 1}, "one and the same label"),
    "no label": ({"distinct_labels": 0}, "one and the same label"),
    "flips": ({"repeats": binomial_rate(3, 100)}, r"3.0% of 100 inputs got another label"),
    "accuracy": ({"accuracy": binomial_rate(29, 60)}, "only 48% of the 60 samples"),
}


@pytest.mark.parametrize("value", [0.3, 1.4])
@pytest.mark.parametrize("doubt", DOUBTS)
def test_every_doubt_is_inconclusive(doubt: str, value: float) -> None:
    changes, words = DOUBTS[doubt]
    for judged_by in (PROFILE, None, profile(status="provisional"), profile(status="published")):
        assert words in inconclusive(decide(evidence(value, **changes), judged_by))


def test_doubts_start_beyond_their_limits() -> None:
    assert MAX_FLIP_RATE == 0.02
    exact = evidence(1.4, repeats=binomial_rate(2, 100), accuracy=binomial_rate(30, 60))
    assert decide(exact, PROFILE).name == "no-evidence"


FOUND = TriggerEvidence(True, Reason("trigger-none"), 3)


@pytest.mark.parametrize(
    ("right", "name"),
    [
        (55, "backdoor-suspected"),
        (24, "backdoor-suspected"),
        (14, "inconclusive"),
        (6, "inconclusive"),
    ],
)
def test_a_finding_is_withheld_only_if_the_model_hardly_knows_its_samples(
    right: int, name: str
) -> None:
    # Ten labels: 24 of 60 is far beyond guessing, 14 of 60 is not.
    verdict = decide(evidence(accuracy=binomial_rate(right, 60), trigger=FOUND), None)
    assert verdict.name == name
    doubted = any(reason.code == "low-accuracy" for reason in verdict.reasons)
    assert doubted is (right < 30)


def test_a_poor_model_is_never_cleared() -> None:
    clear = TriggerEvidence(False, Reason("trigger-none"), None, clears=True)
    poor = evidence(accuracy=binomial_rate(24, 60), trigger=clear)
    assert decide(poor, None).name == "inconclusive"
    assert decide(evidence(trigger=clear), None).name == "no-evidence"


def test_what_was_not_asked_raises_no_doubt() -> None:
    assert decide(evidence(1.4, repeats=None, accuracy=None), PROFILE).name == "no-evidence"


@pytest.mark.parametrize("value", [0.0, 0.3, 1.4, 9.9])
def test_without_a_profile_nothing_is_decided(value: float) -> None:
    verdict = decide(evidence(value), None)
    assert "No reference profile was given" in inconclusive(verdict)
    assert verdict.comparisons == ()


@pytest.mark.parametrize("value", [0.0, 0.3, 1.4, 9.9])
def test_a_published_profile_never_decides_but_is_shown(value: float) -> None:
    verdict = decide(evidence(value), profile(status="published"))
    reason = inconclusive(verdict)
    assert "known not to transfer" in reason
    side = "at or below" if value <= 1.0 else "above"
    assert f"RE {value:.3f} is {side} the published 1.000." in reason
    assert len(verdict.comparisons) == 2


def test_a_provisional_profile_suspects_but_never_clears() -> None:
    provisional = profile(status="provisional", references=CLEAN[:4] + BAD)
    assert decide(evidence(0.3), provisional).name == "backdoor-suspected"
    reason = inconclusive(decide(evidence(1.4), provisional))
    assert "provisional (4 clean references) and cannot clear a model" in reason


@pytest.mark.parametrize("status", ["", "Calibrated", "trust-me"])
def test_an_unknown_status_never_decides(status: str) -> None:
    for value in (0.3, 1.4):
        assert "unknown status" in inconclusive(decide(evidence(value), profile(status=status)))


RATES: list[Rate | None] = [
    None,
    binomial_rate(0, 11),
    binomial_rate(2, 20),
    binomial_rate(3, 10),
    binomial_rate(1, 1),
]


@pytest.mark.parametrize("rate", RATES)
def test_a_side_whose_error_is_unknown_or_too_high_supports_no_verdict(rate: Rate | None) -> None:
    flagging = profile(error_rates={**PROFILE.error_rates, "false_positive": rate})
    reason = inconclusive(decide(evidence(0.3), flagging))
    assert "clean references wrongly flagged" in reason
    assert decide(evidence(1.4), flagging).name == "no-evidence"
    clearing = profile(error_rates={**PROFILE.error_rates, "false_negative": rate})
    reason = inconclusive(decide(evidence(1.4), clearing))
    assert "backdoored references missed" in reason
    assert decide(evidence(0.3), clearing).name == "backdoor-suspected"


def test_a_profile_without_error_rates_supports_no_verdict() -> None:
    for value in (0.3, 1.4):
        assert "is unknown" in inconclusive(decide(evidence(value), profile(error_rates={})))


def test_a_threshold_that_is_no_number_clears_nobody() -> None:
    for value in (math.nan, math.inf, -math.inf):
        odd = profile(thresholds={"re": Threshold(value, value, value)})
        assert "no usable threshold for re" in inconclusive(decide(evidence(1.4), odd))


def test_a_score_that_is_no_number_clears_nobody() -> None:
    assert "no usable threshold" in inconclusive(decide(evidence(math.nan), PROFILE))


def test_a_missing_deciding_threshold_clears_nobody() -> None:
    assert "no usable threshold" in inconclusive(decide(evidence(1.4), profile(thresholds={})))
    odd = profile(decides_by="ats_by_label")
    assert "for ats_by_label" in inconclusive(decide(evidence(1.4), odd))


# ---- does the profile fit? ---------------------------------------------------------------------


def check(judged_by: Profile, **changes: Any) -> None:
    audit: dict[str, Any] = {
        "access": "float",
        "settings": {**SETTINGS, "seed": 3, "canaries": 50},
        "input_shape": (1, 28, 28),
        "labels": ("zero", "one"),
    }
    check_profile(judged_by, **{**audit, **changes})


def test_a_profile_that_fits() -> None:
    check(PROFILE)
    check(profile(input_shape=None, labels=None))
    check(PROFILE, labels=None)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("access", {"access": "image"}),
        ("input_shape", {"input_shape": (3, 28, 28)}),
        ("labels", {"labels": ("one", "zero")}),
        *[(name, {"settings": {**SETTINGS, name: "other"}}) for name in SETTINGS],
    ],
)
def test_every_mismatch_is_named_with_both_values(field: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ProfileError) as caught:
        check(PROFILE, **changes)
    message = str(caught.value)
    assert f"profile 'digits' does not fit this audit: its {field} is " in message
    assert ", the audit's is " in message


def without(name: str) -> Profile:
    return profile(settings={key: value for key, value in SETTINGS.items() if key != name})


@pytest.mark.parametrize("name", [name for name in SCORE_SETTINGS if name != "sampler"])
def test_a_profile_that_leaves_a_setting_open_fits_nothing(name: str) -> None:
    with pytest.raises(ProfileError, match=f"its {name} is None"):
        check(without(name))


def test_a_profile_without_a_sampler_means_the_papers() -> None:
    check(without("sampler"))
    message = "does not fit this audit: its sampler is paper, the audit's is frugal"
    with pytest.raises(ProfileError, match=message):
        check(without("sampler"), settings={**SETTINGS, "sampler": "frugal", "points": 16})


def test_every_score_can_decide() -> None:
    estimates = {name: Estimate(0.1, None, None, 1) for name in SCORE_NAMES}
    thresholds = {name: Threshold(0.2, 0.2, 0.2) for name in SCORE_NAMES}
    for name in SCORE_NAMES:
        chosen = profile(decides_by=name, thresholds=thresholds)
        verdict = decide(evidence(scores=estimates), chosen)
        assert [c.score for c in verdict.comparisons if c.decides] == [name]
        assert verdict.name == "backdoor-suspected"


CHANGE = {"kind": "patch", "size": 3, "hits": 58, "samples": 60, "label": 3, "name": "three"}
ERRORS = {"errors": ErrorRates(0, 45, 19, 40)}
WORKS = Reason("trigger-found", {**CHANGE, **ERRORS, "p": 1e-9, "comparisons": 12})
NOTHING = Reason("trigger-ordinary", {**CHANGE, **ERRORS, "p": None})
NATURAL = Reason("trigger-natural", {**CHANGE, "label": 12, "profile": "digits"})
RULE_SAYS = Reason("decision-out-of-scope", {"value": 9.0, "only": KnownOnlyFor("side")})


def test_a_found_trigger_decides_and_no_score_claims_to() -> None:
    found = TriggerEvidence(suspicious=True, reason=WORKS, target=3)
    verdict = decide(evidence(1.4, trigger=found), PROFILE)
    assert verdict.name == "backdoor-suspected"
    assert verdict.reasons == (WORKS,)
    assert verdict.comparisons
    assert not any(comparison.decides for comparison in verdict.comparisons)


def test_of_two_classes_only_what_a_search_finds_decides() -> None:
    nothing = TriggerEvidence(suspicious=False, reason=NOTHING, target=3)
    for trigger in (None, nothing):
        said = inconclusive(decide(evidence(two_classes=True, trigger=trigger), None))
        assert "of two classes" in said
    found = TriggerEvidence(suspicious=True, reason=WORKS, target=3)
    assert decide(evidence(two_classes=True, trigger=found), None).name == "backdoor-suspected"
    doubt = binomial_rate(9, 100)
    inconclusive(decide(evidence(two_classes=True, trigger=found, repeats=doubt), None))


def test_a_search_without_a_find_clears_nothing_by_itself() -> None:
    nothing = TriggerEvidence(suspicious=False, reason=NOTHING, target=3)
    assert decide(evidence(1.4, trigger=nothing), None).name == "inconclusive"
    verdict = decide(evidence(1.4, trigger=nothing), PROFILE)
    assert verdict.name == "no-evidence"
    assert verdict.reasons[0] == NOTHING
    assert len(verdict.reasons) > 1


@pytest.mark.parametrize("unusual", [False, True])
def test_what_is_unusual_beside_references_takes_an_all_clear_away(*, unusual: bool) -> None:
    clear = TriggerEvidence(False, NOTHING, 3, clears=True)
    rule = DecisionEvidence(False, RULE_SAYS, None, unusual=unusual)
    verdict = decide(evidence(trigger=clear, decision=rule), None)
    assert verdict.name == ("inconclusive" if unusual else "no-evidence")


def test_a_natural_trigger_neither_accuses_nor_clears() -> None:
    natural = TriggerEvidence(False, NATURAL, 12, natural=True)
    for value in (1.4, 0.3):
        verdict = decide(evidence(value, trigger=natural), PROFILE)
        # Low plane scores still accuse by themselves; high ones do not clear.
        assert verdict.name == ("inconclusive" if value > 1 else "backdoor-suspected")
        assert verdict.reasons[0] == NATURAL
    assert not any(c.decides for c in decide(evidence(1.4, trigger=natural), PROFILE).comparisons)


def test_a_natural_trigger_does_not_hide_what_the_rule_found() -> None:
    natural = TriggerEvidence(False, NATURAL, 12, natural=True)
    rule = DecisionEvidence(True, RULE_SAYS, 3)
    verdict = decide(evidence(1.4, trigger=natural, decision=rule), PROFILE)
    assert (verdict.name, verdict.reasons) == ("backdoor-suspected", (RULE_SAYS,))


def test_a_doubt_about_the_answers_outweighs_a_found_trigger() -> None:
    found = TriggerEvidence(suspicious=True, reason=WORKS, target=3)
    for doubt in ({"problem": CUT_OFF}, {"repeats": binomial_rate(9, 100)}):
        inconclusive(decide(evidence(1.4, trigger=found, **doubt), PROFILE))


@pytest.mark.parametrize(
    ("made", "sent", "words"),
    [
        ("lossless", "jpeg:75", "made with lossless pictures .* travelled as JPEG of quality 75"),
        ("jpeg:90", "lossless", "made with JPEG of quality 90 .* travelled as lossless pictures"),
        ("jpeg:90", "jpeg:75", "made with JPEG of quality 90 .* travelled as JPEG of quality 75"),
    ],
)
def test_thresholds_made_through_another_picture_coding_decide_nothing(
    made: str, sent: str, words: str
) -> None:
    for value in (0.3, 1.4):
        verdict = decide(evidence(value, coding=sent), profile(coding=made))
        assert re.search(words, inconclusive(verdict))
        assert decide(evidence(value, coding=made), profile(coding=made)).name != "inconclusive"
