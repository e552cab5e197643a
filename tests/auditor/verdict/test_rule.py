from __future__ import annotations

import numpy as np
import pytest

from auditor.measured import Rule, ValueNull, decision_rule
from auditor.plan.settings import PERTURBATION_QUERIES
from auditor.probes.perturbations.catalogue import CATALOGUE
from auditor.probes.trigger_search.search import KEYS
from auditor.probes.trigger_search.verify import exact_interval
from auditor.verdict.excess import Excess
from auditor.verdict.rule import LEAST_P, LEVEL, decide_value, p_of
from auditor.verdict.trigger_weight import LabelTrigger, weight_of

NULL = ValueNull(0.8, 0.3, 30, 1.6)
SMALL = Rule(("noise:76",), 0.5, 0.0)


def excess(values: list[float]) -> Excess:
    by_label = np.array(values)
    return Excess(by_label, {"noise:76": by_label}, np.ones(len(values)), 8)


def triggers(**weights: float) -> dict[int, LabelTrigger]:
    return {int(k[1:]): LabelTrigger(int(k[1:]), v, "patch") for k, v in weights.items()}


def test_without_any_evidence_the_value_is_zero_and_nothing_is_suspected() -> None:
    decision = decide_value({}, None, SMALL, NULL)
    assert decision.value == 0.0
    assert not decision.suspicious
    assert decision.labels == ()


def test_both_kinds_add_up_where_they_agree_on_a_label() -> None:
    agree = decide_value(triggers(l2=1.0), excess([0, 0, 2.0]), SMALL, NULL)
    differ = decide_value(triggers(l1=1.0), excess([0, 0, 2.0]), SMALL, NULL)
    assert agree.value == pytest.approx(2.0)
    assert differ.value == pytest.approx(1.0)
    assert agree.p < differ.p
    assert agree.labels[0].label == 2
    assert agree.labels[0].said_by == ("trigger search", "families")


def test_perturbations_that_say_nothing_do_not_speak_for_a_label() -> None:
    alone = decide_value(triggers(l2=3.0), None, SMALL, NULL)
    against = decide_value(triggers(l2=3.0), excess([0, 0, -4.0]), SMALL, NULL)
    assert against.value == alone.value


def test_a_trigger_alone_names_its_label_and_its_probe() -> None:
    decision = decide_value(triggers(l4=5.0, l1=0.2), None, SMALL, None)
    assert decision.suspicious
    assert decision.labels[0].label == 4
    assert decision.labels[0].said_by == ("trigger search",)
    assert decision.references == 0
    assert decision.shift is None


def test_the_perturbations_alone_can_say_so() -> None:
    decision = decide_value({}, excess([0, 4.0, 0]), SMALL, NULL)
    assert decision.suspicious
    assert decision.labels[0].said_by == ("families",)


def test_a_label_that_the_perturbations_never_saw_counts_by_its_trigger() -> None:
    decision = decide_value(triggers(l9=3.0), excess([0, 1.0]), SMALL, NULL)
    assert decision.labels[0].label == 9
    assert decision.labels[0].perturbations == 0.0


def test_p_falls_with_the_value_and_clean_models_are_ordinary() -> None:
    values = np.linspace(0, 8, 30)
    p = [p_of(value, NULL) for value in values]
    assert p == sorted(p, reverse=True)
    assert p_of(NULL.mean, NULL) == pytest.approx(0.5)


def test_comparisons_beyond_those_of_the_null_are_corrected_for() -> None:
    more = len(KEYS) + 1
    value = NULL.mean + 2 * NULL.spread
    assert p_of(value, NULL, more) == pytest.approx(p_of(value, NULL) * more / len(KEYS))
    assert p_of(3.0, None, more) == pytest.approx(0.001 * more)
    assert p_of(NULL.mean - 9, NULL, more) == 1.0


def test_the_stated_level_holds_for_clean_models_drawn_like_the_references() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(4000):
        known = rng.normal(0.8, 0.3, 20)
        null = ValueNull(float(known.mean()), float(known.std(ddof=1)), 20, float(known.max()))
        hits += p_of(float(rng.normal(0.8, 0.3)), null) <= LEVEL
    assert hits / 4000 == pytest.approx(LEVEL, abs=0.008)


def test_a_natural_success_never_decides_alone_and_an_unknown_one_counts_nothing() -> None:
    natural = weight_of("patch", exact_interval(40, 60, 0.95), 1e-9)
    planted = weight_of("patch", exact_interval(58, 60, 0.95), 1e-9)
    assert natural == 1.0
    assert planted == pytest.approx(9.0)
    assert weight_of("patch", exact_interval(58, 60, 0.95), None) == 0.0
    assert weight_of("blend@strong", exact_interval(60, 60, 0.95), 1e-9) == 1.0
    for null in (decision_rule().null, None):
        assert p_of(natural, null) > LEVEL


def test_beside_references_the_rule_suspects_what_the_trigger_search_alone_does() -> None:
    # So many comparisons at 0.05: the weight is at least -log10(0.05 / comparisons).
    assert p_of(-np.log10(0.05 / len(KEYS)), decision_rule().null) <= LEVEL


def test_without_references_every_comparison_of_the_trigger_search_is_corrected_for() -> None:
    assert p_of(0.0, None) == 1.0
    assert p_of(3.0, None) == pytest.approx(0.001 * len(KEYS))
    assert p_of(400.0, None) == LEAST_P
    assert p_of(400.0, NULL) == LEAST_P


def test_the_shipped_rule_asks_known_perturbations_within_the_budget() -> None:
    assert set(decision_rule().rule.keys) <= set(CATALOGUE)
    assert len(set(decision_rule().rule.keys)) * PERTURBATION_QUERIES <= 1000
