"""Two audits beside each other."""

from __future__ import annotations

import asyncio
import copy
import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.contract import InputSpec
from adapters.synthetic import SyntheticOracle, nearest_prototype, synthetic_prototypes
from auditor.cli.diff import exit_code
from auditor.errors import ExitCode
from auditor.plan.settings import choose_settings
from auditor.report.json_report import result_of
from auditor.samples.samples import Samples
from auditor.workflows.audit import run_audit
from auditor.workflows.compare.accepted import match_accepted
from auditor.workflows.compare.diff import compare_results
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located

SUSPECTED = Path(__file__).parents[3] / "data" / "bundles_0_1" / "suspected" / "report.json"
SAMPLERS: dict[str, dict[str, Any]] = {
    "default": {},
    "paper": {"sampler": "paper", "density": 8},
    "pictures": {"pictures": 2, "density": 30},
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """One small report of each way to ask planes; not to be changed."""
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
    made = {}
    for name, chosen in SAMPLERS.items():
        settings = choose_settings({"planes": 4, "canaries": 10, **chosen})
        request = AuditRequest(located(oracle), samples, settings, tmp_path_factory.mktemp(name))
        made[name] = asyncio.run(run_audit(request)).report
    return made


@pytest.fixture
def report(reports: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The small report of an audit by default; not to be changed."""
    return reports["default"]


def compare(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Changes between these contents of ``report.json``."""
    return compare_results(result_of(old), result_of(new))


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_report_beside_itself_shows_no_change(
    reports: dict[str, dict[str, Any]], name: str
) -> None:
    report = reports[name]
    found = compare(report, report)
    assert found["spoiled_by"] == []
    assert found["same_model"]
    assert found["labels"]["changed"] == 0
    drawn = sum(plane["picture"]["queries"] for plane in report["planes"] if "picture" in plane)
    assert found["labels"]["compared"] == 4 * (64 if name == "paper" else 16) + drawn
    nothing = {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert found["scores"]["re"]["change"] == {**nothing, "n": 4}
    assert found["scores"]["ats_by_label"]["change"] == {**nothing, "n": 4}
    mapped = {"default": None, "paper": {**nothing, "n": 4}, "pictures": {**nothing, "n": 2}}
    assert found["scores"]["ats"]["change"] == mapped[name]
    assert found["planes"] == {"old": 4, "new": 4, "shared": 4}


def test_changed_labels_are_counted_with_their_moves(report: dict[str, Any]) -> None:
    new = copy.deepcopy(report)
    labels = new["planes"][1]["points"]["labels"]
    before = labels[3:11]
    labels[3:11] = [(label + 1) % 5 for label in before]
    check_moves(compare(report, new)["labels"], before, 64)


def test_labels_of_a_grid_are_counted_the_same_way(reports: dict[str, dict[str, Any]]) -> None:
    report = reports["paper"]
    new = copy.deepcopy(report)
    row = new["planes"][1]["label_map"][3]
    before = list(row)
    row[:] = [(label + 1) % 5 for label in row]
    check_moves(compare(report, new)["labels"], before, 256)


def check_moves(found: dict[str, Any], before: list[int], compared: int) -> None:
    assert (found["changed"], found["compared"]) == (8, compared)
    assert found["low"] < 8 / compared == found["rate"] < found["high"]
    assert sum(move[2] for move in found["moves"]) <= 8
    assert {move[0] for move in found["moves"]} <= set(before)
    assert all((one + 1) % 5 == two for one, two, _ in found["moves"])


def test_of_a_picture_only_what_was_asked_counts(reports: dict[str, dict[str, Any]]) -> None:
    report = reports["pictures"]
    new = copy.deepcopy(report)
    plane = new["planes"][0]
    for asked, row in zip(plane["picture"]["asked"], plane["label_map"], strict=True):
        row[:] = [(label + (node == "0")) % 5 for node, label in zip(asked, row, strict=True)]
    assert plane["label_map"] != report["planes"][0]["label_map"]
    assert compare(report, new)["labels"]["changed"] == 0


def test_a_picture_in_one_audit_alone_leaves_the_points_to_compare(
    reports: dict[str, dict[str, Any]],
) -> None:
    found = compare(reports["default"], reports["pictures"])
    assert found["planes"]["shared"] == 4
    assert found["labels"]["compared"] == 64


def test_a_record_without_a_sampler_is_of_the_papers(reports: dict[str, dict[str, Any]]) -> None:
    old = copy.deepcopy(reports["paper"])
    del old["settings"]["sampler"]
    for plane in old["planes"]:
        del plane["points"]
    found = compare(old, reports["paper"])
    assert found["spoiled_by"] == []
    assert found["labels"]["compared"] == 256


def test_findings_that_stay_come_and_go_are_told_apart(report: dict[str, Any]) -> None:
    plain, held, other = (copy.deepcopy(report) for _ in range(3))
    search = json.loads(SUSPECTED.read_text(encoding="utf-8"))["trigger"]
    for one, target in ((held, 2), (other, 4)):
        best = {**search["best"], "target": target}
        one["trigger"] = {**search, "reason": f"label {target}", "best": best}
        one["verdict"] = "backdoor-suspected"
    kinds = {"none": plain, "two": held, "four": other}
    new_model = {**held, "fingerprint": "f" * 64}

    def moves(one: dict[str, Any], two: dict[str, Any]) -> tuple[int, int, list[str]]:
        found = compare(one, two)["finding_moves"]
        return len(found["new"]), len(found["kept"]), [gone["text"] for gone in found["gone"]]

    assert moves(kinds["none"], kinds["none"]) == (0, 0, [])
    assert moves(kinds["none"], kinds["two"]) == (1, 0, [])
    assert moves(kinds["two"], kinds["none"]) == (0, 0, ["label 2"])
    assert moves(kinds["two"], kinds["four"]) == (1, 0, ["label 2"])
    assert moves(kinds["two"], new_model) == (0, 1, []), "the same in another model"


def test_score_differences_are_paired_by_plane(report: dict[str, Any]) -> None:
    new = copy.deepcopy(report)
    for shift, plane in zip((0.1, 0.2, 0.3, 0.4), new["planes"], strict=True):
        plane["re"] += shift
    change = compare(report, new)["scores"]["re"]["change"]
    assert change["mean"] == pytest.approx(0.25)
    # Student t with 3 degrees of freedom: 3.182 times the standard error.
    half = 3.1824463 * np.std([0.1, 0.2, 0.3, 0.4], ddof=1) / 2
    assert change["low"] == pytest.approx(0.25 - half)
    assert change["high"] == pytest.approx(0.25 + half)
    back = compare(new, report)["scores"]["re"]["change"]
    assert back["high"] == pytest.approx(half - 0.25)
    assert back["low"] < 0


SPOILERS: dict[str, Any] = {
    "access": lambda r: r.update(access="image"),
    "labels": lambda r: r["labels"].update({"0": "zero"}),
    "samples": lambda r: r["samples"].update(digest="e" * 64),
    "value range": lambda r: r["input"].update(low=[-1.0]),
    "setting seed": lambda r: r["settings"].update(seed=9),
    "setting points": lambda r: r["settings"].update(points=32),
    "profile": lambda r: r.update(
        profile={"name": "p", "status": "calibrated", "thresholds": {}, "digest": "x"}
    ),
    "not complete": lambda r: r.update(partial=True),
    "tool version": lambda r: r["tool"].update(version="9"),
}


@pytest.mark.parametrize("name", SPOILERS)
def test_what_spoils_a_comparison_is_said(report: dict[str, Any], name: str) -> None:
    new = copy.deepcopy(report)
    SPOILERS[name](new)
    new["verdict"] = "no-evidence"
    found = compare(report, new)
    assert any(name in why for why in found["spoiled_by"]), found["spoiled_by"]
    assert exit_code(found, ()) == ExitCode.INCONCLUSIVE


@pytest.mark.parametrize("name", ["access", "labels", "samples", "value range"])
def test_other_inputs_are_never_compared_by_label(report: dict[str, Any], name: str) -> None:
    new = copy.deepcopy(report)
    SPOILERS[name](new)
    found = compare(report, new)
    assert found["labels"] is None
    assert found["scores"]["re"]["change"] is None


def test_planes_that_only_one_audit_asked_take_no_part(report: dict[str, Any]) -> None:
    new = copy.deepcopy(report)
    new["planes"] = new["planes"][:3]
    new["planes"][0]["coordinates"][1][0] += 0.5
    found = compare(report, new)
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
    found = match_accepted(result_of(two), (), date(2026, 1, 1))
    assert exit_code(compare(one, two), found) == code
