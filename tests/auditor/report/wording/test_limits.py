"""What every report says the rule misses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.contract import InputSpec
from auditor.measured import Counted, ErrorRates, decision_rates, jpeg_rates
from auditor.report.wording.limits import in_words, jpeg_limit, rule_limit
from auditor.verdict.scope import image_coding


def test_only_kinds_that_anything_happened_to_are_named() -> None:
    kinds = (Counted("badnets", 0, 5), Counted("sig", 1, 5), Counted("x-to-x", 2, 2))
    assert in_words(kinds) == "SIG 1 of 5, x-to-x 2 of 2"
    assert in_words(kinds[:1]) == "none"


def test_the_limit_holds_the_measured_counts() -> None:
    said = rule_limit(ErrorRates(0, 45, 18, 40))
    assert "and 18 of 40 without" in said
    rates, kinds = decision_rates().with_references, decision_rates().missed_kinds
    assert f"missed {rates.missed} of {rates.backdoored} all-to-one" in said
    assert all(f"{one.hits} of {one.models}" in said for one in kinds if one.hits)


@pytest.mark.parametrize("encoding", ["png", "uint8", "float32"])
def test_lossless_encodings_need_no_word(encoding: str) -> None:
    assert image_coding(encoding) == "lossless"
    assert jpeg_limit(spec(32, encoding)) is None


def spec(side: int, encoding: str) -> InputSpec:
    return InputSpec((3, side, side), (0.0,) * 3, (1.0,) * 3, encoding=encoding)


def test_rates_of_small_pictures_through_jpeg_are_not_said_of_larger_ones() -> None:
    small, large = (jpeg_limit(spec(side, "jpeg:90")) for side in (32, 224))
    assert small is not None
    assert large is not None
    assert "JPEG of quality 90" in small
    assert "JPEG of quality 90" in large
    assert f"of {jpeg_rates()[0].clean} clean models" in small
    assert f"of {jpeg_rates()[0].clean} clean models" not in large


@pytest.mark.parametrize("side", [32, 80])
def test_full_colour_is_judged_by_its_quality(side: int) -> None:
    for quality in (20, 90):
        spoken = [jpeg_limit(spec(side, f"jpeg:{quality}{more}")) for more in ("", "/444")]
        assert spoken[0] == spoken[1] is not None


def test_a_quality_that_was_not_measured_decides_nothing() -> None:
    for side in (32, 80):
        said = jpeg_limit(spec(side, "jpeg:20"))
        assert said is not None
        assert "nothing was measured" in said


@pytest.mark.parametrize("side", [32, 80])
def test_a_service_that_recodes_is_judged_like_one_that_takes_jpeg(side: int) -> None:
    sent = jpeg_limit(spec(side, "jpeg:75"))
    recoded = jpeg_limit(replace(spec(side, "png"), access="image", recoded="jpeg:75"))
    assert sent is not None
    assert recoded is not None
    assert recoded.startswith("The service turns pictures into JPEG of quality 75, as its")
    assert recoded.partition("which changes")[2] == sent.partition("which changes")[2]
