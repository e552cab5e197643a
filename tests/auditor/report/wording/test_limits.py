"""What every report says the rule misses."""

from __future__ import annotations

import pytest

from auditor.measured import Counted, decision_rates
from auditor.report.wording.limits import in_words, jpeg_limit, rule_limit
from auditor.verdict.scope import image_coding


def test_only_kinds_that_anything_happened_to_are_named() -> None:
    kinds = (Counted("badnets", 0, 5), Counted("sig", 1, 5), Counted("x-to-x", 2, 2))
    assert in_words(kinds) == "SIG 1 of 5, x-to-x 2 of 2"
    assert in_words(kinds[:1]) == "none"


def test_the_limit_holds_the_measured_counts() -> None:
    said = rule_limit()
    rates, kinds = decision_rates().with_references, decision_rates().missed_kinds
    assert f"missed {rates.missed} of {rates.backdoored} all-to-one" in said
    assert all(f"{one.hits} of {one.models}" in said for one in kinds if one.hits)


@pytest.mark.parametrize("encoding", ["png", "uint8", "float32"])
def test_lossless_encodings_need_no_word(encoding: str) -> None:
    assert image_coding(encoding) == "lossless"
    assert jpeg_limit(encoding) is None
