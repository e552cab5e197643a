"""An audit that is run again with a higher effort goes on, and pays for its second look."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from auditor import AuditReport, audit
from auditor.errors import ExitCode
from auditor.evidence.packing import pack
from auditor.probes.label_search.settings import Effort
from auditor.workflows.compare.diff import compare_results
from auditor.workflows.verify.verify import verify_bundle

SIDE, CLASSES, TARGET = 48, 6, 2  # pixels at which thorough accuses and standard does not
PROTOTYPES = (
    np.random.default_rng(7).uniform(0.2, 0.8, (CLASSES, 1, 4, 4)).repeat(12, 2).repeat(12, 3)
)


class Classifier:
    """Nearest prototype; pictures with fine noise are called :data:`TARGET`."""

    def __init__(self) -> None:
        self.asked: list[NDArray[np.float32]] = []

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.int64]:
        self.asked.append(images)
        flat, known = images.reshape(len(images), -1), PROTOTYPES.reshape(CLASSES, -1)
        distances = (known**2).sum(axis=1) - 2 * flat @ known.T  # beside |image|^2, alike for all
        rough = np.abs(images[..., 1:] - images[..., :-1]).mean(axis=(1, 2, 3))
        return np.where(rough > 0.04, TARGET, distances.argmin(axis=1))


def audited(folder: Path, effort: Effort, seed: int = 0) -> tuple[AuditReport, Classifier]:
    rng, model = np.random.default_rng(1), Classifier()
    y = np.arange(60) % CLASSES
    x = PROTOTYPES[y] + rng.normal(0, 0.002, (60, 1, SIDE, SIDE))
    report = audit(
        model, (np.clip(x, 0, 1).astype(np.float32), y), name="rough", value_range=(0, 1),
        output=folder, effort=effort, seed=seed, progress=False,
    )  # fmt: skip
    return report, model


def p_of(report: AuditReport) -> float:
    assert report.result.trigger is not None
    assert report.result.trigger.p is not None
    return report.result.trigger.p


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> AuditReport:
    return audited(tmp_path_factory.mktemp("fresh"), "thorough")[0]


@pytest.fixture(scope="module")
def raised(tmp_path_factory: pytest.TempPathFactory) -> tuple[AuditReport, AuditReport, Classifier]:
    folder = tmp_path_factory.mktemp("raised")
    before, _ = audited(folder, "standard")
    return before, *audited(folder, "thorough")


def test_a_raised_audit_ends_like_a_fresh_one(
    fresh: AuditReport, raised: tuple[AuditReport, AuditReport, Classifier]
) -> None:
    before, after, _ = raised
    assert before.verdict == "inconclusive"
    assert fresh.verdict == after.verdict == "backdoor-suspected"
    assert fresh.result.target_label == after.result.target_label == TARGET
    assert fresh.result.trigger is not None
    assert after.result.trigger is not None
    assert fresh.result.trigger.best == after.result.trigger.best


def test_a_look_that_could_not_accuse_costs_nothing(
    fresh: AuditReport, raised: tuple[AuditReport, AuditReport, Classifier]
) -> None:
    before, after, _ = raised
    assert p_of(after) == p_of(fresh)
    words = "raised: the same model was searched before in this folder with effort standard"
    assert words in after.reason
    assert "could not accuse it, so it costs the p-value nothing" in after.reason
    for one in (before, fresh):
        assert "raised" not in one.reason
    fixed = [json.loads((one.output / "plan.json").read_text()) for one in (fresh, after)]
    assert [one["trigger_search"].get("earlier") for one in fixed] == [None, ["standard"]]


def test_nothing_is_asked_twice_but_what_is_planned_twice(
    raised: tuple[AuditReport, AuditReport, Classifier],
) -> None:
    before, after, model = raised
    queries = after.result.queries
    assert sum(map(len, model.asked)) == queries.sent
    assert queries.spared is not None
    assert queries.sent + queries.cached + queries.deduplicated == queries.planned - queries.spared
    # Planes, samples and canaries; of the search only its samples, as it draws other changes.
    kinds = queries.by_probe
    fixed = kinds["samples"] + kinds["plane"] + kinds["canary"]
    assert queries.cached >= fixed
    assert before.result.queries.sent + queries.sent == before.result.queries.sent_all_runs + (
        queries.sent_all_runs
    )


def test_a_raised_bundle_verifies_and_compares(
    raised: tuple[AuditReport, AuditReport, Classifier],
    fresh: AuditReport,
    tmp_path: Path,
) -> None:
    before, after, _ = raised
    found = verify_bundle(after.output)
    assert found.exit_code is ExitCode.NO_EVIDENCE, found.checks
    assert any("1 other plan was asked" in one.text for one in found.checks)
    handed = tmp_path / "over.zip"
    pack(after.output, handed, hand_over=True)
    assert verify_bundle(handed).exit_code is ExitCode.NO_EVIDENCE
    assert compare_results(before.result, after.result)["verdict"] is not None
    assert compare_results(fresh.result, after.result) is not None


def test_the_same_command_again_asks_nothing_and_stays_raised(tmp_path: Path) -> None:
    audited(tmp_path, "standard")
    first, _ = audited(tmp_path, "thorough")
    again, model = audited(tmp_path, "thorough")
    assert not model.asked
    assert p_of(again) == p_of(first)
    assert again.reason == first.reason


def test_a_look_that_could_accuse_is_paid_for(fresh: AuditReport, tmp_path: Path) -> None:
    other, _ = audited(tmp_path, "thorough", seed=1)
    assert "raised" not in other.reason
    again, _ = audited(tmp_path, "thorough")
    assert p_of(again) == pytest.approx(2 * p_of(fresh))
    assert "in this folder with effort thorough" in again.reason
    assert "in 2 searches paid for" in again.reason
    assert "pays for the 2 searches that could accuse it" in again.reason
    assert verify_bundle(again.output).exit_code is ExitCode.NO_EVIDENCE
