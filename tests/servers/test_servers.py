"""A whole small audit through every real server that installs here, against a local run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditor import AuditReport, audit
from auditor.errors import ExitCode
from tests.servers._park import Running
from tests.servers._ways import WAYS, Way, described
from tests.servers.conftest import SAMPLES, SMALL

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]


def labels_of(report: AuditReport) -> dict[str, Any]:
    """Every label that the report holds, and what followed from the search's labels."""
    trigger = report.data["trigger"]
    return {
        "points": [plane["points"] for plane in report.data["planes"]],
        "wrong": report.data["samples"]["wrong"],
        "findings": trigger["findings"],
        "looks": trigger["looks"],
        "shown": trigger["shown"],
    }


@pytest.mark.parametrize(
    ("server", "way"),
    [pytest.param(way.server, way, id=way.name) for way in WAYS],
    indirect=["server"],
)
def test_labels_are_those_of_a_local_run(
    server: Running, way: Way, local_run: Callable[[str], AuditReport], tmp_path: Path
) -> None:
    target = described(server, way)
    report = audit(target, SAMPLES, output=tmp_path, **SMALL)
    local = local_run(target.access)
    assert report.data["plan_digest"] == local.data["plan_digest"]
    assert report.data["canaries"]["flipped"] == 0
    if way.lossy:
        assert labels_of(report) != labels_of(local)
        assert report.data["input"]["encoding"] == way.table["input"]["encoding"]
        return
    assert labels_of(report) == labels_of(local)
    assert report.verdict == local.verdict
    assert report.exit_code == local.exit_code == ExitCode.BACKDOOR_SUSPECTED
    assert report.data["queries"]["unknown"] == 0


def test_every_server_asked_for_is_covered() -> None:
    wanted = {"mlserver", "kserve", "torchserve", "bentoml", "litserve"}
    assert wanted <= {way.server for way in WAYS}
