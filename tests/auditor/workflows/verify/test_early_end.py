"""Planes that ended early: the end is found again from the log, whatever run.json says."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from adapters.synthetic import SyntheticOracle
from auditor.engine.store import NOT_ASKED
from auditor.errors import ExitCode
from auditor.evidence.chain import read_chain
from auditor.plan.settings import AuditSettings
from auditor.samples.samples import Samples
from auditor.scores.intervals import binomial_rate
from auditor.verdict.early_stop import decided_early
from auditor.verdict.profile import Profile, Threshold
from auditor.workflows.audit import run_audit
from auditor.workflows.prepare import prepare
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located
from auditor.workflows.verify.outcome import Verification
from auditor.workflows.verify.verify import verify_bundle


def _forging() -> ModuleType:
    # There is no package under tests to import it from.
    path = Path(__file__).with_name("test_verify.py")
    spec = importlib.util.spec_from_file_location("forging", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FORGING: Any = _forging()
SETTINGS = AuditSettings(planes=120, canaries=6, trigger_search=False)


def profile(threshold: float) -> Profile:
    names = ("sampler", "points", "expansion", "alpha", "ats_threshold")
    return Profile(
        name="here",
        status="calibrated",
        task="prototypes",
        access="float",
        settings={name: getattr(SETTINGS, name) for name in names},
        input_shape=(1, 28, 28),
        labels=tuple("012"),
        decides_by="re",
        thresholds={"re": Threshold(threshold, threshold, threshold)},
        error_rates={
            "false_positive": binomial_rate(0, 20),
            "false_negative": binomial_rate(0, 20),
        },
    )


Audit = Callable[[Path, Profile | None], dict[str, Any]]


@pytest.fixture(scope="module")
def audit(world: tuple[SyntheticOracle, Samples]) -> Audit:
    def run(folder: Path, judged_by: Profile | None) -> dict[str, Any]:
        oracle, samples = world
        return asyncio.run(
            run_audit(AuditRequest(located(oracle), samples, SETTINGS, folder, profile=judged_by))
        ).report

    return run


@pytest.fixture(scope="module")
def held(audit: Audit, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One audit that ended early, one whose threshold is its own mean, which uses all planes."""
    folder = tmp_path_factory.mktemp("early")
    early = audit(folder / "early", profile(0.1))
    assert early["queries"]["spared"] > 0
    shutil.copytree(folder / "early", folder / "scratch")
    mean = audit(folder / "scratch", None)["scores"]["re"]["mean"]
    full = audit(folder / "full", profile(round(mean, 3)))
    assert (len(full["planes"]), full["queries"]["spared"]) == (120, 0)
    return {"early": folder / "early", "full": folder / "full"}


@pytest.fixture
def bundle(held: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    return lambda kind: Path(shutil.copytree(held[kind], tmp_path / kind))


def reseal(folder: Path) -> Verification:
    found: Verification = FORGING.reseal(folder)
    return found


def refused(found: Verification) -> str:
    assert found.exit_code == ExitCode.FAILED
    return str(FORGING.text(found, "verdict"))


def state_end(folder: Path, *, early: bool) -> None:
    FORGING.edit(folder, "run.json", lambda run: run["engine"].update(decided=early))


def forget(folder: Path, probes: list[int]) -> None:
    """Take the answers of whole probes of the first question out of the log, as if unasked."""
    lines = (folder / "log.jsonl").read_bytes().splitlines()
    chain = read_chain(lines)
    sizes = [chain.probes[number].size for number in chain.runs[-1].asked[0]]
    starts = np.cumsum([0, *sizes]).tolist()
    rows = [{"r": [starts[number], sizes[number]], "s": "void"} for number in probes]

    def change(entries: list[dict[str, Any]]) -> None:
        place = next(n for n in reversed(range(len(entries))) if entries[n]["e"] == "close")
        entries.insert(place, {"at": entries[place]["at"], "e": "rows", "rows": rows})

    FORGING.relink(folder, change)


@pytest.mark.parametrize("kind", ["early", "full"])
def test_a_bundle_verifies_however_its_planes_ended(held: dict[str, Path], kind: str) -> None:
    found = verify_bundle(held[kind])
    assert found.exit_code == ExitCode.NO_EVIDENCE, found.checks


def test_the_flag_cannot_be_dropped(bundle: Callable[[str], Path]) -> None:
    folder = bundle("early")
    state_end(folder, early=False)
    assert "did not end early; their labels decide before" in refused(reseal(folder))


def test_the_flag_cannot_be_set(bundle: Callable[[str], Path]) -> None:
    folder = bundle("full")
    state_end(folder, early=True)
    assert "did end early; their labels decide nothing" in refused(reseal(folder))


def test_an_audit_cannot_be_cut_short_after_a_lucky_stretch(bundle: Callable[[str], Path]) -> None:
    folder = bundle("full")
    forget(folder, list(range(1 + 24, 1 + 120)))
    state_end(folder, early=True)
    assert "decide nothing" in refused(reseal(folder))


def test_planes_cannot_be_picked(
    bundle: Callable[[str], Path], world: tuple[SyntheticOracle, Samples]
) -> None:
    folder = bundle("full")
    report = json.loads((folder / "report.json").read_text())
    scores = {plane["index"]: plane["re"] for plane in report["planes"]}
    unwanted = sorted(scores, key=lambda number: scores[number])[40:]
    forget(folder, [1 + number for number in unwanted])
    state_end(folder, early=True)
    # All labels that are left, taken together, do decide: only the rounds show the forgery.
    lines = (folder / "log.jsonl").read_bytes().splitlines()
    labels = read_chain(lines, answers=True).runs[-1].answers[0]
    assert any((one == NOT_ASKED).all() for one in labels)
    oracle, samples = world
    ready = prepare(oracle, samples, SETTINGS)
    threshold = json.loads((folder / "profile.json").read_text())["thresholds"]["re"]["value"]
    decided = decided_early(ready.plan, ready.classes, 3, profile(threshold))
    assert decided is not None
    assert decided(labels)
    assert "decide nothing" in refused(reseal(folder))


def test_labels_of_an_earlier_run_do_not_change_where_planes_end(
    audit: Audit, tmp_path: Path, held: dict[str, Path]
) -> None:
    audit(tmp_path / "again", None)
    again = audit(tmp_path / "again", profile(0.1))
    first = json.loads((held["early"] / "report.json").read_text())
    for part in ("planes", "scores", "verdict"):
        assert again[part] == first[part]
    found = verify_bundle(tmp_path / "again")
    assert found.exit_code == ExitCode.NO_EVIDENCE, found.checks
