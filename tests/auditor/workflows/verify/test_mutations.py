"""Whatever is changed in a bundle is caught, and nothing is caught where nothing was changed."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditor.cli.verify import show_verification
from auditor.errors import ExitCode
from auditor.evidence.packing import pack
from auditor.workflows.verify.verify import verify_bundle
from tests.auditor.workflows.verify import _mutations as mutations

MOST_SECONDS = 2.0
"""Processor time of refusing a bundle."""


def caught(held: Path, folder: Path, seed: int) -> tuple[bool, str]:
    copy = Path(shutil.copytree(held, folder / str(seed)))
    done = mutations.mutate(copy, np.random.default_rng(seed))
    found = verify_bundle(copy)
    shutil.rmtree(copy)
    return found.exit_code == ExitCode.FAILED, done


@pytest.mark.parametrize("kind", ["plain", "attested", "searched"])
def test_70_mutations_are_caught(held_bundles: dict[str, Path], tmp_path: Path, kind: str) -> None:
    results = [caught(held_bundles[kind], tmp_path, seed) for seed in range(70)]
    assert [done for ok, done in results if not ok] == []


# ---- an author who makes every hash fit again --------------------------------------------------

ON_WORD = {
    "plain": ("run.json tool", "run.json environment", "run.json format", "run.json target.wire"),
    "log": (
        " plan_signed",
        " tool",
        " torn",
        " at",
        " rows.0.ms",
        " rows.1.ms",
        " rows.2.ms",
        " rows.3.ms",
    ),
}
"""Places whose content no label decides; the screen says that they are on the author's word."""


def rewritten(held: Path, folder: Path, seed: int) -> str:
    """A sentence if a bundle rewritten by its author passes, fails in another way than by a check,
    or takes long; else nothing.
    """
    copy = Path(shutil.copytree(held, folder / str(seed)))
    rng = np.random.default_rng(seed)
    done = (mutations.odd_file if seed % 8 == 0 else mutations.author)(copy, rng)
    began = time.process_time()
    found = verify_bundle(copy)
    seconds = time.process_time() - began
    show_verification(found).encode()
    json.dumps(found.as_dict())
    for path in copy.rglob("*"):
        if path.is_fifo() or path.is_symlink():
            path.unlink()
    shutil.rmtree(copy)
    if seconds > MOST_SECONDS:
        return f"{done} takes {seconds:.1f} s"
    place = done.partition(":")[0].partition("] ")
    where = f"{place[0].partition('[')[0]} {place[2]}"
    free = where.startswith(ON_WORD["plain"]) or (
        where.startswith("log.jsonl") and where.removeprefix("log.jsonl").startswith(ON_WORD["log"])
    )
    if found.exit_code == ExitCode.NO_EVIDENCE and not free and found.not_covered == []:
        return f"{done} passes"
    return ""


@pytest.mark.parametrize("kind", ["plain", "searched", "given"])
def test_bundles_that_their_author_rewrote_are_refused(
    held_bundles: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    held = held_bundles.get(kind)
    if held is None:
        held = tmp_path / "given"
        pack(held_bundles["plain"], held, hand_over=True)
    most = 20 if kind == "searched" else 60  # each asks a whole trigger search again
    results = [rewritten(held, tmp_path, seed) for seed in range(most)]
    assert [one for one in results if one] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["plain", "searched"])
def test_600_bundles_that_their_author_rewrote_are_refused(
    held_bundles: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    results = [rewritten(held_bundles[kind], tmp_path, 1000 + seed) for seed in range(600)]
    assert [one for one in results if one] == []


COMMANDS = (
    ("report", "{bundle}", "--format", "html,markdown,sarif,junit,cyclonedx", "--to", "{views}"),
    ("diff", "{held}", "{bundle}"),
    ("diff", "{bundle}/report.json", "{held}/report.json"),
    ("pack", "{bundle}", "{zip}", "--hand-over"),
    ("attest", "{bundle}", "--tsa", "http://127.0.0.1:9/"),
)


@pytest.mark.parametrize(
    "seed", [*range(4), *(pytest.param(n, marks=pytest.mark.slow) for n in range(4, 8))]
)
def test_no_command_that_reads_a_rewritten_bundle_breaks(
    held_bundles: dict[str, Path], tmp_path: Path, command: Any, seed: int
) -> None:
    copy, rng = tmp_path / "bundle", np.random.default_rng(7000 + seed)
    shutil.copytree(held_bundles["searched"], copy)
    mutations.author(copy, rng)
    places = {
        "bundle": copy, "held": held_bundles["searched"], "views": tmp_path / "views",
        "zip": tmp_path / "given.zip",
    }  # fmt: skip
    for words in COMMANDS:
        began = time.process_time()
        ran = command(*(word.format_map(places) for word in words))
        assert time.process_time() - began < 2 * MOST_SECONDS, words
        assert ran.code in range(6), words
        assert "bug" not in ran.err, (words, ran.err)
        assert "Traceback" not in ran.err, (words, ran.err)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "signed", "searched", "attested"])
def test_1000_mutations_are_caught(
    held_bundles: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    results = [caught(held_bundles[kind], tmp_path, 1000 + seed) for seed in range(1000)]
    assert [done for ok, done in results if not ok] == []


@pytest.mark.parametrize("edition", ["full", "hand-over"])
def test_mutations_of_a_zip_are_caught(
    held_bundles: dict[str, Path], tmp_path: Path, edition: str
) -> None:
    pack(held_bundles["attested"], tmp_path / "b.zip", hand_over=edition == "hand-over")
    whole = (tmp_path / "b.zip").read_bytes()
    assert verify_bundle(tmp_path / "b.zip").exit_code == ExitCode.NO_EVIDENCE
    for seed in range(100):
        rng = np.random.default_rng(seed)
        changed = mutations.changed(whole, str(rng.choice(["flip", "truncate", "splice"])), rng)
        assert changed is not None, "none of these removes a file"
        (tmp_path / "c.zip").write_bytes(changed)
        found = verify_bundle(tmp_path / "c.zip")
        assert found.exit_code == ExitCode.FAILED or changed == whole, seed


@pytest.mark.parametrize("kind", ["plain", "attested"])
def test_mutations_of_a_hand_over_edition_are_caught(
    held_bundles: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    pack(held_bundles[kind], tmp_path / "given", hand_over=True)
    shutil.rmtree(tmp_path / "given" / "views")  # what no head speaks for
    results = [caught(tmp_path / "given", tmp_path, seed) for seed in range(40)]
    assert [done for ok, done in results if not ok] == []


def clean(make_bundle: Any, folder: Path, seed: int) -> str:
    """Make and verify one clean bundle in both editions; what went wrong, or nothing."""
    made = make_bundle(
        folder / str(seed),
        seed=seed,
        planes=1 + seed % 3,
        points=4 << seed % 3,
        canaries=seed % 4,
        expansion=float(seed % 3),
        trigger_search=seed % 10 == 0,
    )
    pack(made, folder / f"{seed}.zip", hand_over=True)
    both = [verify_bundle(made), verify_bundle(folder / f"{seed}.zip")]
    shutil.rmtree(made)
    failures = [str(one.checks) for one in both if one.exit_code != ExitCode.NO_EVIDENCE]
    return "; ".join(failures)


def test_clean_bundles_pass(make_bundle: Any, tmp_path: Path) -> None:
    assert [
        failures for seed in range(12) if (failures := clean(make_bundle, tmp_path, seed))
    ] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_200_clean_bundles_pass(make_bundle: Any, tmp_path: Path) -> None:
    failures = [clean(make_bundle, tmp_path, 1000 + seed) for seed in range(200)]
    assert [one for one in failures if one] == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "attested"])
def test_200_mutations_of_a_hand_over_edition_are_caught(
    held_bundles: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    pack(held_bundles[kind], tmp_path / "given", hand_over=True)
    shutil.rmtree(tmp_path / "given" / "views")
    results = [caught(tmp_path / "given", tmp_path, 2000 + seed) for seed in range(200)]
    assert [done for ok, done in results if not ok] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["head.tsr", "head.sigstore.json", "attested.json"])
def test_200_mutations_of_an_attestation_are_caught(
    held_bundles: dict[str, Path], tmp_path: Path, name: str
) -> None:
    copy = Path(shutil.copytree(held_bundles["attested"], tmp_path / "copy"))
    before, missed = (copy / name).read_bytes(), []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        kind = str(rng.choice(mutations.KINDS))
        after = mutations.changed(before, kind, rng)
        (copy / name).unlink() if after is None else (copy / name).write_bytes(after)
        if verify_bundle(copy).exit_code != ExitCode.FAILED and after != before:
            missed.append((seed, kind))
        (copy / name).write_bytes(before)
    assert missed == []
