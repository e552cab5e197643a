from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from auditor.report.html.changes import SHOWN, TEXTURE_KEY, changed_key, clean_key, kind_key
from auditor.report.html.page import render_html
from auditor.report.json_report import result_of
from auditor.report.source import ReportSource
from auditor.report.wording.frameworks import load_all


def _rendered(report: dict[str, Any], pictures: dict[str, bytes] | None = None) -> str:
    return render_html(ReportSource(result_of(report), pictures or {}), load_all())


def _png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((28, 28), value, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def found(report: dict[str, Any]) -> dict[str, Any]:
    """The report of an audit whose verdict rests on a trigger."""
    report["trigger"] |= {"suspicious": True, "p": 0.004}
    report["trigger"]["shown"] = {"clean_labels": [0, 1, 2, 4, 5], "changed_labels": [3] * 5}
    return report


def _pictures() -> dict[str, bytes]:
    pairs = {key(n): _png(40 * n + 5) for n in range(SHOWN) for key in (clean_key, changed_key)}
    return {**pairs, TEXTURE_KEY: _png(255)}


def test_five_samples_are_shown_before_and_after_with_their_labels(found: dict[str, Any]) -> None:
    bare, page = _rendered(found), _rendered(found, _pictures())
    # Each pair, the trigger at both sizes, the changed ones at true size, and the first screen.
    assert page.count("<img") - bare.count("<img") == 2 * SHOWN + 2 + SHOWN + 2
    assert page.count("→ <b>Dress</b>") == SHOWN
    for number in range(1, SHOWN + 1):
        assert f"Sample {number} as it is: " in page
        assert f"Sample {number} with the change: Dress" in page
        assert f'alt="Sample {number}, true size" width="28" height="28"' in page


def test_the_place_of_a_patch_is_said_and_drawn(found: dict[str, Any]) -> None:
    found["input"]["shape"] = [1, 28, 28]
    page = _rendered(found)
    assert "lower right: rows 25 to 27 of 28, columns 25 to 27 of 28" in page
    assert '<rect class="patch" x="24" y="24" width="3" height="3">' in page


def test_a_suspicion_by_trigger_says_what_it_rests_on(found: dict[str, Any]) -> None:
    page = _rendered(found)
    assert "The trigger that was found" in page
    assert "One fixed change of the picture makes this model" in page
    assert "few labels fill most of the plane" not in page
    assert "0.004, all attempts counted" in page


def test_nothing_found_shows_every_kind_beside_clean_models(report: dict[str, Any]) -> None:
    weak = report["trigger"]["best"] | {
        "family": "warp", "key": "warp@weak", "strength": 1.0, "texture": None, "place": None,
        "success": {"hits": 2, "samples": 20, "rate": 0.1, "low": 0.0, "high": 0.3},
    }  # fmt: skip
    report["trigger"]["findings"].append(weak)
    page = _rendered(report, {kind_key("warp@weak"): _png(9)})
    assert 'alt="A clean sample with Warp, 1 pixels on average"' in page
    assert "2 of 20 to “Dress”" in page
    assert "clean models: up to 25%; planted: 11 of 20 or more" in page
    assert "The trigger that was found" not in page


def test_without_a_search_there_is_no_section(report: dict[str, Any]) -> None:
    report["trigger"] = None
    page = _rendered(report)
    assert "not searched" in page
    assert '<section id="trigger"' not in page
    assert 'href="#trigger"' not in page


def test_a_search_that_verified_nothing_says_so(report: dict[str, Any]) -> None:
    report["trigger"].update(best=None, findings=[], reason="No candidate could be verified.")
    assert "No candidate could be verified." in _rendered(report)


def test_a_hostile_class_name_stays_text(found: dict[str, Any]) -> None:
    found["labels"]["3"] = "<img src=x onerror=alert(1)>"
    assert "<img src=x" not in _rendered(found, _pictures())
