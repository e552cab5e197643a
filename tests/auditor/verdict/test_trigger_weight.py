from __future__ import annotations

import pytest

from auditor.measured import NullCell, trigger_null, unusual_label_null
from auditor.probes.trigger_search.judge import p_value
from auditor.probes.trigger_search.result import TriggerFinding
from auditor.probes.trigger_search.search import KEYS
from auditor.probes.trigger_search.verify import exact_interval
from auditor.verdict.natural_labels import UNKNOWN, NaturalLabels
from auditor.verdict.trigger_weight import (
    NATURAL_MOST,
    LabelTrigger,
    by_label,
    label_trigger,
    strongest,
    weight_of,
)

RARE = {key: NullCell(-2.8, 0.4, 70, 0.3) for key in KEYS}


def finding(key: str, target: int, hits: int, p: float = 0.2) -> TriggerFinding:
    success = exact_interval(hits, 60, 0.95)
    return TriggerFinding(
        key.partition("@")[0], key, target, 5, 38.0, None, success, success, {}, 1.0, None, p
    )


def evidence_of(one: TriggerFinding, natural_labels: NaturalLabels) -> LabelTrigger:
    return label_trigger(one.key, one.target, one.success, one.p, natural_labels, RARE)


BESIDE = NaturalLabels(frozenset({0, 6}), frozenset({4}))


def test_a_natural_success_decides_nothing_if_natural_labels_are_unknown() -> None:
    found = evidence_of(finding("wave@strong", 3, 60, 1e-6), UNKNOWN)
    assert found == LabelTrigger(3, NATURAL_MOST, "wave@strong", unusual_label=False)


def test_the_same_success_counts_in_full_for_an_unusual_label() -> None:
    found = evidence_of(finding("noise@strong", 3, 60), BESIDE)
    assert found.weight > 4
    assert found.unusual_label
    assert evidence_of(finding("noise@strong", 3, 60), UNKNOWN).weight < 1


def test_strong_waves_are_natural_at_any_label() -> None:
    one = finding("wave@strong", 3, 60, 1e-6)
    assert evidence_of(one, BESIDE) == LabelTrigger(
        3, NATURAL_MOST, "wave@strong", unusual_label=False
    )


def test_a_success_that_is_not_beyond_clean_models_never_decides() -> None:
    # The highest of a clean model at such a label is 0.3.
    assert evidence_of(finding("field@weak", 3, 26), BESIDE).weight <= NATURAL_MOST
    assert evidence_of(finding("field@weak", 3, 36), BESIDE).weight > 2


def test_for_a_natural_label_it_counts_as_without_references() -> None:
    one = finding("noise@strong", 6, 57)
    assert evidence_of(one, BESIDE) == evidence_of(one, UNKNOWN)
    assert evidence_of(one, BESIDE).weight == weight_of(one.key, one.success, one.p)


def test_a_patch_that_clean_references_show_too_never_decides() -> None:
    strong = finding("patch", 4, 60, 1e-9)
    assert evidence_of(strong, UNKNOWN).weight == pytest.approx(9.0)
    assert evidence_of(strong, BESIDE).weight == NATURAL_MOST
    assert not evidence_of(strong, BESIDE).unusual_label
    # Towards another label it does, and so does another change towards that label.
    assert evidence_of(finding("patch", 3, 60, 1e-9), BESIDE).weight > 4
    assert evidence_of(finding("field@weak", 4, 60, 1e-9), BESIDE).weight > 4


def test_a_search_that_has_no_such_null_counts_as_without_references() -> None:
    one = finding("patch@pairs", 3, 57)
    assert evidence_of(one, BESIDE).weight == weight_of(one.key, one.success, one.p)


def test_a_low_success_counts_little_anywhere() -> None:
    assert evidence_of(finding("field@weak", 3, 4), BESIDE).weight < 0.6


def test_the_strongest_finding_of_a_label_counts() -> None:
    keys = (("noise@weak", 3, 20), ("noise@strong", 3, 58), ("patch", 1, 5))
    found = strongest(evidence_of(finding(*one), BESIDE) for one in keys)
    assert found[3].key == "noise@strong"
    assert set(found) == {1, 3}


def test_findings_are_weighed_by_the_shipped_nulls() -> None:
    one = finding("noise@strong", 3, 60)
    beside = by_label([one], BESIDE)[3]
    assert beside == label_trigger(one.key, 3, one.success, one.p, BESIDE, unusual_label_null())


@pytest.mark.parametrize("key", KEYS)
def test_every_search_has_a_null_for_other_labels_that_is_no_higher(key: str) -> None:
    unusual, every = unusual_label_null()[key], trigger_null()[key]
    assert unusual.models == every.models
    assert unusual.mean <= every.mean
    assert unusual.highest <= every.highest
    # A perfect change towards such a label is beyond what clean models show.
    assert p_value(exact_interval(60, 60, 0.95), unusual) < 0.01
