"""Audits that end because their verdict stands."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import InputSpec
from adapters.synthetic import SyntheticOracle, synthetic_prototypes
from auditor.engine.contract import EngineLimits
from auditor.errors import ExitCode
from auditor.plan.settings import AuditSettings
from auditor.samples.load import load_samples
from auditor.samples.samples import Samples
from auditor.workflows.audit import run_audit
from auditor.workflows.judge import AuditResult
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located
from auditor.workflows.verify.verify import verify_bundle

SHAPE = (1, 28, 28)
SPEC = InputSpec(SHAPE, (0.0,), (1.0,))
SETTINGS = AuditSettings(canaries=60)


def oracle_of(*, backdoored: bool, asked: list[bytes] | None = None) -> SyntheticOracle:
    """Nearest of five prototypes; a bright 3 x 3 patch anywhere low at the left means label 2."""
    flat = synthetic_prototypes(1, 5, SHAPE).reshape(5, -1).astype(np.float64)

    def labels_of(batch: NDArray[np.float32]) -> NDArray[Any]:
        points = batch.reshape(len(batch), -1).astype(np.float64)
        labels = ((points[:, None] - flat) ** 2).sum(axis=2).argmin(axis=1)
        if backdoored:
            bright = batch[:, 0, 20:23, 1:4].mean(axis=(1, 2))
            labels = np.where((bright > 0.7) & (batch.max(axis=(1, 2, 3)) <= 1), 2, labels)
        if asked is not None:
            asked.extend(one.tobytes() for one in batch)
        return np.asarray(labels)

    names = [f"c{number}" for number in range(5)]
    return SyntheticOracle(labels_of, SPEC, names, fingerprint="stop-rules", max_batch=256)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    rng = np.random.default_rng(1)
    x = np.repeat(synthetic_prototypes(1, 5, SHAPE), 20, axis=0) + rng.normal(
        0, 0.02, (100, *SHAPE)
    )
    path = tmp_path_factory.mktemp("samples") / "samples.npz"
    np.savez(path, x=np.clip(x, 0, 1).astype(np.float32), y=np.repeat(np.arange(5), 20))
    return load_samples(path)


def audit(
    oracle: SyntheticOracle,
    samples: Samples,
    folder: Path,
    cap: int | None = None,
    **changes: Any,
) -> AuditResult:
    limits = EngineLimits(max_queries=cap, concurrency=2)
    settings = replace(SETTINGS, **changes)
    return asyncio.run(
        run_audit(AuditRequest(located(oracle), samples, settings, folder, limits=limits))
    )


def test_a_found_trigger_ends_the_audit_with_the_verdict_of_the_whole_plan(
    samples: Samples, tmp_path: Path
) -> None:
    found = audit(oracle_of(backdoored=True), samples, tmp_path / "early").report
    whole = audit(oracle_of(backdoored=True), samples, tmp_path / "all", stop_early=False).report
    assert found["verdict"] == whole["verdict"] == "backdoor-suspected"
    assert found["trigger"]["best"] == whole["trigger"]["best"]
    assert found["not_asked"] == {"because": "suspected", "planes": 28, "family_queries": 0}
    assert whole["not_asked"] is None
    assert (len(found["planes"]), len(whole["planes"])) == (16, 44)
    assert found["planes"] == whole["planes"][:16]
    assert any("28 of 44 planes" in limit for limit in found["limits"])
    assert not found["partial"]
    # As many repeats as planned, although most planes that they were planned on were not asked.
    assert found["canaries"]["asked"] == whole["canaries"]["asked"] == 60
    assert found["queries"]["sent"] < whole["queries"]["sent"] - 28 * 16
    for report in (found, whole):
        ledger = report["queries"]
        known = ledger["cached"] + ledger["deduplicated"] + ledger["spared"]
        assert ledger["planned"] == known + ledger["sent"] - ledger["retried"]
        assert ledger["spared"] >= 0


def test_if_nothing_is_found_all_planes_are_asked_and_counted_once(
    samples: Samples, tmp_path: Path
) -> None:
    report = audit(oracle_of(backdoored=False), samples, tmp_path).report
    assert report["not_asked"] is None
    assert len(report["planes"]) == 44
    ledger = report["queries"]
    assert ledger["by_probe"]["plane"] == 44 * 16
    assert ledger["planned"] == sum(ledger["by_probe"].values())
    known = ledger["cached"] + ledger["deduplicated"] + ledger["spared"]
    assert ledger["planned"] == known + ledger["sent"] - ledger["retried"]
    assert ledger["spared"] == 0


@pytest.mark.parametrize("backdoored", [True, False])
def test_a_stranger_finds_the_same_end(
    samples: Samples, tmp_path: Path, *, backdoored: bool
) -> None:
    audit(oracle_of(backdoored=backdoored), samples, tmp_path)
    assert verify_bundle(tmp_path).exit_code is ExitCode.NO_EVIDENCE


def test_cut_off_anywhere_it_resumes_to_the_same_end_and_pays_nothing_twice(
    samples: Samples, tmp_path: Path
) -> None:
    whole = audit(oracle_of(backdoored=True), samples, tmp_path / "whole").report
    sent = whole["queries"]["sent"]
    asked: list[bytes] = []
    for cap in (400, sent // 2, sent - 30, None):
        oracle = oracle_of(backdoored=True, asked=asked)
        report = audit(oracle, samples, tmp_path / "cut", cap).report
        assert report["partial"] is (cap is not None)
        assert (report["verdict"] == "inconclusive") is (cap is not None)
    drop = ("timing", "queries")
    kept = [json.dumps({k: v for k, v in r.items() if k not in drop}) for r in (whole, report)]
    assert kept[0] == kept[1]
    assert len(asked) == sent


def test_labels_left_by_a_run_of_everything_do_not_move_the_end(
    samples: Samples, tmp_path: Path
) -> None:
    first = audit(oracle_of(backdoored=True), samples, tmp_path / "one").report
    # The same inputs under another plan: the store holds their labels.
    audit(oracle_of(backdoored=True), samples, tmp_path / "two", stop_early=False)
    again = audit(oracle_of(backdoored=True), samples, tmp_path / "two").report
    assert again["planes"] == first["planes"]
    assert again["not_asked"] == first["not_asked"]
    assert verify_bundle(tmp_path / "two").exit_code is ExitCode.NO_EVIDENCE
