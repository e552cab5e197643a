"""``xray-audit diff`` on audits as users make them: default settings, one thing different."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.synthetic import nearest_prototype
from auditor.cli.console_compare import show_diff
from auditor.errors import ExitCode

OLD_BUNDLES = Path(__file__).parents[3] / "data" / "bundles_0_1"
RunCommand = Callable[..., Any]
Compare = Callable[[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def audits(bundles: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of audits; not to be changed."""
    folder = tmp_path_factory.mktemp("audits")
    judged = {"profile": bundles.profile()}
    bundles.audit(folder / "cleared", **judged)
    bundles.audit(folder / "again", **judged)
    bundles.audit(folder / "other seed", chosen={"seed": 1}, **judged)
    bundles.audit(folder / "drifted", bundles.changed, **judged)
    bundles.audit(folder / "new version", bundles.changed, name="model 2", **judged)
    bundles.audit(folder / "backdoored", bundles.backdoored, name="model 2", **judged)
    bundles.audit(folder / "stopped", batch=16, **judged, **bundles.stop_after(180))
    bundles.audit(folder / "all asked", chosen={"stop_early": False}, **judged)
    bundles.audit(folder / "unsearched", chosen={"trigger_search": False}, **judged)
    bundles.audit(folder / "no profile")
    with pytest.MonkeyPatch.context() as patch:
        # Pictures as small as those of the old bundles.
        patch.setattr(bundles, "SIDE", 24)
        patch.setattr(bundles, "BLOCK", 6)
        bundles.audit(folder / "as old", nearest_prototype(bundles.prototypes()))
    return folder


@pytest.fixture
def compare(command: RunCommand, audits: Path) -> Compare:
    """Runs ``diff --json``; what it printed, and as ``shown`` what it prints without ``--json``."""

    def run(old: str, new: str) -> dict[str, Any]:
        ran = command("diff", audits / old, audits / new, "--json")
        assert ran.err == ""
        data: dict[str, Any] = json.loads(ran.out)
        assert data["exit_code"] == ran.code
        names = json.loads((audits / new / "report.json").read_text())["labels"]
        return {**data, "shown": show_diff(data, names)}

    return run


@pytest.mark.parametrize("again", ["cleared", "again"])
def test_the_same_model_asked_the_same_has_not_changed(compare: Compare, again: str) -> None:
    found = compare("cleared", again)
    assert found["exit_code"] == ExitCode.NO_EVIDENCE
    assert found["verdict"] == {"old": "no-evidence", "new": "no-evidence"}
    assert found["labels"]["compared"] > 0
    assert found["labels"]["changed"] == 0
    assert found["scores"]["re"]["change"]["mean"] == 0
    assert found["scores"]["re"]["old"] == found["scores"]["re"]["new"]
    assert found["finding_moves"] == {"new": [], "kept": [], "gone": []}
    assert "Verdict: no-evidence, as before" in found["shown"]
    assert "the comparison is sound" in found["shown"]
    assert "ATS:          in neither audit" in found["shown"]


def test_people_are_told_the_same_with_the_same_exit_code(
    command: RunCommand, compare: Compare, audits: Path
) -> None:
    ran = command("diff", audits / "cleared", audits / "backdoored")
    found = compare("cleared", "backdoored")
    assert (ran.code, ran.out, ran.err) == (found["exit_code"], found["shown"] + "\n", "")


def test_an_audit_without_a_profile_stays_inconclusive_beside_itself(compare: Compare) -> None:
    found = compare("no profile", "no profile")
    assert found["exit_code"] == ExitCode.INCONCLUSIVE
    assert found["spoiled_by"] == []
    assert found["labels"]["changed"] == 0


def test_another_seed_asks_other_questions(compare: Compare) -> None:
    found = compare("cleared", "other seed")
    assert found["exit_code"] == ExitCode.INCONCLUSIVE
    assert any("setting seed: 0 then, 1 now" in why for why in found["spoiled_by"])
    assert found["planes"]["shared"] == 0
    assert found["labels"] is None
    re = found["scores"]["re"]
    assert re["old"]["mean"] != re["new"]["mean"]
    assert re["change"] is None
    assert f"{re['old']['mean']:.3f} -> {re['new']['mean']:.3f}" in found["shown"]
    assert "Verdict: no-evidence, as before" in found["shown"]
    assert "Findings: none, as before" in found["shown"]


def test_a_model_that_changed_behind_its_name_drifted(compare: Compare) -> None:
    found = compare("cleared", "drifted")
    assert found["same_model"]
    assert found["spoiled_by"] == []
    assert 0 < found["labels"]["changed"] < found["labels"]["compared"]
    assert found["scores"]["re"]["change"]["n"] == found["planes"]["shared"] > 0
    assert "DRIFT" in found["shown"]
    assert "ant" in found["shown"].split("Labels:")[1].splitlines()[0], "names, not numbers"


def test_a_new_version_differs_and_is_no_drift(compare: Compare) -> None:
    found = compare("cleared", "new version")
    assert not found["same_model"]
    assert found["labels"]["changed"] > 0
    assert found["exit_code"] == ExitCode.NO_EVIDENCE
    assert "DRIFT" not in found["shown"]


def test_a_backdoored_version_is_told_from_a_clean_one(compare: Compare) -> None:
    found = compare("cleared", "backdoored")
    assert found["exit_code"] == ExitCode.BACKDOOR_SUSPECTED
    assert found["verdict"] == {"old": "no-evidence", "new": "backdoor-suspected"}
    assert found["trigger"]["new"]["target"] == 1
    assert found["finding_moves"]["new"] == [one["id"] for one in found["findings"]] != []
    assert "Verdict: no-evidence -> backdoor-suspected" in found["shown"]
    assert "Trigger:  none found -> patch to bee" in found["shown"]
    assert "Findings: 1 new" in found["shown"]


def test_a_backdoor_that_is_gone_is_said_to_be(compare: Compare) -> None:
    found = compare("backdoored", "cleared")
    assert found["exit_code"] == ExitCode.NO_EVIDENCE
    assert [one["kind"] for one in found["finding_moves"]["gone"]] == ["trigger"]
    assert "Findings: 1 gone\n  GONE (trigger): " in found["shown"]


@pytest.mark.parametrize("pair", [("all asked", "stopped"), ("stopped", "all asked")])
def test_an_interrupted_audit_spoils_the_comparison(
    compare: Compare, pair: tuple[str, str]
) -> None:
    found = compare(*pair)
    assert found["exit_code"] == ExitCode.INCONCLUSIVE
    word = "second" if pair[1] == "stopped" else "first"
    assert f"the {word} audit is not complete" in found["spoiled_by"]
    assert 0 < found["planes"]["shared"] < 44
    assert found["labels"]["changed"] == 0


def test_planes_that_ended_early_are_compared_with_all_of_them(compare: Compare) -> None:
    found = compare("cleared", "all asked")
    assert found["exit_code"] == ExitCode.INCONCLUSIVE
    assert any("setting stop_early" in why for why in found["spoiled_by"])
    assert found["planes"]["old"] == found["planes"]["shared"] < found["planes"]["new"] == 44
    assert found["labels"]["changed"] == 0
    assert f"-> 44, {found['planes']['shared']} of them asked in both" in found["shown"]


def test_a_search_left_out_is_said(compare: Compare) -> None:
    found = compare("unsearched", "cleared")
    assert found["exit_code"] == ExitCode.INCONCLUSIVE
    assert any("setting trigger_search" in why for why in found["spoiled_by"])
    assert found["trigger"]["old"] is None
    assert "Trigger:  not searched -> none found" in found["shown"]


# ---- bundles of release 0.1.0 ------------------------------------------------------------------

SAME = {"profile": ExitCode.NO_EVIDENCE, "suspected": ExitCode.BACKDOOR_SUSPECTED}
KINDS = sorted(path.name for path in OLD_BUNDLES.iterdir() if path.is_dir())


@pytest.mark.parametrize("kind", KINDS)
def test_an_old_bundle_beside_itself_has_not_changed(command: RunCommand, kind: str) -> None:
    ran = command("diff", OLD_BUNDLES / kind, OLD_BUNDLES / kind, "--json")
    found = json.loads(ran.out)
    assert ran.code == SAME.get(kind, ExitCode.INCONCLUSIVE)
    partial = kind in {"inconclusive", "stopped"}
    assert len(found["spoiled_by"]) == (2 if partial else 0), "only that both are not complete"
    assert found["labels"]["compared"] > 0
    assert found["labels"]["changed"] == 0


def test_an_old_bundle_is_compared_with_one_of_today(compare: Compare, audits: Path) -> None:
    found = compare(str(OLD_BUNDLES / "default"), "as old")
    assert found["exit_code"] == ExitCode.INCONCLUSIVE
    assert {why.split(":")[0] for why in found["spoiled_by"]} <= {"tool version"}
    assert found["planes"] == {"old": 44, "new": 44, "shared": 44}
    assert (found["labels"]["compared"], found["labels"]["changed"]) == (704, 0)
    old, new = (
        json.loads((folder / "plan.json").read_text())
        for folder in (OLD_BUNDLES / "default", audits / "as old")
    )
    for part in ("triplets", "planes", "queries"):
        assert old[part] == new[part], "the same questions, by whatever name a plan's version has"


def test_an_old_suspected_bundle_beside_a_clean_one_of_today(compare: Compare) -> None:
    found = compare(str(OLD_BUNDLES / "suspected"), "no profile")
    assert found["verdict"] == {"old": "backdoor-suspected", "new": "inconclusive"}
    assert [one["kind"] for one in found["finding_moves"]["gone"]] == ["trigger"]


def test_samplers_share_no_question(compare: Compare) -> None:
    found = compare(str(OLD_BUNDLES / "paper"), str(OLD_BUNDLES / "default"))
    assert found["exit_code"] == ExitCode.INCONCLUSIVE
    assert any("setting sampler: paper then, frugal now" in why for why in found["spoiled_by"])
    assert found["labels"] is None
    assert "(in one audit only)" in found["shown"], "the frugal sampler alone measures no ATS"


def test_an_interruption_is_not_passed_off_as_an_early_end(audits: Path) -> None:
    report = json.loads((audits / "stopped" / "report.json").read_text())
    assert report["partial"]
    assert "interrupted" in report["verdict_reason"]
    assert report["not_asked"] is None
    assert not any("early" in limit for limit in report["limits"])
