"""Whole audits of a server that stumbles: the labels and the verdict are those of a quiet one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.http import open_oracle
from adapters.synthetic import nearest_prototype, synthetic_prototypes
from adapters.target import read_target
from auditor.engine.contract import EngineLimits
from auditor.plan.settings import AuditSettings
from auditor.samples.samples import Samples
from auditor.workflows.audit import run_audit
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located
from tests.adapters.http._stumbles import StumblingServer

LIMITS = EngineLimits(backoff_s=0.01)
LABELS_OF = nearest_prototype(synthetic_prototypes(1, 5, (1, 4, 4)))


def audited(
    folder: Path, samples: Samples, settings: AuditSettings, transport: str, lost: float, odd: float
) -> dict[str, Any]:
    """The report of an audit of a server that loses and disguises these shares of its replies."""

    def labels_of(inputs: list[Any]) -> list[int]:
        labels: list[int] = LABELS_OF(np.array(inputs, np.float32)).tolist()
        return labels

    server = StumblingServer(labels_of, seed=3, lost=lost, odd=odd)

    async def run() -> None:
        async with server.serving() as url:
            table = {
                "url": url,
                "transport": transport,
                "input": {"shape": [1, 4, 4], "range": [0, 1]},
                "response": {"path": "labels", "kind": "index", "classes": list("01234")},
                "batch": {"max": 4},
            }
            oracle = await open_oracle(read_target(table))
            await run_audit(AuditRequest(located(oracle), samples, settings, folder, limits=LIMITS))
            await oracle.aclose()

    asyncio.run(run())
    assert (len(server.stumbles) > 5) == (lost > 0)
    report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return report


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_the_verdict_and_every_label_are_those_of_a_quiet_server(
    tmp_path: Path, samples: Samples, transport: str
) -> None:
    settings = AuditSettings(planes=16, canaries=10, trigger_search=False)
    quiet, rough = (
        audited(tmp_path / str(lost), samples, settings, transport, lost, odd)
        for lost, odd in ((0.0, 0.0), (0.12, 0.3))
    )
    for part in ("verdict", "verdict_reason", "scores", "planes", "canaries", "labels"):
        assert rough[part] == quiet[part], part
    counted = rough["queries"]
    assert counted["retried"] > 0 == quiet["queries"]["retried"]
    assert any("without labels" in how for how in counted["by_status"])
    assert counted["sent"] - counted["retried"] == quiet["queries"]["sent"]
