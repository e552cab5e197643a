"""Findings of verify in a bundle whose parts fit together, and its sentences."""

from __future__ import annotations

import json
import os
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.strict_json import canonical
from auditor.errors import ExitCode, UsageError
from auditor.evidence.attest.signing import Signer, read_public_key, read_signer
from auditor.evidence.chain import GENESIS, line_hash
from auditor.evidence.head import plan_statement
from auditor.evidence.packing import pack
from auditor.evidence.recorder import Recorder, canonical_lines
from auditor.report.json_report import report_bytes
from auditor.workflows.verify.outcome import Verification
from auditor.workflows.verify.verify import verify_bundle

Bundles = Callable[[str], Path]
VIEWS = ["report.json", "report.html", "trigger.png"]


def state(found: Verification, name: str) -> str:
    (check,) = [check for check in found.checks if check.name == name]
    return check.state


def text(found: Verification, name: str) -> str:
    (check,) = [check for check in found.checks if check.name == name]
    return check.text


def edit(folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a JSON file as its author could, so that every hash fits again."""
    data = json.loads((folder / name).read_text())
    change(data)
    written = report_bytes(data) if name == "report.json" else canonical_lines(data)
    (folder / name).write_bytes(written)


def relink(folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change the label log and chain it anew."""
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    change(entries)
    last, lines = GENESIS, []
    for number, entry in enumerate(entries):
        line = canonical({**entry, "n": number, "prev": last})
        lines.append(line)
        last = line_hash(line)
    (folder / "log.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def first_answers(entries: list[dict[str, Any]]) -> list[Any]:
    rows = next(entry for entry in entries if entry["e"] == "rows")["rows"]
    return list(next(row for row in rows if row["s"] == "ok")["l"])


def reseal(folder: Path, signer: Signer | None = None) -> Verification:
    verdict = json.loads((folder / "report.json").read_text())["verdict"]
    Recorder(folder, signer).seal(VIEWS, verdict)
    return verify_bundle(folder)


@pytest.mark.parametrize("kind", ["plain", "signed", "searched"])
def test_a_bundle_verifies(bundle: Bundles, kind: str) -> None:
    found = verify_bundle(bundle(kind))
    assert found.exit_code == ExitCode.NO_EVIDENCE, found.checks
    assert found.verdict == "inconclusive"
    assert state(found, "inputs") == "ok"
    assert (found.signer is not None) == (kind == "signed")
    assert ("the trigger search, was asked again" in text(found, "verdict")) == (kind == "searched")


def test_an_unsigned_bundle_says_what_it_does_not_prove(bundle: Bundles) -> None:
    found = verify_bundle(bundle("plain"))
    assert "does not show that any model ever gave these labels" in found.meaning
    signed = verify_bundle(bundle("signed"))
    assert "vouches for this bundle" in signed.meaning
    assert "does not show that the signer recorded every answer honestly" in signed.meaning


def test_only_the_trusted_key_will_do(
    bundle: Bundles, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    trusted = read_public_key(keys[1])
    assert verify_bundle(bundle("signed"), trusted).exit_code == ExitCode.NO_EVIDENCE
    unsigned = verify_bundle(bundle("plain"), trusted)
    assert (state(unsigned, "signature"), unsigned.exit_code) == ("failed", ExitCode.FAILED)
    other = type(trusted)(bytes(32))
    assert "not by the one given" in text(verify_bundle(tmp_path / "signed", other), "signature")


def test_the_plan_must_be_signed_by_the_trusted_key_too(
    bundle: Bundles, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, ours = bundle("signed"), read_signer(keys[0])
    pem = ("openssl", "genpkey", "-algorithm", "ed25519", "-out", str(tmp_path / "other.key"))
    subprocess.run(pem, check=True, capture_output=True)
    other = read_signer(tmp_path / "other.key")
    statement = plan_statement((folder / "plan.json").read_bytes(), other.public)
    (folder / "plan.dsse.json").write_bytes(other.envelope(statement))
    reseal(folder, ours)
    assert "another key than signed the whole" in text(verify_bundle(folder), "plan signature")
    found = verify_bundle(folder, ours.public)
    assert (state(found, "signature"), state(found, "plan signature")) == ("ok", "failed")


def test_a_signature_that_cannot_be_checked_here_is_not_called_missing(
    bundle: Bundles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.evidence.attest.signing._cryptography", _not_installed)
    found = verify_bundle(bundle("signed"))
    assert (state(found, "signature"), found.exit_code) == ("not done", ExitCode.INCONCLUSIVE)
    assert found.meaning.startswith("There is a signature, which could not be checked here")


def _not_installed() -> Any:
    raise UsageError("signatures need the package cryptography")


def test_a_signature_cannot_be_dropped_unseen(bundle: Bundles) -> None:
    folder = bundle("signed")
    (folder / "head.dsse.json").unlink()
    assert state(verify_bundle(folder), "signature") == "failed"


# ---- an author who makes every hash fit again ------------------------------------------------


def test_a_changed_verdict_is_found_although_all_hashes_fit(bundle: Bundles) -> None:
    folder = bundle("plain")
    edit(folder, "report.json", lambda report: report.update(verdict="no-evidence"))
    found = reseal(folder)
    assert [c.name for c in found.checks if c.state == "failed"] == ["verdict"]
    assert "it is 'inconclusive'; report.json says 'no-evidence'" in text(found, "verdict")


@pytest.mark.parametrize("path", ["scores", "planes", "canaries", "queries", "samples"])
def test_a_changed_number_is_found_although_all_hashes_fit(bundle: Bundles, path: str) -> None:
    folder = bundle("plain")

    def change(report: dict[str, Any]) -> None:
        numbers: dict[str, tuple[dict[str, Any], str]] = {
            "scores": (report["scores"]["re"], "mean"),
            "planes": (report["planes"][1], "ats_by_label"),
            "canaries": (report["canaries"], "flipped"),
            "queries": (report["queries"], "sent"),
            "samples": (report["samples"], "accuracy"),
        }
        place, name = numbers[path]
        place[name] = place[name] + 1

    edit(folder, "report.json", change)
    found = reseal(folder)
    assert state(found, "verdict") == "failed"
    assert path in text(found, "verdict")


def test_a_changed_label_is_found_although_the_chain_fits(bundle: Bundles) -> None:
    folder = bundle("plain")

    def change(entries: list[dict[str, Any]]) -> None:
        rows = next(entry for entry in entries if entry["e"] == "rows")["rows"]
        labels = rows[0]["l"]
        labels[:] = [(label + 1) % 3 for label in labels]

    relink(folder, change)
    found = reseal(folder)
    assert state(found, "log") == "ok"
    assert state(found, "verdict") == "failed"


def test_labels_of_other_inputs_are_found_by_their_request_hash(bundle: Bundles) -> None:
    folder = bundle("plain")

    def change(entries: list[dict[str, Any]]) -> None:
        rows = next(entry for entry in entries if entry["e"] == "rows")["rows"]
        rows[0]["q"] = "0" * 32

    relink(folder, change)
    found = reseal(folder)
    assert [c.name for c in found.checks if c.state == "failed"] == ["inputs"]


def test_a_trigger_search_that_went_elsewhere_is_found(bundle: Bundles) -> None:
    folder = bundle("searched")

    def change(entries: list[dict[str, Any]]) -> None:
        asks = [entry for entry in entries if entry["e"] == "ask"]
        asks.pop()
        entries.remove(next(entry for entry in reversed(entries) if entry["e"] == "ask"))

    relink(folder, change)
    assert reseal(folder).exit_code == ExitCode.FAILED


def test_a_plan_made_after_the_answers_is_found(bundle: Bundles) -> None:
    folder = bundle("plain")
    edit(folder, "plan.json", lambda plan: plan["settings"].update(alpha=2.0))
    found = reseal(folder)
    assert {c.name for c in found.checks if c.state == "failed"} >= {"plan"}


def test_an_image_in_place_of_another_is_found(bundle: Bundles) -> None:
    folder = bundle("plain")
    data = (folder / "samples.z").read_bytes()
    (folder / "samples.z").write_bytes(zlib.compress(bytes(len(zlib.decompress(data)))))
    found = reseal(folder)
    assert "is not the one that plan.json names" in text(found, "verdict")


def test_made_by_other_code_is_not_called_forged(bundle: Bundles) -> None:
    folder = bundle("plain")
    edit(folder, "report.json", lambda report: report.update(verdict_reason="in other words"))
    edit(folder, "run.json", lambda run: run["tool"].update(version="9.9", code="other"))
    found = reseal(folder)
    assert state(found, "verdict") == "not done"
    assert "It was made by other code (version 9.9" in text(found, "verdict")
    assert found.exit_code == ExitCode.INCONCLUSIVE


def test_planes_that_ended_early_without_a_reason_are_found(bundle: Bundles) -> None:
    folder = bundle("plain")
    edit(folder, "run.json", lambda run: run["engine"].update(decided=True))
    assert "did end early; their labels decide nothing" in text(reseal(folder), "verdict")


@pytest.mark.parametrize("said", [{"size": 40}, {"open": True}])
def test_what_the_target_said_about_its_classes_was_fixed_with_the_plan(
    bundle: Bundles, said: dict[str, Any]
) -> None:
    folder = bundle("plain")
    edit(folder, "run.json", lambda run: run["target"]["labels"].update(said))
    assert "labels" in text(reseal(folder), "plan rebuilt")
    assert state(verify_bundle(folder), "plan rebuilt") == "failed"


STATED: dict[str, tuple[str, Callable[[dict[str, Any]], None]]] = {
    "sender": (
        "who answered, how the run ended",
        lambda run: run["engine"].update(origins={"header server": ["x"]}),
    ),
    "name": (
        "the names of the classes",
        lambda run: run["target"]["labels"].update(names=["0", "1", "two"]),
    ),
    "unknown": ("how the run ended", lambda run: run["engine"].update(stopped=True)),
    "address": ("the other side's identity", lambda run: run["identity"].update(url="x")),
    "waiting": ("what was sent", lambda run: run["ledger"].update(throttled=7)),
}


@pytest.mark.parametrize("what", STATED)
def test_what_the_target_told_must_be_in_the_log(bundle: Bundles, what: str) -> None:
    folder = bundle("plain")
    said, change = STATED[what]
    edit(folder, "run.json", change)
    found = reseal(folder)
    assert state(found, "senders") == "failed"
    assert text(found, "senders") == f"run.json and log disagree about {said}."


def test_a_log_of_an_earlier_version_says_what_it_lacks(bundle: Bundles) -> None:
    folder = bundle("plain")

    def change(entries: list[dict[str, Any]]) -> None:
        for entry in entries:
            entry.pop("target", None)

    relink(folder, change)
    found = reseal(folder)
    assert state(found, "senders") == "not done"
    assert "by an earlier version, which did not put on record who" in text(found, "senders")
    assert found.exit_code == ExitCode.INCONCLUSIVE


def test_run_json_cannot_bring_labels_of_its_own(bundle: Bundles) -> None:
    folder = bundle("plain")
    edit(folder, "run.json", lambda run: run["engine"].update(labels=[[0] * 9]))
    assert "run.json is not as this version writes it (engine.labels: an unknown key)" in text(
        reseal(folder), "verdict"
    )


KINDS: dict[str, dict[str, Any]] = {
    "with pictures": {"points": 8, "pictures": 2, "planes": 6},
    "the paper's": {"sampler": "paper", "planes": 2, "density": 6},
    "everything": {"pictures": 1, "planes": 3, "trigger_search": True},
    "no repeats": {"canaries": 0},
    "no margin": {"expansion": 0.0, "alpha": 1.0, "points": 4},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_audit_verifies_in_both_editions(
    make_bundle: Callable[..., Path], tmp_path: Path, kind: str
) -> None:
    folder = make_bundle(tmp_path / "full", **KINDS[kind])
    pack(folder, tmp_path / "given.zip", hand_over=True)
    for where in (folder, tmp_path / "given.zip"):
        found = verify_bundle(where)
        assert found.exit_code == ExitCode.NO_EVIDENCE, found.checks


# ---- editions --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "signed", "searched"])
@pytest.mark.parametrize("name", ["given", "given.zip"])
def test_a_hand_over_edition_verifies_without_an_image(
    bundle: Bundles, tmp_path: Path, kind: str, name: str, keys: tuple[Path, Path]
) -> None:
    full = bundle(kind)
    left_out = pack(full, tmp_path / name, hand_over=True)
    assert left_out == ["pictures.json", "report.html", "samples.z"]
    trusted = read_public_key(keys[1]) if kind == "signed" else None
    found = verify_bundle(tmp_path / name, trusted)
    assert found.exit_code == ExitCode.NO_EVIDENCE, found.checks
    assert (found.edition, found.verdict) == ("hand-over", "inconclusive")
    assert state(found, "inputs") == "withheld"
    assert "samples.z" in text(found, "withheld")
    given = tmp_path / name
    parts = [given] if given.is_file() else [p for p in given.rglob("*") if p.is_file()]
    data = b"".join(part.read_bytes() for part in parts)
    pictures = json.loads((full / "pictures.json").read_text())
    assert len(pictures) > 3
    assert not [name for name, png in pictures.items() if png.encode() in data]
    assert (full / "samples.z").read_bytes()[10:60] not in data


def test_what_was_left_out_must_be_named(bundle: Bundles, tmp_path: Path) -> None:
    pack(bundle("plain"), tmp_path / "given", hand_over=True)
    (tmp_path / "given" / "profile.json").write_text("{}")
    assert verify_bundle(tmp_path / "given").exit_code == ExitCode.FAILED
    (tmp_path / "given" / "profile.json").unlink()
    (tmp_path / "given" / "log.jsonl").unlink()
    note = json.loads((tmp_path / "given" / "handover.json").read_text())
    note["withheld"] = sorted([*note["withheld"], "log.jsonl"])
    (tmp_path / "given" / "handover.json").write_bytes(canonical(note) + b"\n")
    found = verify_bundle(tmp_path / "given")
    assert "log.jsonl is missing" in text(found, "files")


def test_one_bundle_gives_one_zip(bundle: Bundles, tmp_path: Path) -> None:
    folder = bundle("plain")
    for name in ("a.zip", "b.zip"):
        pack(folder, tmp_path / name, hand_over=False)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    os.utime(folder / "plan.json", (1, 1))
    pack(tmp_path / "a.zip", tmp_path / "c.zip", hand_over=False)
    assert (tmp_path / "c.zip").read_bytes() == (tmp_path / "a.zip").read_bytes()


def test_pack_overwrites_nothing(bundle: Bundles, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("mine")
    with pytest.raises(UsageError, match="something at"):
        pack(bundle("plain"), tmp_path / "a.zip", hand_over=False)


# ---- bundles that are none -------------------------------------------------------------------


def test_an_ended_audit_without_its_head_is_no_evidence(bundle: Bundles) -> None:
    folder = bundle("plain")
    (folder / "head.json").unlink()
    found = verify_bundle(folder)
    assert "it was removed, or the audit was killed" in text(found, "files")
    assert found.headline.startswith("DOES NOT VERIFY")


@pytest.mark.parametrize("torn", [b"", b'{"e":"rows","n"'])
def test_a_killed_audit_is_not_finished_and_not_wrong(bundle: Bundles, torn: bytes) -> None:
    folder = bundle("plain")
    (folder / "head.json").unlink()
    log = folder / "log.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]) + torn)
    found = verify_bundle(folder)
    assert found.headline.startswith("NOT FINISHED")
    assert "The same command goes on" in found.meaning
    assert found.exit_code == ExitCode.INCONCLUSIVE
    assert found.verdict is None


def test_a_file_that_nobody_listed_is_named(bundle: Bundles) -> None:
    folder = bundle("plain")
    (folder / "report-final.html").write_text("all clear")
    assert "report-final.html is not listed" in text(verify_bundle(folder), "files")


def test_a_view_made_later_must_be_one_of_the_report(bundle: Bundles) -> None:
    folder = bundle("plain")
    (folder / "views").mkdir()
    (folder / "views" / "report.md").write_text("all clear")
    found = verify_bundle(folder)
    assert found.exit_code == ExitCode.FAILED
    assert "views/report.md: not what this version makes" in text(found, "views")
