"""Bundles of every plan version that can be read, and of one that cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.strict_json import canonical
from auditor.errors import ExitCode
from auditor.evidence.chain import read_chain
from auditor.evidence.files import read_files
from auditor.evidence.packing import pack
from auditor.evidence.recorder import Recorder, canonical_lines
from auditor.plan.digest import PLAN_VERSION
from auditor.report.wording.phrases import OF_PROJECT
from auditor.workflows.prepare import Prepared, prepare
from auditor.workflows.verify.outcome import Verification
from auditor.workflows.verify.recomputed import todays_words, without_populations
from auditor.workflows.verify.replay import replay
from auditor.workflows.verify.verify import verify_bundle

DATA = Path(__file__).parents[3] / "data"
MakeBundle = Callable[..., Path]
Bundles = Callable[[str], Path]


def earlier(prepared: Prepared, version: int = 2) -> Prepared:
    return replace(prepared, plan=prepared.plan.at_version(version))


def plan_of(folder: Path) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((folder / "plan.json").read_text())
    return plan


def changed(folder: Path, **changes: Any) -> Verification:
    """``folder`` verified with another plan under hashes that fit again."""
    (folder / "plan.json").write_bytes(canonical_lines({**plan_of(folder), **changes}))
    verdict = json.loads((folder / "report.json").read_text())["verdict"]
    Recorder(folder).seal(["report.json", "report.html", "trigger.png"], verdict)
    return verify_bundle(folder)


def failed(found: Verification) -> str:
    return " ".join(check.text for check in found.checks if check.state == "failed")


@pytest.mark.parametrize(
    "settings",
    [
        {"trigger_search": True, "sampler": "frugal", "points": 8, "pictures": 1, "planes": 3},
        {"families": True, "per_source": True, "trigger_search": True},
        {"canaries": 0},
    ],
)
def test_a_plan_as_release_0_1_wrote_it_verifies_in_both_editions(
    make_bundle: MakeBundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
) -> None:
    monkeypatch.setattr("auditor.workflows.audit.prepare", lambda *given: earlier(prepare(*given)))
    folder = make_bundle(tmp_path / "old", **settings)
    assert "plan_version" not in plan_of(folder)
    pack(folder, tmp_path / "given.zip", hand_over=True)
    for where in (folder, tmp_path / "given.zip"):
        found = verify_bundle(where)
        assert found.exit_code == ExitCode.NO_EVIDENCE, found.checks


def test_a_plan_of_before_findings_were_confirmed_verifies(
    make_bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "auditor.workflows.audit.prepare", lambda *given: earlier(prepare(*given), 4)
    )
    folder = make_bundle(tmp_path / "old", trigger_search=True)
    assert plan_of(folder)["plan_version"] == 4
    assert "two_toned" not in plan_of(folder)["trigger_search"]["settings"]
    found = verify_bundle(folder)
    assert found.exit_code == ExitCode.NO_EVIDENCE, found.checks


@pytest.mark.parametrize(
    ("version", "batches", "verdict"),
    [
        (6, 40, "inconclusive"),
        (8, 76, "inconclusive"),
        (9, 89, "inconclusive"),
        (10, 112, "backdoor-suspected"),
        (11, 182, "inconclusive"),
        (12, 297, "inconclusive"),
        (13, 557, "inconclusive"),
        (14, 561, "inconclusive"),
        (15, 347, "inconclusive"),
    ],
)
def test_a_search_of_an_earlier_version_is_asked_again_to_the_last_picture(
    version: int, batches: int, verdict: str
) -> None:
    """The bundles are of that time. In 6 a search's pictures were hashed in the model's units; in 8
    no patch was asked again where others had led to a label; 9 asked as later versions do; 10
    accused by two pairs of classes; 11 searched no class of larger pictures by itself; 12 judged a
    patch by its size alone; 13 did so in further searches; 14 judged by fewer clean models; 15 did
    so of small pictures, and judged their patches by size alone.
    """
    folder = DATA / f"bundle_plan_{version}"
    files = read_files(folder)
    chain = read_chain(files.get("log.jsonl").splitlines(), answers=True)
    again = replay(files, chain)
    assert plan_of(folder)["plan_version"] == again.ready.plan.version == version
    assert again.ready.plan.digest == plan_of(folder)["plan_digest"]
    assert (again.batches, again.inputs_differ) == (batches, 0)
    report = json.loads(todays_words(files.get("report.json")))
    # Reports name the models of their rates since version 11.
    today = again.report
    if version < 11:
        today = json.loads(without_populations(canonical(again.report)))
    assert again.report["verdict"] == report["verdict"] == verdict
    assert today["verdict_reason"] == report["verdict_reason"]
    assert today["trigger"]["reason"] == report["trigger"]["reason"]
    assert again.report["trigger"]["p"] == report["trigger"]["p"]
    assert again.report["trigger"]["best"] == report["trigger"]["best"]


def test_pictures_hashed_as_pixels_are_compared_too(bundle: Bundles) -> None:
    files = read_files(bundle("searched"))
    chain = read_chain(files.get("log.jsonl").splitlines(), answers=True)
    again = replay(files, chain)
    assert again.batches > again.inputs_differ == 0
    last = chain.probes[-1]
    assert last.kind == "trigger"
    chain.probes[-1] = replace(last, digest="0" * 64)
    assert replay(files, chain).inputs_differ == 1


def test_a_new_plan_says_of_which_version_it_is(bundle: Bundles) -> None:
    folder = bundle("plain")
    assert plan_of(folder)["plan_version"] == PLAN_VERSION == 16
    report = json.loads((folder / "report.json").read_bytes())
    assert report["settings"]["plan_version"] == PLAN_VERSION


def test_another_version_than_the_digests_is_found(bundle: Bundles) -> None:
    assert "differs at plan_digest" in failed(changed(bundle("plain"), plan_version=2))


@pytest.mark.parametrize("version", [17, "3", True, None, [3]])
def test_a_version_that_cannot_be_read_is_refused_in_a_sentence(
    bundle: Bundles, version: Any
) -> None:
    said = failed(changed(bundle("plain"), plan_version=version))
    assert "of plan version" in said
    assert "reads 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 and 16" in said


def test_a_report_of_before_it_named_the_models_of_its_rates_verifies(bundle: Bundles) -> None:
    folder = bundle("searched")
    report = folder / "report.json"
    before = without_populations(report.read_bytes())
    assert OF_PROJECT.encode() in report.read_bytes()
    assert OF_PROJECT.encode() not in before
    for words, state in ((before, "ok"), (before.replace(b"rule missed", b"rule found"), "failed")):
        report.write_bytes(words)
        verdict = json.loads(words)["verdict"]
        Recorder(folder).seal(["report.json", "report.html", "trigger.png"], verdict)
        checks = {check.name: check.state for check in verify_bundle(folder).checks}
        assert checks["verdict"] == state
