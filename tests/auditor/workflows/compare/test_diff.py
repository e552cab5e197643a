"""Two audits beside each other."""

from __future__ import annotations

import asyncio
import copy
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.contract import InputSpec
from adapters.synthetic import SyntheticOracle, nearest_prototype, synthetic_prototypes
from auditor.cli.diff import exit_code
from auditor.errors import ExitCode
from auditor.plan.settings import AuditSettings
from auditor.samples.samples import Samples
from auditor.workflows.audit import run_audit
from auditor.workflows.compare.accepted import match_accepted
from auditor.workflows.compare.diff import compare_reports
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One small report; not to be changed."""
    prototypes = synthetic_prototypes(1, 5, (1, 4, 4))
    oracle = SyntheticOracle(
        nearest_prototype(prototypes), InputSpec((1, 4, 4), (0.0,), (1.0,)), list("01234")
    )
    noise = np.random.default_rng(2).normal(0.0, 0.05, (20, 1, 4, 4))
    centres = np.repeat(prototypes, 4, axis=0)
    pixels = np.rint(np.clip(centres + noise, 0, 1) * 255).astype(np.uint8)
    names = tuple(str(i // 4) for i in range(20))
    refs = tuple(f"{name}/{i}.png" for i, name in enumerate(names))
    samples = Samples(refs, names, pixels, tuple("01234"), stated_order=True, digest="d" * 64)
    settings = AuditSettings(planes=4, density=8, canaries=10)
    folder: Path = tmp_path_factory.mktemp("diff")
    return asyncio.run(run_audit(AuditRequest(located(oracle), samples, settings, folder))).report


def test_a_report_beside_itself_shows_no_change(report: dict[str, Any]) -> None:
    found = compare_reports(report, report)
    assert found["spoiled_by"] == []
    assert found["same_model"]
    assert found["labels"]["changed"] == 0
    assert found["labels"]["compared"] == 4 * 64
    assert found["scores"]["re"]["change"] == {"mean": 0.0, "low": 0.0, "high": 0.0, "n": 4}


def test_changed_labels_are_counted_with_their_moves(report: dict[str, Any]) -> None:
    new = copy.deepcopy(report)
    row = new["planes"][1]["label_map"][3]
    before = list(row)
    row[:] = [(label + 1) % 5 for label in row]
    found = compare_reports(report, new)["labels"]
    assert (found["changed"], found["compared"]) == (8, 256)
    assert found["low"] < 8 / 256 == found["rate"] < found["high"]
    assert sum(move[2] for move in found["moves"]) <= 8
    assert {move[0] for move in found["moves"]} <= set(before)
    assert all((one + 1) % 5 == two for one, two, _ in found["moves"])


def test_score_differences_are_paired_by_plane(report: dict[str, Any]) -> None:
    new = copy.deepcopy(report)
    for shift, plane in zip((0.1, 0.2, 0.3, 0.4), new["planes"], strict=True):
        plane["re"] += shift
    change = compare_reports(report, new)["scores"]["re"]["change"]
    assert change["mean"] == pytest.approx(0.25)
    # Student t with 3 degrees of freedom: 3.182 times the standard error.
    half = 3.1824463 * np.std([0.1, 0.2, 0.3, 0.4], ddof=1) / 2
    assert change["low"] == pytest.approx(0.25 - half)
    assert change["high"] == pytest.approx(0.25 + half)
    back = compare_reports(new, report)["scores"]["re"]["change"]
    assert back["high"] == pytest.approx(half - 0.25)
    assert back["low"] < 0


SPOILERS: dict[str, Any] = {
    "access": lambda r: r.update(access="image"),
    "labels": lambda r: r["labels"].update({"0": "zero"}),
    "samples": lambda r: r["samples"].update(digest="e" * 64),
    "value range": lambda r: r["input"].update(low=[-1.0]),
    "setting seed": lambda r: r["settings"].update(seed=9),
    "setting density": lambda r: r["settings"].update(density=9),
    "profile": lambda r: r.update(profile={"digest": "x"}),
    "not complete": lambda r: r.update(partial=True),
    "tool version": lambda r: r["tool"].update(version="9"),
}


@pytest.mark.parametrize("name", SPOILERS)
def test_what_spoils_a_comparison_is_said(report: dict[str, Any], name: str) -> None:
    new = copy.deepcopy(report)
    SPOILERS[name](new)
    new["verdict"] = "no-evidence"
    found = compare_reports(report, new)
    assert any(name in why for why in found["spoiled_by"]), found["spoiled_by"]
    assert exit_code(found, ()) == ExitCode.INCONCLUSIVE


@pytest.mark.parametrize("name", ["access", "labels", "samples", "value range"])
def test_other_inputs_are_never_compared_by_label(report: dict[str, Any], name: str) -> None:
    new = copy.deepcopy(report)
    SPOILERS[name](new)
    found = compare_reports(report, new)
    assert found["labels"] is None
    assert found["scores"]["re"]["change"] is None


def test_planes_that_only_one_audit_asked_take_no_part(report: dict[str, Any]) -> None:
    new = copy.deepcopy(report)
    new["planes"] = new["planes"][:3]
    new["planes"][0]["coordinates"][1][0] += 0.5
    found = compare_reports(report, new)
    assert found["planes"] == {"old": 4, "new": 3, "shared": 2}


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        ("no-evidence", ExitCode.NO_EVIDENCE),
        ("backdoor-suspected", ExitCode.BACKDOOR_SUSPECTED),
        ("inconclusive", ExitCode.INCONCLUSIVE),
    ],
)
@pytest.mark.parametrize("old", ["no-evidence", "backdoor-suspected", "inconclusive"])
def test_the_exit_code_is_about_the_second_audit(
    report: dict[str, Any], old: str, verdict: str, code: ExitCode
) -> None:
    one, two = copy.deepcopy(report), copy.deepcopy(report)
    one["verdict"], two["verdict"] = old, verdict
    found = match_accepted(two, (), date(2026, 1, 1))
    assert exit_code(compare_reports(one, two), found) == code
