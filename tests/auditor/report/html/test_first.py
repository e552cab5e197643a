"""The first screen's picture: a sample that tells most."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from auditor.report.html.changes import changed_key, clean_key
from auditor.report.html.first import first_screen
from auditor.report.json_report import result_of
from auditor.report.source import ReportSource


def _png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), shade).save(buffer, "PNG")
    return buffer.getvalue()


def _shown(report: dict[str, Any]) -> str:
    pictures = {"a/1.png": _png(0)}
    for number in range(3):
        pictures |= {clean_key(number): _png(number), changed_key(number): _png(9 + number)}
    return str(first_screen(ReportSource(result_of(report), pictures)))


def test_a_sample_that_the_model_names_right_and_the_change_moves(report: dict[str, Any]) -> None:
    report["trigger"] |= {"suspicious": True, "p": 0.001}
    report["trigger"]["shown"] = {"clean_labels": [0, 3, 1], "changed_labels": [3, 3, 3]}
    assert "as it is<b>T-shirt/top</b>" in _shown(report)
    # The first one is named wrong, the second stays: the third tells more.
    report["samples"]["wrong"] = [{"ref": "a/1.png", "true": 5, "label": 0}]
    assert "as it is<b>Trouser</b>" in _shown(report)
    # Better a sample that is named wrong than one that stays.
    report["trigger"]["shown"] = {"clean_labels": [0, 3, 3], "changed_labels": [3, 3, 3]}
    assert "as it is<b>T-shirt/top</b>" in _shown(report)
