"""What the buyer reads: how sure, what to ask, when to test again; and the formal statements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from auditor.measured import of_earlier_search, small_label_rates, trigger_clearing
from auditor.plan.digest import SMALL_TOLD, searched_before
from auditor.report.json_report import result_of
from auditor.report.wording.buyer import how_sure, retest, retest_by, vendor_questions
from auditor.report.wording.deciding import deciding_effort, ends_of
from auditor.report.wording.formal import (
    decision_rule,
    deviations,
    risk_rows,
    risks,
    rule_words,
    sampling,
)
from auditor.report.wording.summary import summary
from auditor.scores.intervals import binomial_rate
from auditor.verdict.clearing import MOST_MISSED
from auditor.verdict.label_scope import errors_of, rates_for, usual_cleared

MakeReport = Callable[..., dict[str, Any]]
HELD_OUT = {
    "false_positive": {"rate": 1 / 21, "low": 0.0012, "high": 0.238, "n": 21},
    "false_negative": {"rate": 10 / 56, "low": 0.089, "high": 0.304, "n": 56},
}


def test_error_rates_are_said_in_natural_frequencies(make_report: MakeReport) -> None:
    said = " ".join(how_sure(result_of(make_report("no-evidence"))))
    assert "Of 100 backdoored models like the references, about 12 would be missed" in said
    assert "anything from 3 to 32 cannot be excluded (measured on 24 models)" in said


def test_a_found_trigger_brings_its_own_error_rates(make_report: MakeReport) -> None:
    report = make_report("backdoor-suspected")
    report["trigger"] |= {"suspicious": True, "p": 0.00017, "held_out": HELD_OUT}
    said = " ".join(how_sure(result_of(report)))
    assert "at most 5%; here it is 0.00017" in said
    assert "about 5 would wrongly be called suspicious" in said
    assert "like the references" not in said


def test_an_inconclusive_audit_says_what_stands_in_the_way(make_report: MakeReport) -> None:
    report = make_report("inconclusive", profile=False)
    report["partial"] = True
    report["canaries"] |= {"flipped": 7}
    said = " ".join(how_sure(result_of(report)))
    assert "no answer to be sure of" in said
    assert "No reference profile was applied" in said
    assert "7 of 100 inputs got another label" in said
    assert "can be resumed" in said


def test_a_cap_that_ended_an_audit_is_explained(make_report: MakeReport) -> None:
    report = make_report("inconclusive", profile=False)
    report |= {"partial": True, "trigger": None}
    report["queries"] |= {"budget_reached": True, "sent_all_runs": 1234}
    said = " ".join(how_sure(result_of(report)))
    assert "The cap on queries ended the audit after 1,234." in said
    assert "only an audit that comes to its end can clear a model" in said
    assert "The rates are of models" not in said


@pytest.mark.parametrize(("labels", "more"), [(10, False), (1000, True)])
def test_the_classes_of_the_measured_models_are_said(
    make_report: MakeReport,
    labels: int,
    more: bool,  # noqa: FBT001 - parametrised
) -> None:
    report = make_report("inconclusive", profile=False)
    report["settings"]["effort"] = "standard"
    report["input"]["shape"] = [1, 48, 48]
    report["trigger"]["best"] |= {"family": "field", "key": "weak-field4", "place": None}
    report["trigger"]["findings"] = [report["trigger"]["best"]]
    report["trigger"]["held_out"] = HELD_OUT
    report["labels"] = {str(number): str(number) for number in range(labels)}
    result = result_of(report)
    low, high = rates_for((1, 48, 48), "png", 10)["standard"].tasks
    for said in (how_sure(result)[-1], summary(result).sure):
        assert f"The rates are of models of {low} to {high} classes." in said
        assert ("This model has 1,000 classes, more than any of those" in said) is more


def test_questions_follow_the_verdict(make_report: MakeReport) -> None:
    report = make_report("backdoor-suspected")
    report["trigger"] |= {"suspicious": True}
    asked = vendor_questions(result_of(report))
    assert "Patch, 3 × 3 pixels" in asked[0]
    assert "“Dress”" in asked[0]
    report = make_report("inconclusive", profile=False)
    report["samples"]["accuracy"] = 0.1
    report["canaries"]["flipped"] = 3
    said = " ".join(vendor_questions(result_of(report)))
    assert "different labels" in said
    assert "10.0%" in said
    assert "trained the same way" in said
    lists = [
        tuple(vendor_questions(result_of(make_report(v)))) for v in ("no-evidence", "inconclusive")
    ]
    assert lists[0] != lists[1]
    assert all(line.endswith("?") for line in lists[0])


def test_only_a_verdict_that_may_be_relied_on_has_a_last_day(make_report: MakeReport) -> None:
    day = retest_by(result_of(make_report("no-evidence")))
    assert day is not None
    assert day.isoformat() == "2027-11-03"
    said = " ".join(retest(result_of(make_report("no-evidence"))))
    assert "By 2027-11-03, at the latest (365 days: a convention" in said
    assert "fingerprint" in said
    for verdict in ("backdoor-suspected", "inconclusive"):
        assert retest_by(result_of(make_report(verdict))) is None
        assert retest(result_of(make_report(verdict)))


@pytest.mark.parametrize("finished", ["soon", "9999-12-31T00:00:00+00:00", ""])
def test_a_strange_date_gives_no_date(make_report: MakeReport, finished: str) -> None:
    report = make_report("no-evidence")
    report["timing"]["finished"] = finished
    assert retest_by(result_of(report)) is None
    assert retest(result_of(report))[0].startswith("Within a year")


def test_both_risks_of_each_part_are_stated(report: dict[str, Any]) -> None:
    report["trigger"]["held_out"] = HELD_OUT
    found = [
        (r.part, *(rate and rate.n for rate in (r.reject, r.missed)))
        for r in risks(result_of(report))
    ]
    assert found == [("trigger search", 21, 56), ("plane scores", 20, 24)]
    report["trigger"]["held_out"] = None
    assert risks(result_of(report))[0].reject is None
    assert risk_rows(result_of(report))[0][1:4] == ("unknown",) * 3
    report["profile"]["status"] = "published"
    assert {risk.part for risk in risks(result_of(report))} == {"trigger search"}


@pytest.fixture
def photo(make_report: MakeReport) -> MakeReport:
    """Builds reports of photographs of a side, searched label by label without a finding."""

    def make(side: int, effort: str, verdict: str = "no-evidence") -> dict[str, Any]:
        report = make_report(verdict, profile=False)
        report["settings"]["effort"] = effort
        report["input"]["shape"] = [1, side, side]
        report["scores"]["decision"] = None
        finding = report["trigger"]["findings"][0] | {
            "family": "field", "key": "weak-field4", "place": None,
        }  # fmt: skip
        rates = errors_of(rates_for((1, side, side), "float32", 10)[effort])
        held = {
            "false_positive": asdict(binomial_rate(rates.false_alarms, rates.clean)),
            "false_negative": asdict(binomial_rate(rates.missed, rates.backdoored)),
        }
        report["trigger"] |= {"best": None, "p": None, "findings": [finding], "held_out": held}
        for plane, classes in zip(report["planes"], ([0, 1, 2], [2, 3, 4]), strict=False):
            plane["triplet_classes"] = classes
        return report

    return make


@pytest.mark.parametrize(("side", "level"), [(64, "1%"), (97, "0.1%"), (236, "0.1%")])
def test_the_rule_of_photographs_is_that_which_is_applied(
    photo: MakeReport, side: int, level: str
) -> None:
    result = result_of(photo(side, "thorough"))
    rates = rates_for((1, side, side), "float32", 10)["thorough"]
    (said, _) = rule_words(result)
    assert f"with a chance of at most {level}, all attempts counted" in said
    assert "share of false rejects is below 25% with its whole 95 % interval. No evidence: " in said
    assert "share of false accepts is below 20% likewise. All else" in said
    assert "reference" not in said
    ((part, reject, missed, accept, basis),) = risk_rows(result)
    assert part == "trigger search"
    for cell, hits, models in (
        (reject, rates.accused, rates.clean),
        (missed, rates.usual - rates.usual_found, rates.usual),
        (accept, *usual_cleared(rates)),
    ):
        found = binomial_rate(hits, models)
        assert cell == f"{hits} of {models} ({found.low:.0%} to {found.high:.0%})"
    bad = binomial_rate(*usual_cleared(rates))
    assert bad.high < MOST_MISSED
    low, high = (64, 96) if side == 64 else (97, 320)
    models = rates.clean + rates.usual
    population = f"photo models of this project, {low} to {high} pixels"
    more = (
        f"; cleared: {rates.clean + bad.n}, of earlier searches too" if bad.n != rates.usual else ""
    )
    assert basis == f"{models} held-out {population}{more}"
    sure, of = how_sure(result)
    assert of == "The rates are of models of 5 to 10 classes."
    assert f"of 100 with a backdoor for all classes about {100 * bad.rate:.0f} would too" in sure
    assert f"(measured on {rates.clean + bad.n} held-out {population})" in sure


@pytest.mark.parametrize(("side", "effort"), [(64, "standard"), (300, "thorough")])
def test_a_search_that_clears_no_model_says_so(photo: MakeReport, side: int, effort: str) -> None:
    result = result_of(photo(side, effort, "inconclusive"))
    assert risk_rows(result)[0][3] == "clears none"
    assert "No evidence: not by such an audit" in rule_words(result)[0]


def test_the_further_searches_have_a_level_of_their_own(photo: MakeReport) -> None:
    (said, _) = rule_words(result_of(photo(64, "exhaustive")))
    assert "at most 1% (0.01% for the patches of further searches)" in said
    # Larger ones speak against no all-clear there, and any does at other efforts.
    assert "no patch of up to 6 pixels a side that carries a label, where" in said
    (usual, _) = rule_words(result_of(photo(64, "thorough")))
    assert "no patch that carries a label, where" in usual
    with of_earlier_search(**searched_before(14)):
        (before, _) = rule_words(result_of(photo(64, "exhaustive")))
    assert "at most 0.5% (0.01%" in before
    assert "no patch that carries a label, where" in before


@pytest.mark.parametrize(
    ("side", "size", "effort", "clears"),
    [(64, 8, "thorough", True), (64, 6, "thorough", False), (64, 8, "exhaustive", False),
     (56, 8, "thorough", False), (97, 14, "thorough", False)],
)  # fmt: skip
def test_a_weak_spot_by_a_large_patch_sends_to_the_effort_that_can_clear_all_the_same(
    photo: MakeReport, side: int, size: int, effort: str, *, clears: bool
) -> None:
    report = photo(side, effort, "inconclusive")
    patch = report["trigger"]["findings"][0] | {
        "family": "patch", "key": "small-patch6", "size": size, "place": [0, 0],
    }  # fmt: skip
    report["trigger"] |= {
        "best": patch, "p": 0.9, "findings": [patch], "suspicious": False, "natural": False,
    }  # fmt: skip
    reached = deciding_effort(result_of(report))
    assert (reached is not None) is clears
    if reached is not None:
        assert reached[0] == "exhaustive"
        assert ends_of(result_of(report), reached[1]).startswith("accuse or")
    with of_earlier_search(**searched_before(14)):
        assert deciding_effort(result_of(report)) is None


def test_small_pictures_at_thorough_rest_on_their_first_search_too(photo: MakeReport) -> None:
    for version, twice in ((SMALL_TOLD - 1, True), (SMALL_TOLD, False)):
        with of_earlier_search(**searched_before(version)):
            rows = risk_rows(result_of(photo(32, "thorough")))
            first, own = trigger_clearing(), small_label_rates()[0].efforts["thorough"]
        cleared = [row[3].partition(" (")[0] for row in rows]
        assert cleared[0] == f"{own.usual_cleared} of {own.usual}"
        # Where enough models bound what both searches clear, their own count says it all.
        assert cleared[1:] == ([f"{first.missed} of {first.backdoored}"] if twice else [])
        assert all(row[1:3] == ("–", "–") for row in rows[1:])


def test_the_rule_names_its_threshold(report: dict[str, Any]) -> None:
    assert "beside the threshold 1.104" in " ".join(decision_rule(result_of(report)))


def test_deviations_are_found_not_written(make_report: MakeReport) -> None:
    report = make_report(planes=20, density=100)
    assert deviations(result_of(report)) == ["None."]
    report["settings"]["density"] = 25
    report |= {"partial": True, "trigger": None, "canaries": None, "access": "image"}
    report["queries"] |= {"unknown": 1, "budget_reached": True}
    said = " ".join(deviations(result_of(report)))
    for part in (
        "a grid of 25 x 25 points a plane (published: a grid of 100 x 100)",
        "never seen: 1 query.",
        "budget",
        "8 bits",
        "No trigger search",
        "drift was not checked",
    ):
        assert part in said, part


def test_density_is_no_deviation_where_it_only_draws_pictures(make_report: MakeReport) -> None:
    report = make_report(planes=20, density=60)
    report["settings"] |= {"sampler": "frugal", "points": 16, "pictures": 0}
    (said,) = deviations(result_of(report))
    assert "60" not in said
    report["settings"] |= {"pictures": 4}
    assert (
        "ATS from 4 maps of 60 x 60 points, most of them filled" in deviations(result_of(report))[0]
    )
    assert "16 scattered points a plane (published: a grid of 100 x 100)" in said
    assert "every class its turn (published: drawn one by one)" in said


def test_sampling_says_how_many_and_whose_choice(report: dict[str, Any]) -> None:
    said = " ".join(sampling(result_of(report)))
    assert "60 clean samples were given" in said
    assert "57 of them span the planes, drawn with seed 0" in said
    assert "no random sample" in said
