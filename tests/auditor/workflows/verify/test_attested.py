"""Time stamps and Sigstore signatures: whose they must be, and what becomes of others'."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditor.errors import AuditError, ExitCode, UsageError
from auditor.evidence.attest.attesting import attach, stamped_part
from auditor.evidence.attest.keyless import Signatory, sign_keyless
from auditor.evidence.attest.timestamps import read_authorities, request_stamp
from auditor.evidence.files import read_files
from auditor.evidence.packing import pack
from auditor.workflows.verify.attested import Trusted
from auditor.workflows.verify.outcome import Verification
from auditor.workflows.verify.verify import verify_bundle

Bundles = Callable[[str], Path]
WHO = ("auditor@example.com", "https://issuer.example")


def outcome_of(found: Verification, name: str) -> tuple[str, str]:
    (check,) = [check for check in found.checks if check.name == name]
    return check.state, check.text


def by(ca: Path | None = None, signatory: Signatory | None = None) -> Trusted:
    return Trusted(None if ca is None else read_authorities(ca), signatory)


def stamped(folder: Path, authority: Any, tsa: Path, subject: bytes | None = None) -> None:
    """Put a stamp of ``tsa`` into a bundle, over ``subject`` or what it should be over."""
    right = stamped_part(read_files(folder))
    with authority.serving(lambda query, _: (200, authority.stamp(tsa, query))) as url:
        attach(folder, {"head.tsr": request_stamp(url, subject or right)})


# ---- time stamps ---------------------------------------------------------------------------


def test_a_stamp_by_a_trusted_authority_holds(bundle: Bundles, vouchers: Any) -> None:
    folder = bundle("attested")
    found = verify_bundle(folder, others=by(vouchers.ca))
    assert found.exit_code == ExitCode.NO_EVIDENCE, found.checks
    state, text = outcome_of(found, "time stamp")
    assert (state, text[:61]) == (
        "ok",
        "By an authority given with --tsa-cert: the head existed on 20",
    )
    # The stamp is the authority's own file: others can check it as well.
    words = ["openssl", "ts", "-verify", "-in", folder / "head.tsr", "-CAfile", vouchers.ca]
    subprocess.run([*words, "-data", folder / "head.dsse.json"], check=True, capture_output=True)


def test_without_a_certificate_the_time_is_the_bundles_own_word(bundle: Bundles) -> None:
    found = verify_bundle(bundle("attested"))
    assert found.exit_code == ExitCode.NO_EVIDENCE
    state, text = outcome_of(found, "time stamp")
    assert state == "withheld"
    assert "Not checked whether an authority made it" in text


@pytest.mark.parametrize("kind", ["plain", "signed"])
def test_a_bundle_without_a_stamp_is_whole(bundle: Bundles, kind: str, vouchers: Any) -> None:
    folder = bundle(kind)
    assert verify_bundle(folder).exit_code == ExitCode.NO_EVIDENCE
    asked = verify_bundle(folder, others=by(vouchers.ca))
    assert outcome_of(asked, "time stamp") == (
        "failed",
        "The bundle has none, and --tsa-cert asks for one.",
    )


def test_an_unsigned_bundle_is_stamped_by_its_head(
    bundle: Bundles, authority: Any, vouchers: Any
) -> None:
    folder = bundle("plain")
    stamped(folder, authority, vouchers.tsa)
    assert verify_bundle(folder, others=by(vouchers.ca)).exit_code == ExitCode.NO_EVIDENCE


def test_a_stamp_over_something_else_never_holds(
    bundle: Bundles, authority: Any, vouchers: Any
) -> None:
    folder = bundle("signed")
    stamped(folder, authority, vouchers.tsa, (folder / "head.json").read_bytes())
    for others in (Trusted(), by(vouchers.ca)):
        state, text = outcome_of(verify_bundle(folder, others=others), "time stamp")
        assert (state, text) == (
            "failed",
            "The time stamp is over something else than this bundle's head.",
        )


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "foreign": ({}, "The time stamp is by another authority than --tsa-cert names."),
    "expired": ({"days": (-3, -2)}, "The authority's certificate was not valid when it stamped,"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_stamps_by_the_wrong_certificate_are_refused_in_a_sentence(
    bundle: Bundles, authority: Any, vouchers: Any, tmp_path: Path, kind: str
) -> None:
    how, sentence = REFUSED[kind]
    folder, other = bundle("signed"), authority.make_authority(tmp_path / "other", **how)
    stamped(folder, authority, tmp_path / "other")
    anchor = vouchers.ca if kind == "foreign" else other
    state, text = outcome_of(verify_bundle(folder, others=by(anchor)), "time stamp")
    assert state == "failed"
    assert text.startswith(sentence)


ANSWERS = {
    "HTTP 500": ((500, b"no"), "answered with HTTP 500"),
    "no stamp": ((200, b"hello"), "the answer is no RFC 3161 time stamp that can be read"),
    "refused": ((200, bytes.fromhex("30053003020102")), "a time stamp was refused (status 2)"),
    "endless": ((200, b"x" * 300_000), "sent too long an answer"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_authority_that_gives_no_stamp_leaves_the_bundle_as_it_is(
    bundle: Bundles, authority: Any, kind: str
) -> None:
    answer, sentence = ANSWERS[kind]
    folder = bundle("plain")
    with authority.serving(lambda *_: answer) as url, pytest.raises(AuditError) as caught:
        stamped_by(url, folder)
    assert sentence in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
    assert verify_bundle(folder).exit_code == ExitCode.NO_EVIDENCE


def stamped_by(url: str, folder: Path) -> None:
    attach(folder, {"head.tsr": request_stamp(url, stamped_part(read_files(folder)))})


def test_no_answer_is_one_sentence() -> None:
    with pytest.raises(AuditError, match=r"authority 127.0.0.1 did not answer \(ConnectError\)"):
        request_stamp("http://127.0.0.1:9", b"x")
    for url in ("ftp://host", "nonsense", "http://me:secret@host"):
        with pytest.raises(UsageError, match="must be an http or https URL") as caught:
            request_stamp(url, b"x")
        assert "secret" not in str(caught.value)


def test_a_replayed_answer_is_refused(authority: Any, vouchers: Any) -> None:
    kept: list[bytes] = []

    def answer(query: bytes, _: Any) -> tuple[int, bytes]:
        kept.append(authority.stamp(vouchers.tsa, query))
        return 200, kept[0]

    with authority.serving(answer) as url:
        request_stamp(url, b"one")
        with pytest.raises(AuditError, match="answered another request"):
            request_stamp(url, b"one")
        with pytest.raises(AuditError, match="over something else"):
            request_stamp(url, b"two")


def test_a_certificate_file_without_one_is_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_authorities(tmp_path / "none.pem")
    (tmp_path / "a.pem").write_text("hello")
    with pytest.raises(UsageError, match="holds no PEM certificate"):
        read_authorities(tmp_path / "a.pem")


# ---- Sigstore --------------------------------------------------------------------------------


def test_a_signature_by_the_expected_identity_holds(bundle: Bundles, vouchers: Any) -> None:
    folder = bundle("attested")
    for trust in (vouchers.trust, vouchers.trust.with_name("root.json")):
        found = verify_bundle(folder, others=by(None, Signatory(*WHO, trust)))
        assert found.exit_code == ExitCode.NO_EVIDENCE, found.checks
        assert outcome_of(found, "sigstore") == (
            "ok",
            "Valid, by auditor@example.com, for whom https://issuer.example vouched.",
        )
    assert outcome_of(verify_bundle(folder), "sigstore")[0] == "withheld"


@pytest.mark.parametrize(
    ("identity", "issuer", "said"),
    [
        ("somebody@example.com", WHO[1], "SANs do not match somebody@example.com"),
        (WHO[0], "https://elsewhere.example", "OIDCIssuer does not match"),
    ],
)
def test_another_identity_will_not_do(
    bundle: Bundles, vouchers: Any, identity: str, issuer: str, said: str
) -> None:
    signatory = Signatory(identity, issuer, vouchers.trust)
    state, text = outcome_of(
        verify_bundle(bundle("attested"), others=by(None, signatory)), "sigstore"
    )
    assert (state, said in text) == ("failed", True), text


def test_the_public_instance_knows_nothing_of_ours(
    bundle: Bundles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found = verify_bundle(bundle("attested"), others=by(None, Signatory(*WHO)))
    assert outcome_of(found, "sigstore")[0] == "failed"


def test_a_signature_over_another_head_never_holds(
    bundle: Bundles, held_bundles: dict[str, Path], vouchers: Any
) -> None:
    folder = bundle("plain")
    other = (held_bundles["attested"] / "head.sigstore.json").read_bytes()
    attach(folder, {"head.sigstore.json": other})
    for others in (Trusted(), by(None, Signatory(*WHO, vouchers.trust))):
        state, text = outcome_of(verify_bundle(folder, others=others), "sigstore")
        assert (state, "over something else than this head" in text) == ("failed", True)


def test_a_bundle_made_to_look_signed_is_refused(bundle: Bundles, vouchers: Any) -> None:
    folder = bundle("attested")
    held = json.loads((folder / "head.sigstore.json").read_text())
    held["dsseEnvelope"]["signatures"][0]["sig"] = held["dsseEnvelope"]["signatures"][0]["sig"][
        ::-1
    ]
    attach(folder, {"head.sigstore.json": json.dumps(held).encode()})
    found = verify_bundle(folder, others=by(None, Signatory(*WHO, vouchers.trust)))
    assert outcome_of(found, "sigstore")[0] == "failed"
    attach(folder, {"head.sigstore.json": b"{}"})
    assert outcome_of(verify_bundle(folder), "sigstore")[0] == "failed"


def test_no_token_and_no_instance_are_sentences(
    tmp_path: Path, vouchers: Any, held_bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    head = (held_bundles["attested"] / "head.json").read_bytes()
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "GITLAB", "CI"))]:
        monkeypatch.delenv(name)
    with pytest.raises(AuditError, match="Sigstore did not sign the head"):
        sign_keyless(head, vouchers.token, vouchers.trust)  # its servers are gone
    (tmp_path / "token").write_text("secret.token.here")
    with pytest.raises(UsageError, match="malformed or expired") as caught:
        sign_keyless(head, tmp_path / "token", vouchers.trust)
    assert "secret" not in str(caught.value)
    (tmp_path / "trust.json").write_text("{}")
    with pytest.raises(UsageError, match="no ClientTrustConfig"):
        sign_keyless(head, vouchers.token, tmp_path / "trust.json")


# ---- both ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["head.tsr", "head.sigstore.json", "attested.json"])
def test_what_was_attested_cannot_be_lost_by_accident(bundle: Bundles, name: str) -> None:
    folder = bundle("attested")
    (folder / name).unlink()
    assert outcome_of(verify_bundle(folder), "attestations")[0] == "failed"


@pytest.mark.parametrize("hand_over", [True, False])
def test_attestations_go_along_and_can_be_added_to_a_zip(
    bundle: Bundles, authority: Any, vouchers: Any, tmp_path: Path, *, hand_over: bool
) -> None:
    others = by(vouchers.ca, Signatory(*WHO, vouchers.trust))
    pack(bundle("attested"), tmp_path / "a.zip", hand_over=hand_over)
    found = verify_bundle(tmp_path / "a.zip", others=others)
    assert found.exit_code == ExitCode.NO_EVIDENCE, found.checks
    pack(bundle("signed"), tmp_path / "b.zip", hand_over=hand_over)
    stamped(tmp_path / "b.zip", authority, vouchers.tsa)
    found = verify_bundle(tmp_path / "b.zip", others=by(vouchers.ca))
    assert found.exit_code == ExitCode.NO_EVIDENCE, found.checks


def test_a_new_run_takes_away_what_was_said_about_the_old_head(
    make_bundle: Callable[..., Path], bundle: Bundles, signer: Any
) -> None:
    folder = bundle("attested")
    make_bundle(folder, signer)
    assert not {"head.tsr", "head.sigstore.json", "attested.json"} & {
        p.name for p in folder.iterdir()
    }
    assert verify_bundle(folder).exit_code == ExitCode.NO_EVIDENCE


Run = Callable[..., Any]


def test_attest_and_verify_as_commands(
    command: Run, bundle: Bundles, authority: Any, vouchers: Any, tmp_path: Path
) -> None:
    folder = bundle("signed")
    shutil.copytree(folder, tmp_path / "other")
    assert "say what to add" in command("attest", folder).sentence
    with (
        authority.serving(lambda query, _: (200, authority.stamp(vouchers.tsa, query))) as url,
        authority.serving(vouchers.instance.answer) as instance,
    ):
        trust, token = vouchers.instance.write(tmp_path / "sig", instance)
        words = ("--sigstore", "--identity-token", token, "--sigstore-trust", trust)
        done = command("attest", folder, "--tsa", url, *words)
    assert done.code == 0, done.err
    assert "head.tsr, head.sigstore.json" in done.out
    whose = ("--sigstore-identity", WHO[0], "--sigstore-issuer", WHO[1], "--sigstore-trust", trust)
    checked = command("verify", folder, "--tsa-cert", vouchers.ca, *whose)
    assert checked.code == 0, checked.out
    assert "time stamp: By an authority given" in checked.out
    assert f"sigstore: Valid, by {WHO[0]}" in checked.out
    (tmp_path / "odd.json").write_text("{}")
    odd = command("verify", folder, *whose[:4], "--sigstore-trust", tmp_path / "odd.json")
    assert (odd.code, "neither a TrustedRoot nor" in odd.sentence) == (2, True)
    assert "both" in command("verify", folder, "--sigstore-identity", WHO[0]).sentence
    (tmp_path / "other" / "report.json").write_text("{}")
    refused = command("attest", tmp_path / "other", "--tsa", "http://127.0.0.1:9")
    assert (refused.code, "nobody should vouch for it" in refused.sentence) == (4, True)
