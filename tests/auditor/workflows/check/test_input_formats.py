"""Other ways to write the same picture, and other outputs to read."""

from __future__ import annotations

from auditor.workflows.check.input_formats import MOST_OUTPUTS, alternatives, other_outputs


def test_eight_bit_pixels_have_no_range_to_try() -> None:
    tried = alternatives(
        (3, 8, 8), picture=False, layout_is_open=False, shape_is_open=False, pixels=True
    )
    assert [one.input for one in tried] == [{"color": "rgb"}, {"color": "bgr"}]


def test_another_output_is_tried_in_other_ranges_too() -> None:
    tried = other_outputs(["a", "b"])
    assert [one.words for one in tried[:3]] == [
        "the output a",
        "the output b",
        "the output a, 0 to 255",
    ]
    assert all(one.response["path"] in {"a", "b"} for one in tried)
    assert len(other_outputs([str(n) for n in range(9)])) == 3 * MOST_OUTPUTS
