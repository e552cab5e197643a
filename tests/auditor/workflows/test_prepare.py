"""An audit goes on under the plan version that it began with."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.contract import InputSpec
from adapters.synthetic import SyntheticOracle
from auditor.engine.contract import EngineLimits
from auditor.plan.digest import MORE_NULLS
from auditor.plan.plan import build_plan
from auditor.plan.settings import AuditSettings
from auditor.samples.arrays import samples_from_arrays
from auditor.samples.samples import Samples
from auditor.workflows.audit import run_audit
from auditor.workflows.prepare import Prepared, continued, prepare, with_earlier
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(
    make_oracle: Callable[..., SyntheticOracle],
    samples: Samples,
    settings: AuditSettings,
    tmp_path: Path,
) -> Run:
    """Runs the audit up to ``most`` queries in all; returns its report."""

    def once(most: int | None = None) -> dict[str, Any]:
        limits = EngineLimits(max_queries=most)
        several = dataclasses.replace(settings, planes=24)
        target = located(make_oracle())
        request = AuditRequest(target, samples, several, tmp_path, limits=limits)
        return asyncio.run(run_audit(request)).report

    return once


def plan_of(folder: Path) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((folder / "plan.json").read_text())
    return plan


def test_an_audit_that_release_0_1_began_goes_on_as_one_audit(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as then:
        then.setattr("auditor.workflows.audit.continued", lambda ready, _: earlier(ready))
        first = run(300)
    assert first["partial"]
    second = run()
    assert not second["partial"]
    assert first["plan_digest"] == second["plan_digest"] == plan_of(tmp_path)["plan_digest"]
    assert "plan_version" not in plan_of(tmp_path)
    total = first["queries"]["sent"] + second["queries"]["sent"]
    assert total == second["queries"]["sent_all_runs"]
    assert second["queries"]["cached"] == first["queries"]["sent"]


def earlier(ready: Prepared) -> Prepared:
    return dataclasses.replace(ready, plan=ready.plan.at_version(2))


@pytest.mark.parametrize("held", [None, b"", b"{", b"[]", b'{"plan_digest": 5}'])
def test_a_folder_without_the_audit_takes_the_newest_version(
    make_oracle: Callable[..., SyntheticOracle],
    samples: Samples,
    settings: AuditSettings,
    tmp_path: Path,
    held: bytes | None,
) -> None:
    ready = prepare(make_oracle(), samples, settings)
    if held is not None:
        (tmp_path / "plan.json").write_bytes(held)
    assert continued(ready, tmp_path) is ready


def test_another_audit_in_the_folder_has_no_say(
    make_oracle: Callable[..., SyntheticOracle],
    samples: Samples,
    settings: AuditSettings,
    tmp_path: Path,
) -> None:
    other = prepare(make_oracle(), samples, dataclasses.replace(settings, seed=99))
    digest = dataclasses.replace(other.plan, version=2).digest
    (tmp_path / "plan.json").write_text(json.dumps({"plan_digest": digest}))
    ready = prepare(make_oracle(), samples, settings)
    assert continued(ready, tmp_path) is ready


def test_a_look_is_paid_for_by_the_rates_that_the_plans_version_is_judged_by() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 1, 128, 128)) / 255
    spec = InputSpec((1, 128, 128), (0.0,), (1.0,))
    refs = [str(number) for number in range(60)]
    settings = AuditSettings(planes=3, effort="thorough")
    for version, looks in ((MORE_NULLS - 1, 1), (MORE_NULLS, 2)):
        images = pixels.astype(np.float32)
        plan = build_plan(images, np.arange(60) % 5, refs, settings, spec, version)
        # At `standard` larger pictures were measured for later plans only.
        assert with_earlier(plan, ("standard",), spec).looks == looks


@pytest.mark.parametrize(("copies", "searched"), [(1, 60), (3, 0)])
def test_gates_on_numbers_of_samples_see_different_pictures(
    make_oracle: Callable[..., SyntheticOracle],
    settings: AuditSettings,
    copies: int,
    searched: int,
) -> None:
    made = np.random.default_rng(0).integers(0, 256, (60 // copies, 4, 4), dtype=np.uint8)
    y = np.arange(len(made)) % 5
    samples = samples_from_arrays(np.tile(made, (copies, 1, 1)), np.tile(y, copies))
    ready = prepare(make_oracle(), samples, dataclasses.replace(settings, trigger_search=True))
    assert len(ready.samples) == len(made)
    assert len(ready.plan.search_samples) == searched
