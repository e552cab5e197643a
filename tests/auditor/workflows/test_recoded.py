"""Audits of a service that turns the pictures it is sent into JPEG."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from adapters.function import FunctionOracle
from auditor.errors import ExitCode
from auditor.plan.settings import choose_settings
from auditor.workflows.audit import run_audit
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located
from auditor.workflows.verify.verify import verify_bundle
from tests import _bundles as world
from tests.auditor.workflows.verify.test_plan_versions import changed, failed, plan_of


def audited(folder: Path, recoded: str | None) -> dict[str, Any]:
    target = world.target(access="image", recoded=recoded)
    oracle = FunctionOracle(world.clean, target, "model")
    settings = choose_settings({**world.FEW, "planes": 3})
    asked = AuditRequest(located(oracle), world.samples(), settings, folder)
    asyncio.run(run_audit(asked))
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def test_it_is_judged_and_said_as_jpeg_and_verifies(tmp_path: Path) -> None:
    report = audited(tmp_path, "jpeg:75")
    assert (report["input"]["encoding"], report["input"]["recoded"]) == ("uint8", "jpeg:75")
    page = (tmp_path / "report.html").read_text()
    assert "uint8; the service makes jpeg:75 of it" in page
    assert "The service turns pictures into JPEG of quality 75, as its description states" in page
    assert "travelled as JPEG" not in page
    assert verify_bundle(tmp_path).exit_code == ExitCode.NO_EVIDENCE


def test_to_say_so_later_asks_nothing_again(tmp_path: Path) -> None:
    before = audited(tmp_path, None)
    assert "recoded" not in before["input"]
    after = audited(tmp_path, "jpeg:75")
    assert after["fingerprint"] == before["fingerprint"]
    assert after["queries"]["sent"] == 0
    assert after["plan_digest"] == before["plan_digest"]


@pytest.mark.parametrize("recoded", ["jpeg:101", "webp", "png"])
def test_a_record_with_another_coding_does_not_verify(tmp_path: Path, recoded: str) -> None:
    audited(tmp_path, "jpeg:75")
    taken = plan_of(tmp_path)["input"]
    said = failed(changed(tmp_path, input={**taken, "recoded": recoded}))
    assert "differs at input.recoded" in said
