"""Planes that end before the last one."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from adapters.contract import Batch
from adapters.synthetic import SyntheticOracle
from auditor.errors import LabelsPending
from auditor.plan.settings import AuditSettings
from auditor.samples.samples import Samples
from auditor.scores.intervals import binomial_rate
from auditor.scores.sequential_test import EarlyRule
from auditor.verdict.early_stop import decided_early, side_of
from auditor.verdict.profile import Profile, Threshold
from auditor.workflows.audit import run_audit
from auditor.workflows.judge import AuditResult
from auditor.workflows.prepare import prepare
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located

SETTINGS = AuditSettings(planes=120, canaries=0, trigger_search=False)


def profile(threshold: float, errors: int = 0, status: str = "calibrated") -> Profile:
    return Profile(
        name="here",
        status=status,  # type: ignore[arg-type]  # one of three words
        task="prototypes",
        access="float",
        settings={
            name: getattr(SETTINGS, name)
            for name in ("sampler", "points", "expansion", "alpha", "ats_threshold")
        },
        input_shape=(1, 4, 4),
        labels=tuple("01234"),
        decides_by="re",
        thresholds={"re": Threshold(threshold, threshold, threshold)},
        error_rates={
            "false_positive": binomial_rate(errors, 20),
            "false_negative": binomial_rate(0, 20),
        },
    )


@pytest.fixture
def audited(
    make_oracle: Callable[..., SyntheticOracle], samples: Samples, tmp_path: Path
) -> Callable[..., AuditResult]:
    def run(judged_by: Profile | None, settings: AuditSettings = SETTINGS) -> AuditResult:
        folder = tmp_path / f"{judged_by and judged_by.digest[:8]}-{settings.sampler}"
        ran = run_audit(
            AuditRequest(located(make_oracle()), samples, settings, folder, profile=judged_by)
        )
        return asyncio.run(ran)

    return run


def test_a_clear_case_ends_early_with_the_verdict_of_all_planes(
    audited: Callable[..., AuditResult],
) -> None:
    for threshold, name in ((2.2, "backdoor-suspected"), (0.2, "no-evidence")):
        result = audited(profile(threshold))
        asked = result.report["queries"]
        assert result.verdict.name == name
        assert 0 < asked["spared"] == asked["planned"] - asked["sent"]
        assert len(result.report["planes"]) in range(8, 120, 8)
        assert not result.report["partial"]
        assert any("ended early" in limit for limit in result.report["limits"])


def test_the_same_audit_again_ends_at_the_same_plane_and_asks_nothing(
    audited: Callable[..., AuditResult],
) -> None:
    first, second = audited(profile(0.2)), audited(profile(0.2))
    assert second.report["queries"]["sent"] == 0
    assert second.report["planes"] == first.report["planes"]


def test_a_borderline_case_uses_its_planes(audited: Callable[..., AuditResult]) -> None:
    mean = audited(None).report["scores"]["re"]["mean"]
    report = audited(profile(round(mean, 3))).report
    assert (len(report["planes"]), report["queries"]["spared"]) == (120, 0)


@pytest.mark.parametrize(
    "judged_by",
    [
        None,
        profile(0.2, errors=12),
        profile(0.2, status="provisional"),
        dataclasses.replace(profile(0.2), coding="jpeg:90"),
    ],
)
def test_planes_that_decide_nothing_do_not_end_early(
    make_oracle: Callable[..., SyntheticOracle], samples: Samples, judged_by: Profile | None
) -> None:
    ready = prepare(make_oracle(), samples, SETTINGS)
    assert decided_early(ready.plan, ready.classes, 5, judged_by) is None


def test_the_papers_planes_never_end_early(
    make_oracle: Callable[..., SyntheticOracle], samples: Samples
) -> None:
    settings = AuditSettings.paper(planes=8, density=4, canaries=0, trigger_search=False)
    ready = prepare(make_oracle(), samples, settings)
    assert decided_early(ready.plan, ready.classes, 5, profile(0.2)) is None


class AnswersLater(SyntheticOracle):
    """A target by files: whatever it is asked is noted for a later run."""

    noted = 0

    async def begin(self, audit: str) -> None:
        """Nothing was handed out before."""

    async def answers_now(self, batch: Batch) -> bool:
        """Never."""
        self.noted += len(batch)
        return False

    async def hand_out(self) -> str:
        """Hand out everything noted."""
        return f"{self.noted} inputs"

    async def taken_over(self) -> None:
        """Nothing to forget."""


def test_a_target_by_files_is_asked_for_all_planes_at_once(
    make_oracle: Callable[..., SyntheticOracle], samples: Samples, tmp_path: Path
) -> None:
    noted = []
    for folder, judged_by in (("all", None), ("early", profile(0.2))):
        oracle = make_oracle()
        oracle.__class__ = AnswersLater
        with pytest.raises(LabelsPending) as raised:
            asyncio.run(
                run_audit(
                    AuditRequest(
                        located(oracle), samples, SETTINGS, tmp_path / folder, profile=judged_by
                    )
                )
            )
        noted.append(str(raised.value))
    assert noted[0] == noted[1]


def test_turns_of_the_classes_that_balance_out_do_not_fool_it() -> None:
    # Planes of a turn depend on each other: only their mean is a fair draw.
    rng = np.random.default_rng(0)
    rule = EarlyRule(1.0, 0.0, 2.0, 0.05)
    ended = 0
    for _ in range(300):
        turns = [rng.permutation([0.2, 1.0, 1.8]) + rng.normal(0, 0.1) for _ in range(40)]
        ended += side_of(np.concatenate(turns).tolist(), 3, rule) is not None
    assert ended / 300 <= 0.05 + 3 * 0.0126
