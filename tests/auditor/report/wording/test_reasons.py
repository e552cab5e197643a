"""Sentences of reasons: every code has one, and the numbers stand in it."""

from __future__ import annotations

from typing import get_args

import pytest

from auditor.labels.reasons import Reason, ReasonCode
from auditor.measured import ErrorRates
from auditor.report.wording.phrases import hits_of
from auditor.report.wording.reasons import SENTENCES, sentence, sentences

PAIRS = (
    {"hits": 18, "samples": 20, "source": 1, "label": 3},
    {"hits": 17, "samples": 20, "source": 4, "label": 0},
)
CHANGE = {
    "kind": "patch", "size": 5, "hits": 58, "samples": 60, "label": 3, "name": "cat",
    "errors": ErrorRates(0, 45, 19, 40),
}  # fmt: skip


def test_every_code_has_a_sentence_and_no_other_has() -> None:
    assert set(SENTENCES) == set(get_args(ReasonCode))


def test_pairs_name_both_patches_and_how_far_beyond_clean_models_they_are() -> None:
    said = {**CHANGE, "p": 1e-4, "comparisons": 13, "pairs": PAIRS}
    text = sentence(Reason("trigger-pairs", said))
    assert "18 of 20 samples of label 1 to label 3" in text
    assert "17 of 20 samples of label 4 to label 0; two such pairs" in text
    assert "(p = 0.0001, all 13 looks paid for)" in text


@pytest.mark.parametrize(
    ("p", "chance"), [(0.25, " (p = 0.25). On held-out"), (None, "(cat). On held-out")]
)
def test_an_ordinary_trigger_states_its_chance_if_it_has_one(p: float | None, chance: str) -> None:
    text = sentence(Reason("trigger-ordinary", {**CHANGE, "p": p, "comparisons": 12}))
    assert "a patch of 5 x 5 pixels sends 58 of 60 fresh samples to label 3 (cat)" in text
    assert chance in text


def test_names_are_cut() -> None:
    said = {**CHANGE, "name": "x" * 500, "p": 0.5, "comparisons": 12}
    assert f"({'x' * 60})" in sentence(Reason("trigger-ordinary", said))


def test_counts_come_with_their_interval() -> None:
    assert hits_of(0, 40) == "0 of 40 (95 % interval 0% to 9%)"


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("planes", "3 of 20 planes are complete"),
        ("trigger-search", "the trigger search is not at its end"),
        ("perturbations", "not all probe families are answered"),
        ("repeats", "the second look at changing answers is not at its end"),
    ],
)
def test_what_is_missing_is_said(missing: str, words: str) -> None:
    reason = Reason("interrupted", {"missing": missing, "planes": 3, "of": 20})
    said = f"The audit was interrupted and {words}; the same command continues it."
    assert sentences([reason]) == said
