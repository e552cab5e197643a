"""Bundles of audits with scattered points and pictures are judged again like any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from auditor.evidence.packing import pack
from auditor.workflows.verify.outcome import Verification
from auditor.workflows.verify.verify import verify_bundle

FRUGAL: dict[str, Any] = {"planes": 1, "pictures": 1, "density": 30}


def failed(found: Verification) -> list[str]:
    return [check.text for check in found.checks if check.state == "failed"]


def test_points_and_pictures_are_replayed(make_bundle: Callable[..., Path], tmp_path: Path) -> None:
    for search in (False, True):
        folder = make_bundle(tmp_path / str(search), trigger_search=search, **FRUGAL)
        found = verify_bundle(folder)
        assert failed(found) == []
        plan = json.loads((folder / "report.json").read_text())["planes"][0]
        assert plan["picture"]["queries"] > 0


def test_a_changed_picture_is_found(make_bundle: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "bundle", **FRUGAL)
    report = json.loads((folder / "report.json").read_text())
    report["planes"][0]["label_map"][5][5] += 1
    (folder / "report.json").write_text(json.dumps(report))
    assert failed(verify_bundle(folder))


def test_a_bundle_without_images_is_judged_again_too(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_bundle(tmp_path / "bundle", **FRUGAL)
    pack(folder, tmp_path / "given", hand_over=True)
    found = verify_bundle(tmp_path / "given")
    (verdict,) = [check for check in found.checks if check.name == "verdict"]
    assert verdict.state == "ok", verdict.text
