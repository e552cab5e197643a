from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import Batch, InputSpec
from adapters.synthetic import SyntheticOracle, nearest_prototype, synthetic_prototypes
from auditor.engine.adaptive import BatchProbe, run_search
from auditor.engine.contract import EngineLimits
from auditor.engine.engine import QueryEngine
from auditor.engine.ledger import Ledger, add_ledgers
from auditor.engine.store import LabelStore
from auditor.measured import JpegRates
from auditor.plan.settings import AuditSettings
from auditor.probes.base import Pictures, array_digest, digest_of
from auditor.samples.load import load_samples
from auditor.samples.samples import Samples
from auditor.workflows.audit import run_audit
from auditor.workflows.prepare import prepare
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located
from tests.auditor.workflows.verify.test_plan_versions import earlier

SHAPE = (1, 12, 12)
SPEC = InputSpec(SHAPE, (0.0,), (1.0,))
SETTINGS = AuditSettings(planes=3, canaries=4, seed=5)


def _oracle(*, backdoored: bool, asked: list[bytes] | None = None) -> SyntheticOracle:
    prototypes = synthetic_prototypes(1, 5, SHAPE)
    plain = nearest_prototype(prototypes)

    def labels_of(batch: Batch) -> NDArray[Any]:
        if asked is not None:
            asked.extend(image.tobytes() for image in batch)
        labels = plain(batch)
        if backdoored:
            stamped = (batch[:, 0, -4:-1, -4:-1] > 0.9).all(axis=(1, 2))
            labels = np.where(stamped, 2, labels)
        return labels

    return SyntheticOracle(labels_of, SPEC, [f"c{i}" for i in range(5)], fingerprint="searched")


@pytest.fixture(autouse=True)
def _small_pictures_count(monkeypatch: pytest.MonkeyPatch) -> None:
    # Pictures of 12 x 12 keep these audits quick; how large they must be has its own test.
    monkeypatch.setattr("auditor.verdict.scope.NULL_SIDES", (12, 40))


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    rng = np.random.default_rng(0)
    centres = np.repeat(synthetic_prototypes(1, 5, SHAPE), 16, axis=0)
    x = np.clip(centres + rng.normal(0.0, 0.03, centres.shape), 0.0, 1.0)
    path = tmp_path / "samples.npz"
    np.savez(path, x=np.rint(255 * x).astype(np.uint8), y=np.repeat(np.arange(5), 16))
    return load_samples(path)


def _audit(oracle: SyntheticOracle, samples: Samples, output: Path, cap: int | None = None) -> Any:
    limits = EngineLimits(max_queries=cap, concurrency=2)
    return asyncio.run(
        run_audit(AuditRequest(located(oracle), samples, SETTINGS, output, limits=limits))
    )


def test_a_planted_patch_is_found_and_decides(samples: Samples, tmp_path: Path) -> None:
    result = _audit(_oracle(backdoored=True), samples, tmp_path / "out")
    report = result.report
    assert report["verdict"] == "backdoor-suspected"
    assert report["target_label"] == 2
    assert report["trigger"]["best"]["success"]["rate"] > 0.9
    assert all(label == 2 for label in report["trigger"]["shown"]["changed_labels"][:3])
    assert all(label != 2 for label in report["trigger"]["shown"]["clean_labels"])
    assert (tmp_path / "out" / "trigger.png").exists()
    assert result.verdict.exit_code == 1


def test_an_honest_model_is_not_accused(samples: Samples, tmp_path: Path) -> None:
    report = _audit(_oracle(backdoored=False), samples, tmp_path / "out").report
    assert report["verdict"] == "inconclusive"
    assert not report["trigger"]["suspicious"]
    assert report["queries"]["by_probe"]["trigger"] >= report["trigger"]["queries"]


def test_cut_off_at_any_point_it_resumes_to_the_same_report(
    samples: Samples, tmp_path: Path
) -> None:
    whole = _audit(_oracle(backdoored=True), samples, tmp_path / "whole").report
    sent = whole["queries"]["sent"]
    asked: list[bytes] = []
    for cap in (*sorted({260, 300, sent // 2, sent - 5}), None):
        oracle = _oracle(backdoored=True, asked=asked)
        report = _audit(oracle, samples, tmp_path / "cut", cap).report
        if cap is not None and cap < sent:
            assert report["partial"]
            assert report["verdict"] == "inconclusive"
            assert report["queries"]["sent_all_runs"] <= cap
    drop = ("timing", "queries")
    strip = [json.dumps({k: v for k, v in r.items() if k not in drop}) for r in (whole, report)]
    assert strip[0] == strip[1]
    assert len(asked) == sent, "an answer that was paid for was asked again"


def test_without_the_search_nothing_of_it_is_asked(samples: Samples, tmp_path: Path) -> None:
    settings = AuditSettings(planes=3, canaries=4, trigger_search=False)
    oracle = _oracle(backdoored=True)
    report = asyncio.run(
        run_audit(AuditRequest(located(oracle), samples, settings, tmp_path / "out"))
    ).report
    assert report["trigger"] is None
    assert not report["partial"]
    assert "trigger" not in report["queries"]["by_probe"]


def test_a_search_is_told_the_labels_of_what_it_asked(tmp_path: Path) -> None:
    seen: list[list[int]] = []

    def two_steps() -> Generator[NDArray[np.float32], NDArray[np.int64], int]:
        prototypes = synthetic_prototypes(1, 5, SHAPE).astype(np.float32)
        seen.append((yield prototypes).tolist())
        seen.append((yield prototypes[::-1].copy()).tolist())
        return 7

    async def run() -> Any:
        store = LabelStore(tmp_path / "labels.sqlite3")
        try:
            engine = QueryEngine(_oracle(backdoored=False), store, EngineLimits())
            return await run_search(engine, two_steps(), "trigger", "plan")
        finally:
            store.close()

    found = asyncio.run(run())
    assert found.outcome == 7
    assert seen == [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0]]
    assert found.ledger.by_probe == {"trigger": 10}


def test_batches_differ_by_what_they_hold() -> None:
    one = BatchProbe(np.zeros((2, *SHAPE), dtype=np.float32), "trigger")
    two = BatchProbe(np.ones((2, *SHAPE), dtype=np.float32), "trigger")
    assert one.digest != two.digest
    assert one.size == 2
    assert one.inputs(np.array([1])).shape == (1, *SHAPE)


def test_pictures_are_hashed_once_as_pixels_or_as_earlier_plans_hashed_them() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, *SHAPE), dtype=np.uint8)
    pictures = Pictures(SPEC, pixels)
    hashes = [hashlib.sha256(one.tobytes()).digest() for one in pixels]
    now, before = BatchProbe(pictures, "trigger"), BatchProbe(pictures, "trigger", by_pixels=False)
    assert (now.hashes, before.hashes) == (hashes, None)
    # Labels that were paid for are kept under both forms.
    assert now.digest == digest_of("batch/2", "trigger", "(1, 12, 12) (0.0,) (1.0,)", *hashes)
    assert before.digest == digest_of("batch/1", "trigger", array_digest(pictures))
    assert before.digest == BatchProbe(SPEC.from_pixels(pixels), "trigger").digest
    others = (
        BatchProbe(Pictures(replace(SPEC, high=(2.0,)), pixels), "trigger"),
        BatchProbe(Pictures(SPEC, pixels[::-1]), "trigger"),
        BatchProbe(pictures, "picture"),
    )
    assert len({now.digest, *(one.digest for one in others)}) == 4


def test_an_audit_of_before_goes_on_under_the_digests_that_it_began_with(
    samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    with monkeypatch.context() as then:
        then.setattr("auditor.workflows.audit.prepare", lambda *given: earlier(prepare(*given), 6))
        _audit(_oracle(backdoored=True, asked=asked), samples, tmp_path / "out", 300)
    report = _audit(_oracle(backdoored=True, asked=asked), samples, tmp_path / "out").report
    assert json.loads((tmp_path / "out" / "plan.json").read_text())["plan_version"] == 6
    assert report["verdict"] == "backdoor-suspected"
    assert len(asked) == report["queries"]["sent_all_runs"] > report["queries"]["sent"] > 0
    # The last version that asked for no spots beside a patch asks the same.
    with monkeypatch.context() as then:
        then.setattr("auditor.workflows.audit.prepare", lambda *given: earlier(prepare(*given), 15))
        newer = _audit(_oracle(backdoored=True), samples, tmp_path / "newer").report
    assert newer["trigger"] == report["trigger"]
    assert newer["queries"]["sent"] == report["queries"]["sent_all_runs"]


def test_ledgers_add_up() -> None:
    one = Ledger(planned=3, sent=2, unknown=1, sent_all_runs=2, by_probe={"plane": 3})
    two = Ledger(planned=4, sent=4, unknown=1, sent_all_runs=6, by_probe={"trigger": 4})
    both = add_ledgers(one, two)
    assert (both.planned, both.sent, both.unknown, both.sent_all_runs) == (7, 6, 1, 6)
    assert both.by_probe == {"plane": 3, "trigger": 4}


def test_on_pictures_of_unknown_size_it_shows_and_decides_nothing(
    samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.verdict.scope.NULL_SIDES", (24, 40))
    report = _audit(_oracle(backdoored=True), samples, tmp_path / "out").report
    assert report["verdict"] == "inconclusive"
    assert report["trigger"]["best"]["target"] == 2
    assert not report["trigger"]["suspicious"]
    assert "decides nothing" in report["verdict_reason"]


@pytest.mark.parametrize(("least", "decides"), [(None, False), (75, False), (40, True)])
def test_through_jpeg_it_decides_only_where_that_was_measured(
    samples: Samples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    least: int | None,
    decides: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    measured = () if least is None else (JpegRates(least, 1, 0, 30, 40, 44, 49),)
    for reader in ("verdict.scope", "report.wording.limits"):
        monkeypatch.setattr(f"auditor.{reader}.jpeg_rates", lambda: measured)
    oracle = _oracle(backdoored=True)
    oracle.input_spec = replace(SPEC, access="image", encoding="jpeg:50")
    report = _audit(oracle, samples, tmp_path / "out").report
    assert report["trigger"]["best"]["target"] == 2
    assert report["verdict"] == ("backdoor-suspected" if decides else "inconclusive")
    limits = " ".join(report["limits"])
    assert "JPEG of quality 50" in limits
    assert ("For this quality nothing was measured" in limits) is not decides
    assert ("accused 1 of 30 clean models" in limits) is (least is not None)
    assert decides or "decides nothing" in report["verdict_reason"]
