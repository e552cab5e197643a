"""Accepted findings of a fleet: shown beside their audits, and never as a pass."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fsspec", reason="the extra fleet is not installed")

from auditor.fleet.accepted import with_accepted
from auditor.fleet.place import Place
from auditor.fleet.summary import exit_code, summarise, write_summary
from auditor.workflows.compare.accepted import Acceptance

UNTIL = date(2027, 1, 31)


def test_an_acceptance_is_shown_and_changes_no_exit_code(
    write_fleet: Callable[[str, str], Path], run: Callable[..., Any], tmp_path: Path
) -> None:
    listed = '[[audit]]\nmodels = "zoo/m000.onnx"\ntrigger_search = true\n'
    rows, _ = run(write_fleet(listed, "accepted.toml"), tmp_path, 1)
    (finding,) = rows["m000"]["findings"]
    entry = Acceptance(
        finding=finding["id"], reason="Behind a manual check.", owner="J. Doe", until=UNTIL
    )
    for today, words in ((UNTIL, "accepted until 2027-01-31"), (date(2027, 2, 1), "expired on")):
        shown = with_accepted(rows, [entry], today)
        text = write_summary(Place(str(tmp_path)), summarise(["m000"], shown), shown)
        page = (tmp_path / "index.html").read_text(encoding="utf-8")
        for one in (text, page):
            assert words in one
            assert "J. Doe: Behind a manual check." in one
        assert exit_code(shown) == exit_code(rows) == 1
    assert with_accepted(rows, [], UNTIL)["m000"]["accepted"] == []
