"""The first screen's sentences, by the end that an audit came to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from auditor.measured import search_queries, small_told_label_null
from auditor.probes.label_search.judge import LEVEL_TOLD
from auditor.probes.trigger_search.search import KEYS
from auditor.report.json_report import result_of
from auditor.report.wording.buyer import vendor_questions
from auditor.report.wording.coverage import KINDS, coverage_rows, kinds_caption, kinds_rows
from auditor.report.wording.deciding import ends_of
from auditor.report.wording.glossary import GLOSSARY, marked
from auditor.report.wording.search import kinds_tried, other_search, strongest
from auditor.report.wording.summary import Summary, summary
from auditor.report.wording.terms import likely_target
from auditor.report.wording.verdict import wording
from auditor.verdict.label_scope import rates_for

MakeReport = Callable[..., dict[str, Any]]
RATES = {
    "false_positive": {"rate": 1 / 40, "low": 0.0, "high": 0.13, "n": 40},
    "false_negative": {"rate": 20 / 85, "low": 0.15, "high": 0.34, "n": 85},
}


def _said(report: dict[str, Any]) -> Summary:
    return summary(result_of(report))


@pytest.fixture
def found(make_report: MakeReport) -> dict[str, Any]:
    report = make_report("backdoor-suspected")
    report["trigger"] |= {"suspicious": True, "p": 0.0012, "held_out": RATES}
    return report


def test_a_found_patch_is_named_with_its_counts_and_clean_models(found: dict[str, Any]) -> None:
    said = _said(found)
    assert said.reason == (
        "A patch of 3 × 3 pixels sends 9 of 46 fresh samples to “Dress”; clean models reached up "
        "to 75%."
    )
    assert said.sure == (
        "About 1 in 830 clean models would show this. Such a search wrongly accused 1 of 40 clean "
        "models; up to 13% cannot be excluded."
    )
    assert "vendor" in said.steps[0]


def test_pairs_of_one_patch_are_named_and_no_single_target(found: dict[str, Any]) -> None:
    share = {"hits": 25, "samples": 26, "rate": 25 / 26, "low": 0.8, "high": 1.0}
    best = found["trigger"]["best"] | {"success": share, "key": "patch@several"}
    pairs = [best | {"target": t, "by_source": {s: share}} for s, t in (("0", 3), ("3", 1))]
    others = [{**one, "texture": None} for one in pairs]
    found["trigger"] |= {"best": pairs[0], "findings": others, "alone": 5}
    result, names = result_of(found), found["labels"]
    sent = (
        f"25 of 26 fresh samples of “{names['0']}” to “{names['3']}” and "
        f"25 of 26 fresh samples of “{names['3']}” to “{names['1']}”"
    )
    assert summary(result).reason == f"A patch of 3 × 3 pixels sends {sent}."
    assert "several classes" in wording(result).plain
    assert "one label to samples" not in " ".join(wording(result).means)
    said = likely_target(result)
    assert said is not None
    assert "several targets" in said
    assert sent in vendor_questions(result)[0]
    rows = {row[0]: row[2] for row in coverage_rows(result)}
    assert rows["A trigger for one class only"] == "not searched"
    found["trigger"]["queries_by_stage"]["sources"] = 9000
    rows = {row[0]: row[2] for row in coverage_rows(result_of(found))}
    assert rows["A trigger for one class only"] == "9,000 queries of 5 labels"
    assert result.trigger is not None
    assert kinds_tried(result.trigger) == 0
    # One that leaves a model open is no trigger that was found.
    found["trigger"]["suspicious"] = False
    found["verdict"] = "inconclusive"
    open_ = result_of(found)
    assert "may be natural or planted" in summary(open_).reason
    assert "several targets" not in (likely_target(open_) or "")


def test_a_patch_for_one_class_is_not_the_strongest_change_of_all(found: dict[str, Any]) -> None:
    share = {"hits": 15, "samples": 15, "rate": 1.0, "low": 0.78, "high": 1.0}
    pair = found["trigger"]["best"] | {"success": share, "key": "patch@pair", "texture": None}
    found["trigger"]["findings"] = [*found["trigger"]["findings"], pair]
    result = result_of(found)
    assert result.trigger is not None
    one = strongest(result.trigger)
    assert one is not None
    assert one.success.rate < 1.0
    found["trigger"]["findings"] = [pair]
    result = result_of(found)
    assert result.trigger is not None
    assert strongest(result.trigger) is None


@pytest.mark.parametrize(
    ("p", "words"),
    [(0.05, "1 in 20 "), (0.017, "1 in 59 "), (1e-9, "Fewer than 1 in 1,000")],
)
def test_a_chance_is_said_in_natural_frequencies(
    found: dict[str, Any], p: float, words: str
) -> None:
    found["trigger"]["p"] = p
    assert words in _said(found).sure


def test_the_least_change_is_named_with_its_strength(found: dict[str, Any]) -> None:
    weak = {"family": "field", "key": "weak-field4", "size": 4, "strength": 9.01, "place": None}
    found["trigger"]["best"] |= weak
    found["settings"]["effort"] = "thorough"
    found["input"]["shape"] = [1, 28, 28]
    reason = _said(found).reason
    assert reason.startswith("A fixed smooth pattern added to the picture, 9 of 255 grey levels,")
    least = 2 ** small_told_label_null().of("thorough", 10)["weak-field4"].least
    assert f"clean models need {least:.0f} grey levels or more" in reason


def test_no_evidence_says_what_was_tried_and_missed(make_report: MakeReport) -> None:
    report = make_report("no-evidence")
    report["trigger"]["held_out"] = RATES
    said = _said(report)
    assert said.reason.startswith("1 kind of change tried, none beyond what clean models show")
    # As a buyer has to compare them, both numbers stand side by side.
    assert said.reason.endswith("(clean models: up to 75%; planted: 37 of 46 or more).")
    assert said.sure == (
        "Not certain: such a search missed 20 of 85 known backdoors, so one may still be there."
    )


def test_what_nobody_measured_is_not_said_of_clean_models(make_report: MakeReport) -> None:
    report = make_report("inconclusive", profile=False)
    report["input"]["shape"] = [1, 64, 128]
    report["trigger"]["reason"] = (
        "At best a patch does it; what clean models show is known only for others."
    )
    reason = _said(report).reason
    assert "what clean models show is not known for such pictures: the strongest" in reason
    assert "(clean models:" not in reason
    assert "none beyond" not in reason


def test_an_interruption_is_the_reason_and_its_rest_the_price(make_report: MakeReport) -> None:
    report = make_report("inconclusive", profile=False)
    report |= {"partial": True, "trigger": None}
    report["settings"]["trigger_search"] = True
    said = _said(report)
    assert said.reason.startswith("The audit was interrupted before its end: 4 of 4 planes")
    assert "the trigger search not finished" in said.reason
    assert said.sure.startswith("Not at all: what was not asked yet")
    left = f"about {search_queries().not_found.mean:,.0f} queries where the search finds nothing"
    assert left in said.steps[0]
    report["queries"]["budget_reached"] = True
    said = _said(report)
    assert said.reason.startswith("The query budget ran out")
    assert "The cap on queries ended the audit after" in said.reason
    assert "decides nothing, neither way" in said.reason
    assert "--max-queries" in said.steps[0]


def test_what_stands_in_the_way_comes_before_what_was_found(make_report: MakeReport) -> None:
    report = make_report("inconclusive", profile=False)
    assert "too little to call the model clean" in _said(report).reason
    assert "xray-audit calibrate" in _said(report).steps[0]
    report["samples"]["accuracy"] = 0.1
    assert "labels only 10% of the clean samples" in _said(report).reason
    assert "xray-audit check" in _said(report).steps[0]
    report["canaries"] |= {"flipped": 9, "rate": 0.09}
    assert "9 of 100 inputs got another label" in _said(report).reason
    finding = {"code": "swapped", "reason": "Another model answered. More.", "p": 0.001}
    report["trust"]["findings"] = [finding]
    assert _said(report).reason == "Another model answered."


def test_a_finding_that_decides_nothing_says_how_often_it_would_be_wrong(
    make_report: MakeReport,
) -> None:
    report = make_report("inconclusive", profile=False)
    report["settings"]["effort"] = "standard"
    report["input"]["shape"] = [1, 48, 48]
    report["trigger"]["best"] |= {"family": "field", "key": "weak-field4", "place": None}
    report["trigger"]["p"] = 0.004
    rates = rates_for((3, 48, 48), "png", 10)["standard"]
    said = _said(report)
    assert f"{rates.accused} of {rates.clean} clean models were accused" in said.reason
    assert "answers “Dress”" in said.steps[0]
    # Random noise never accuses, however rare it is in clean models.
    report["trigger"]["best"] |= {"family": "random noise", "key": "random-noise"}
    assert "were accused" not in _said(report).reason


def test_what_a_search_finds_is_told_by_kind_of_backdoor(make_report: MakeReport) -> None:
    report = make_report("inconclusive", profile=False)
    assert kinds_rows(result_of(report)) == []
    report["settings"]["effort"] = "thorough"
    report["input"]["shape"] = [1, 64, 64]
    report["trigger"]["findings"][0] |= {"family": "field", "key": "weak-field4", "place": None}
    # What was not measured when the audit was judged is not said of it later.
    report["trigger"]["held_out"] = None
    assert kinds_rows(result_of(report)) == []
    report["trigger"]["held_out"] = RATES
    rows = kinds_rows(result_of(report))
    rates = rates_for((3, 64, 64), "png", 10)["thorough"]
    measured = rates.kinds
    assert len(rows) == len(measured) + 2
    (adaptive,) = (found for name, found in rows if "adaptive" in name)
    assert adaptive.startswith(f"{rates.adaptive_found} of {rates.adaptive} (")
    assert "of this project, 64 to 96 pixels" in kinds_caption(result_of(report))
    waves = next(one for one in measured if one.kind == "sig")
    assert dict(rows)["a wave"].startswith(f"{waves.hits} of {waves.models} (")
    assert not {name for name, _ in rows} & set(KINDS)
    assert rows[-1][1] == "not sought"


@pytest.mark.parametrize(
    ("p", "samples", "encoding", "words"),
    [
        (0.1, 60, "float", "One of them is too unusual among clean models"),
        (0.9, 40, "float", "To call the model clean, 100 samples or more are needed."),
        (0.9, 60, "jpeg:90", "To call the model clean, the pictures must reach it without loss."),
    ],
)
def test_what_keeps_small_pictures_from_an_all_clear_is_said(
    make_report: MakeReport, p: float, samples: int, encoding: str, words: str
) -> None:
    report = make_report("inconclusive")
    report["input"] |= {"encoding": encoding}
    report["trigger"] |= {
        "p": p, "looks_paid": len(KEYS), "search_samples": samples, "fresh_samples": samples,
        "held_out": RATES,
    }  # fmt: skip
    for plane, classes in zip(report["planes"], ([0, 1, 2], [2, 3, 4]), strict=False):
        plane["triplet_classes"] = classes
    assert words in _said(report).reason


@pytest.mark.parametrize("verdict", ["backdoor-suspected", "no-evidence", "inconclusive"])
def test_no_end_is_a_bare_refusal(make_report: MakeReport, verdict: str) -> None:
    for profile in (True, False):
        said = _said(make_report(verdict, profile=profile))
        assert "supports no verdict" not in f"{said.reason} {said.sure}"
        assert all(len(part.split()) < 50 for part in (said.reason, said.sure, said.uncovered))
        assert said.steps


def test_coverage_lists_what_was_left_out(make_report: MakeReport) -> None:
    report = make_report("inconclusive")
    report["not_asked"] = {"because": "suspected", "planes": 2, "family_queries": 0}
    rows = {row[0]: row[2] for row in coverage_rows(result_of(report))}
    planes = rows["A label that floods the space between samples"]
    assert planes == "4 of 4 answered, 2 left out as the verdict stood without"
    assert rows["Classes exchanged among each other (all-to-all)"] == "not searched"
    # An interruption leaves out what it does not reach, whatever stands in the report.
    report["partial"] = True
    rows = {row[0]: row[2] for row in coverage_rows(result_of(report))}
    assert "2 not reached" in rows["A label that floods the space between samples"]


def test_a_word_is_explained_where_it_is_first_used() -> None:
    pieces = list(marked("Fresh samples and fresh samples, trigger by trigger."))
    assert "".join(piece for piece, _ in pieces) == (
        "Fresh samples and fresh samples, trigger by trigger."
    )
    assert [piece for piece, about in pieces if about] == ["fresh samples", "trigger"]
    assert all(about in {"", *GLOSSARY.values()} for _, about in pieces)


@pytest.mark.parametrize(("key", "p"), [("small-patch6", 0.9), ("weak-wave", 0.02)])
def test_a_weak_spot_is_no_ordinary_finding(
    make_report: MakeReport, key: str, p: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = make_report("inconclusive")
    report["settings"]["effort"] = "thorough"
    report["input"]["shape"] = [1, 28, 28]
    family = "patch" if key.startswith("small") else "wave"
    report["trigger"] |= {"suspicious": False, "natural": False, "p": p, "held_out": RATES}
    report["trigger"]["best"] |= {"key": key, "family": family}
    report["trigger"]["findings"] = [report["trigger"]["best"]]
    said = _said(report).reason
    assert said.endswith("Few clean models have such a weak spot: it may be natural or planted.")
    # Without measured false alarms that is the reason why a rare one does not accuse.
    monkeypatch.setattr("auditor.report.wording.deciding.rates_for", lambda *_: {})
    unsafe = "not yet safe enough to accuse" in _said(report).reason
    assert unsafe is (p <= LEVEL_TOLD and family == "wave")
    report["trigger"]["p"] = LEVEL_TOLD
    assert "not yet safe enough to accuse" in _said(report).reason


@pytest.mark.parametrize(
    ("trigger", "verdicts"),
    [
        ({"p": 0.9, "search_samples": 50, "fresh_samples": 50}, "accuse or clear"),
        ({"p": 0.9}, "accuse or, with 100 samples or more, clear"),
        ({"natural": True, "p": 0.001}, "accuse"),
    ],
)
def test_a_habit_can_be_accused_but_not_cleared_by_a_dearer_search(
    make_report: MakeReport, trigger: dict[str, Any], verdicts: str
) -> None:
    report = make_report("inconclusive")
    report["trigger"] |= {"suspicious": False, "natural": False, "held_out": RATES, **trigger}
    rates = rates_for((1, 28, 28), "png", 10)["thorough"]
    assert ends_of(result_of(report), rates) == verdicts


@pytest.mark.parametrize(
    ("p", "words"), [(0.9, "as clean models show too"), (0.1, "which few clean models show")]
)
def test_the_other_search_stands_beside_clean_models(
    found: dict[str, Any], p: float, words: str
) -> None:
    best = {**found["trigger"]["best"], "texture": None}
    found["trigger"]["other"] = {"by_label": False, "kinds": 13, "p": p, "best": best}
    result = result_of(found)
    assert result.trigger is not None
    assert result.trigger.other is not None
    assert other_search(result, result.trigger.other).endswith(f"{words}.")
    assert kinds_tried(result.trigger) == 13 + len(result.trigger.findings)
