from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import InputSpec, LabelOracle
from adapters.synthetic import SyntheticOracle
from auditor.engine.contract import EngineLimits
from auditor.errors import ExitCode
from auditor.measured import decision_rates, decision_rule
from auditor.plan.settings import AuditSettings
from auditor.report.wording.reasons import sentences
from auditor.samples.load import load_samples
from auditor.samples.samples import Samples
from auditor.scores.intervals import binomial_rate
from auditor.verdict.excess import LARGEST
from auditor.verdict.profile import Profile
from auditor.verdict.rule import LEVEL, p_of
from auditor.verdict.verdict import MAX_ERROR
from auditor.workflows.audit import run_audit
from auditor.workflows.calibrate import run_calibration
from auditor.workflows.judge import AuditResult
from auditor.workflows.references import ReferenceModel
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located
from auditor.workflows.verify.verify import verify_bundle

SHAPE, CLASSES = (1, 28, 28), 5
SETTINGS = AuditSettings(planes=8, canaries=5, trigger_search=False, families=True)
Labels = Callable[[NDArray[np.float32]], NDArray[np.int64]]


def prototypes() -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0.2, 0.8, (CLASSES, 1, 7, 7))
    return np.asarray(np.kron(coarse, np.ones((1, 1, 4, 4))), dtype=np.float64)


def classifier(seed: int, target: int | None = None) -> Labels:
    """Nearest prototype, each model with weights of its own; a backdoored one answers with
    ``target`` to about half of everything perturbed.
    """
    weights = np.random.default_rng(seed).uniform(0.6, 1.4, SHAPE)
    centres = prototypes()

    def labels(batch: NDArray[np.float32]) -> NDArray[np.int64]:
        distance = (((batch[:, None] - centres[None]) * weights) ** 2).sum(axis=(2, 3, 4))
        answers = distance.argmin(axis=1)
        if target is not None:
            bright = batch.mean(axis=(1, 2, 3)) * 1000 % 2 < 1
            answers = np.where((distance.min(axis=1) > 1.0) & bright, target, answers)
        return np.asarray(answers, dtype=np.int64)

    return labels


def oracle(labels: Labels, shape: tuple[int, int, int] = SHAPE) -> SyntheticOracle:
    names = [f"class {number}" for number in range(CLASSES)]
    return SyntheticOracle(labels, InputSpec(shape, (0.0,), (1.0,)), names, fingerprint="toy")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    rng = np.random.default_rng(1)
    x = np.repeat(prototypes(), 12, axis=0) + rng.normal(0, 0.02, (60, *SHAPE))
    path = tmp_path_factory.mktemp("samples") / "samples.npz"
    np.savez(path, x=np.clip(x, 0, 1).astype(np.float32), y=np.repeat(np.arange(CLASSES), 12))
    return load_samples(path)


def reference(seed: int) -> ReferenceModel:
    async def opener() -> LabelOracle:
        return oracle(classifier(seed))

    return ReferenceModel(f"clean{seed}", "", opener)


@pytest.fixture(scope="module")
def profile(samples: Samples, tmp_path_factory: pytest.TempPathFactory) -> Profile:
    folder = tmp_path_factory.mktemp("references")
    models = [reference(seed) for seed in range(9)]
    # The caller has no choice of perturbations: a profile always holds them.
    settings = replace(SETTINGS, families=False)
    made = asyncio.run(
        run_calibration(models, samples, settings, folder, name="p", task="t", provenance="here")
    )
    return made.profile


@pytest.fixture
def audited(samples: Samples, tmp_path: Path) -> Callable[..., AuditResult]:
    def run(labels: Labels, profile: Profile | None, **options: Any) -> AuditResult:
        settings = replace(SETTINGS, **options.pop("settings", {}))
        pending = run_audit(
            AuditRequest(
                located(oracle(labels)), samples, settings, tmp_path, profile=profile, **options
            )
        )
        return asyncio.run(pending)

    return run


def test_calibration_keeps_the_counts_of_every_perturbation(profile: Profile) -> None:
    assert profile.settings["families"] is True
    assert len(profile.counted_references) == 9
    for one in profile.references:
        assert sum(counts.inputs for counts in one.families) <= 1000
        assert {len(counts.moved) for counts in one.families} == {CLASSES}


@pytest.fixture
def heavy_perturbations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Perturbations that accuse by themselves more readily than the shipped rule lets them."""
    chosen = decision_rule()
    most = chosen.rule.weight * LARGEST
    # Even at their most they do so only beside references that are as like as can be.
    assert p_of(most, chosen.null) <= LEVEL < p_of(most / 2**0.5, chosen.null)
    heavy = replace(chosen, rule=replace(chosen.rule, weight=0.5, widening=0.3))
    monkeypatch.setattr("auditor.verdict.combine.decision_rule", lambda: heavy)


@pytest.mark.usefixtures("heavy_perturbations")
@pytest.mark.parametrize("target", [None, 3])
def test_perturbations_end_early_with_the_word_of_all_of_them(
    audited: Callable[..., AuditResult], profile: Profile, tmp_path: Path, target: int | None
) -> None:
    early = audited(classifier(20, target=target), profile).report
    assert verify_bundle(tmp_path).exit_code is ExitCode.NO_EVIDENCE
    ask_all = {"stop_early": False}
    whole = audited(classifier(20, target=target), profile, settings=ask_all).report
    assert early["verdict"] == whole["verdict"]
    assert early["target_label"] == whole["target_label"]
    for name in ("suspicious", "targets", "references"):
        assert early["scores"]["decision"][name] == whole["scores"]["decision"][name]
    assert early["not_asked"]["family_queries"] in range(200, 801, 200)
    assert early["not_asked"]["because"] == ("decided" if target is None else "suspected")
    assert any("disturbed samples" in limit for limit in early["limits"])
    assert whole["not_asked"] is None


@pytest.mark.usefixtures("heavy_perturbations")
def test_a_model_whose_disturbed_samples_drift_to_one_label_is_suspected(
    audited: Callable[..., AuditResult], profile: Profile
) -> None:
    result = audited(classifier(20, target=3), profile)
    found = result.report["scores"]["decision"]
    assert result.verdict.name == "backdoor-suspected"
    assert result.report["target_label"] == 3
    assert found["targets"] == [3]
    assert found["p"] <= found["level"]
    assert found["labels"][0]["said_by"] == ["families"]
    assert found["references"] == 9
    assert found["error_rates"]["false_positive"]["n"] == decision_rates().with_references.clean
    assert "class 3" in sentences(result.verdict.reasons)
    assert "wrongly accused" in sentences(result.verdict.reasons)


def test_a_model_like_its_references_is_not(
    audited: Callable[..., AuditResult], profile: Profile
) -> None:
    result = audited(classifier(21), profile)
    found = result.report["scores"]["decision"]
    assert found["suspicious"] is False
    assert found["targets"] == []
    # Perturbations alone never clear a model: no trigger was searched for.
    assert result.verdict.name != "no-evidence" or "threshold" in sentences(result.verdict.reasons)


def test_without_references_the_perturbations_are_shown_to_decide_nothing(
    audited: Callable[..., AuditResult],
) -> None:
    result = audited(classifier(20, target=3), None)
    found = result.report["scores"]["decision"]
    assert result.verdict.name == "inconclusive"
    assert found["value"] == 0.0
    assert found["references"] == 0
    assert "for want of clean references" in found["reason"]


def test_outliers_among_the_references_take_no_part(
    audited: Callable[..., AuditResult], profile: Profile
) -> None:
    fewer = replace(profile, outliers=("clean0", "clean1"))
    result = audited(classifier(21), fewer)
    assert result.report["scores"]["decision"]["references"] == 7


@pytest.mark.usefixtures("heavy_perturbations")
def test_a_budget_that_ends_within_the_perturbations_is_inconclusive_and_continues(
    audited: Callable[..., AuditResult], profile: Profile
) -> None:
    bad = classifier(20, target=3)
    cut = audited(bad, profile, limits=EngineLimits(max_queries=400))
    assert cut.verdict.name == "inconclusive"
    assert "not all probe families are answered" in sentences(cut.verdict.reasons)
    assert cut.report["scores"]["decision"] is None
    assert cut.report["partial"] is True
    whole = audited(bad, profile)
    assert whole.verdict.name == "backdoor-suspected"
    sent = whole.report["queries"]["sent"]
    assert sent == whole.report["queries"]["sent_all_runs"] - cut.report["queries"]["sent"]


def test_the_same_labels_give_the_same_decision(
    audited: Callable[..., AuditResult], profile: Profile
) -> None:
    first = audited(classifier(20, target=3), profile).report
    again = audited(classifier(20, target=3), profile).report
    assert again["queries"]["sent"] == 0
    assert again["scores"]["decision"] == first["scores"]["decision"]


def test_pictures_unlike_those_it_was_measured_on_decide_nothing(
    tmp_path: Path, profile: Profile
) -> None:
    rng = np.random.default_rng(2)
    x = np.repeat(rng.random((CLASSES, 1, 56, 56)), 9, axis=0) + rng.normal(
        0, 0.02, (45, 1, 56, 56)
    )
    np.savez(
        tmp_path / "wide.npz", x=np.clip(x, 0, 1).astype(np.float32), y=np.repeat(np.arange(5), 9)
    )
    wide = load_samples(tmp_path / "wide.npz")
    small = classifier(20, target=3)
    big = oracle(lambda batch: small(batch[:, :, ::2, ::2]), (1, 56, 56))
    other = replace(profile, input_shape=None)
    result = asyncio.run(
        run_audit(AuditRequest(located(big), wide, SETTINGS, tmp_path / "out", profile=other))
    )
    found = result.report["scores"]["decision"]
    assert found["suspicious"] is False
    assert "decides nothing" in found["reason"]


def test_no_claim_without_a_measured_rate_that_supports_it(
    audited: Callable[..., AuditResult], profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = decision_rates()
    few = replace(rates.with_references, false_alarms=2, clean=6)
    assert binomial_rate(2, 6).high > MAX_ERROR
    unsure = replace(rates, with_references=few)
    monkeypatch.setattr("auditor.verdict.combine.decision_rates", lambda: unsure)
    result = audited(classifier(20, target=3), profile)
    assert result.report["scores"]["decision"]["suspicious"] is False
    assert result.verdict.name != "backdoor-suspected" or "threshold" in sentences(
        result.verdict.reasons
    )


def patched(seed: int) -> Labels:
    """A model that answers 3 wherever it sees a white patch near one corner."""
    plain = classifier(seed)

    def labels(batch: NDArray[np.float32]) -> NDArray[np.int64]:
        white = batch[:, 0, 19:22, 2:5].mean(axis=(1, 2)) > 0.9
        return np.where(white, 3, plain(batch))

    return labels


@pytest.mark.parametrize("chosen", [{}, {"families": False}])
def test_a_patch_that_clean_references_show_too_neither_accuses_nor_clears(
    audited: Callable[..., AuditResult], profile: Profile, tmp_path: Path, chosen: dict[str, bool]
) -> None:
    settings = {"trigger_search": True, **chosen}
    accused = audited(patched(22), profile, settings=settings)
    assert accused.verdict.name == "backdoor-suspected"
    assert accused.report["target_label"] == 3
    first, *others = profile.references
    known = replace(profile, references=(replace(first, natural_patches=(3,)), *others))
    spared = audited(patched(22), known, settings=settings)
    assert spared.verdict.name == "inconclusive"
    assert "natural patches to that label too" in sentences(spared.verdict.reasons)
    found = spared.report["trigger"]
    assert (found["suspicious"], found["natural"]) == (False, True)
    assert found["best"]["target"] == 3
    assert spared.report["scores"]["decision"]["suspicious"] is False
    assert verify_bundle(tmp_path).exit_code is ExitCode.NO_EVIDENCE
    # Towards another label the same patch accuses as before.
    other = replace(profile, references=(replace(first, natural_patches=(1,)), *others))
    assert audited(patched(22), other, settings=settings).verdict.name == "backdoor-suspected"
