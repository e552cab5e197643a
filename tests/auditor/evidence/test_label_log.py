"""The label log through kills, torn lines, lost commits and full disks."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.errors import RetryAdvice, ServerFailed, Throttled
from adapters.synthetic import SyntheticOracle, nearest_prototype, synthetic_prototypes
from auditor.engine.contract import EngineLimits
from auditor.errors import EvidenceError, ExitCode, StoreError
from auditor.evidence.chain import Chain, read_chain, split_lines
from auditor.plan.settings import AuditSettings
from auditor.samples.samples import Samples
from auditor.workflows.audit import run_audit
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located
from auditor.workflows.verify.verify import verify_bundle

MakeOracle = Callable[..., SyntheticOracle]
Audit = Callable[..., dict[str, Any]]


@pytest.fixture
def audit(
    make_oracle: MakeOracle, samples: Samples, settings: AuditSettings, tmp_path: Path
) -> Audit:
    """Audits into ``tmp_path / "out"``, ``(oracle=None, planes=16, **limits)``."""

    def run(
        oracle: SyntheticOracle | None = None, planes: int = 16, **limits: Any
    ) -> dict[str, Any]:
        allowed = EngineLimits(backoff_s=0.0, **limits)
        done = run_audit(
            AuditRequest(
                located(oracle or make_oracle()),
                samples,
                replace(settings, planes=planes),
                tmp_path / "out",
                limits=allowed,
            )
        )
        return asyncio.run(done).report

    return run


def chain_of(folder: Path) -> Chain:
    lines, torn = split_lines((folder / "log.jsonl").read_bytes())
    assert torn == b""
    return read_chain(lines)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [row for line in lines for row in json.loads(line).get("rows", [])]


def verified(folder: Path) -> None:
    found = verify_bundle(folder)
    assert found.exit_code == ExitCode.NO_EVIDENCE, found.checks


def test_a_second_run_continues_the_chain(audit: Audit, tmp_path: Path) -> None:
    audit()
    before = (tmp_path / "out" / "log.jsonl").read_bytes()
    audit()
    after = (tmp_path / "out" / "log.jsonl").read_bytes()
    assert after.startswith(before)
    chain = chain_of(tmp_path / "out")
    assert [run.tally.sent for run in chain.runs][1:] == [0]
    verified(tmp_path / "out")


def test_the_plan_is_fixed_before_anything_is_asked(
    audit: Audit, make_oracle: MakeOracle, tmp_path: Path
) -> None:
    honest = nearest_prototype(synthetic_prototypes(1, 5, (1, 4, 4)))
    seen: list[list[str]] = []

    def spying(batch: NDArray[np.float32]) -> NDArray[np.int64]:
        lines = (tmp_path / "out" / "log.jsonl").read_text().splitlines()
        seen.append([json.loads(line)["e"] for line in lines])
        labels: NDArray[np.int64] = honest(batch)
        return labels

    audit(make_oracle(labels_of=spying))
    assert seen[0] == ["open", "classes", "ask"]


def test_rows_that_a_kill_lost_are_logged_from_the_store(audit: Audit, tmp_path: Path) -> None:
    audit()
    log = tmp_path / "out" / "log.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:2]))  # opened and asked, and no row got to the disk
    report = audit()
    assert report["queries"]["sent"] == 0
    rows = rows_of(tmp_path / "out")
    assert {row["s"] for row in rows} == {"cached"}
    verified(tmp_path / "out")


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_torn_last_line_is_dropped_and_said(audit: Audit, tmp_path: Path, cut: int) -> None:
    audit()
    log = tmp_path / "out" / "log.jsonl"
    log.write_bytes(log.read_bytes()[:-cut])
    audit()
    chain = chain_of(tmp_path / "out")
    assert chain.runs[-1].opened["torn"] > 0
    verified(tmp_path / "out")


def test_labels_that_the_store_lost_are_voided_and_asked_again(
    audit: Audit, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    audit(planes=32, max_queries=400)
    shutil.copy(out / "labels.sqlite3", tmp_path / "early.sqlite3")
    audit(planes=32)
    shutil.copy(tmp_path / "early.sqlite3", out / "labels.sqlite3")
    report = audit(planes=32)
    assert report["queries"]["sent"] > 0
    rows = rows_of(out)
    assert {row["s"] for row in rows} >= {"void", "ok"}
    verified(out)


def test_a_changed_log_is_never_continued(audit: Audit, tmp_path: Path) -> None:
    audit()
    log = tmp_path / "out" / "log.jsonl"
    before = log.read_bytes().replace(b'"l":[', b'"l":[ ', 1)
    log.write_bytes(before)
    with pytest.raises(EvidenceError, match=r"was changed since it was written .* entry 4"):
        audit()
    assert log.read_bytes() == before
    assert not (tmp_path / "out" / "head.json").exists()


def test_another_plan_in_the_same_folder_is_on_record(
    make_oracle: MakeOracle, samples: Samples, settings: AuditSettings, tmp_path: Path
) -> None:
    for seed in (0, 1, 2):
        asked = run_audit(
            AuditRequest(
                located(make_oracle()), samples, replace(settings, seed=seed), tmp_path / "out"
            )
        )
        asyncio.run(asked)
    assert len(list((tmp_path / "out" / "plans").iterdir())) == 2
    verified(tmp_path / "out")
    text = str(verify_bundle(tmp_path / "out").checks)
    assert "2 other plans were asked in the same folder" in text


def test_failures_and_retries_are_on_record(
    audit: Audit, make_oracle: MakeOracle, tmp_path: Path
) -> None:
    honest = nearest_prototype(synthetic_prototypes(1, 5, (1, 4, 4)))
    errors = [
        ServerFailed("500", RetryAdvice("transient", outcome_unknown=True)),
        Throttled("429", RetryAdvice("throttled")),
    ]

    def failing(batch: NDArray[np.float32]) -> NDArray[np.int64]:
        if errors:
            raise errors.pop()
        labels: NDArray[np.int64] = honest(batch)
        return labels

    report = audit(make_oracle(labels_of=failing), concurrency=1)
    rows = rows_of(tmp_path / "out")
    assert [(row["s"], row.get("u", False), row.get("a", 1)) for row in rows[:3]] == [
        ("Throttled", False, 1),
        ("ServerFailed", True, 2),
        ("ok", False, 3),
    ]
    assert "l" not in rows[0]
    tally = chain_of(tmp_path / "out").runs[-1].tally
    queries = report["queries"]
    assert (tally.sent, tally.retried) == (queries["sent"], queries["retried"])
    assert (tally.requests, tally.unknown) == (queries["requests"], queries["unknown"])
    verified(tmp_path / "out")


def test_a_log_that_cannot_be_written_stops_the_spending(
    audit: Audit, make_oracle: MakeOracle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = make_oracle(max_batch=1)
    real = os.strerror

    class Full:
        closed = False

        def __init__(self, inner: Any) -> None:
            self.inner, self.writes = inner, 0

        def write(self, data: bytes) -> int:
            self.writes += 1
            if self.writes > 3:
                raise OSError(28, real(28))
            return int(self.inner.write(data))

        def fileno(self) -> int:
            return int(self.inner.fileno())

        def close(self) -> None:
            self.closed = True
            self.inner.close()

    plain = Path.open

    def opening(path: Path, *args: Any, **kwargs: Any) -> Any:
        file = plain(path, *args, **kwargs)
        return Full(file) if path.name == "log.jsonl" and args[:1] == ("ab",) else file

    monkeypatch.setattr(Path, "open", opening)
    with pytest.raises(StoreError, match=r"evidence log .* cannot be written: No space left"):
        audit(oracle)
    asked = oracle.wire.requests
    assert 0 < asked < 300
    monkeypatch.undo()
    report = audit()
    assert report["queries"]["cached"] >= asked
    verified(tmp_path / "out")


def test_a_log_stays_small(audit: Audit, tmp_path: Path) -> None:
    report = audit()
    labels = report["queries"]["planned"]
    assert (tmp_path / "out" / "log.jsonl").stat().st_size < 20 * labels + 2000
