"""Attestations of a bundle's head by other parties, checked against those the user trusts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from auditor.errors import EvidenceError, UsageError
from auditor.evidence.attest.attesting import attested_note, stamped_part
from auditor.evidence.attest.keyless import Signatory, check_keyless, signed_statement
from auditor.evidence.attest.timestamps import Authorities, check_stamp, stamp_time
from auditor.evidence.files import BundleFiles
from auditor.evidence.layout import ATTESTATIONS, ATTESTED, HEAD, SIGSTORE, STAMP
from auditor.workflows.verify.outcome import Conclusion, Verification, sentence

NONE = "The bundle has none, and {} asks for one."


@dataclass(frozen=True)
class Trusted:
    """Parties that the user trusts about time and identity; None for no party.

    Attributes:
        authorities: certificates that a time stamp must lead to.
        signatory: identity that must have signed through Sigstore.
    """

    authorities: Authorities | None = None
    signatory: Signatory | None = None


def check_attestations(done: Verification, files: BundleFiles, trusted: Trusted) -> None:
    """Check everything attested about the head, and that the user's demands are met."""
    held = [name for name in ATTESTATIONS if name in files]
    if (held or ATTESTED in files) and files.content.get(ATTESTED) != attested_note(files.content):
        done.add(
            "attestations",
            "failed",
            f"{ATTESTED} does not list {', '.join(ATTESTATIONS)} as they are: one of the three was "
            "changed, added or lost.",
        )
        return
    if STAMP in files:
        _concluded(done, "time stamp", lambda: _stamp(files, trusted.authorities))
    elif trusted.authorities is not None:
        done.add("time stamp", "failed", NONE.format("--tsa-cert"))
    if SIGSTORE in files:
        _concluded(done, "sigstore", lambda: _sigstore(files, trusted.signatory))
    elif trusted.signatory is not None:
        done.add("sigstore", "failed", NONE.format("--sigstore-identity"))


def _concluded(done: Verification, name: str, conclude: Callable[[], Conclusion]) -> None:
    try:
        done.add(name, *conclude())
    except EvidenceError as error:
        done.add(name, "failed", sentence(error))
    except UsageError as error:
        done.add(name, "not done", sentence(error))


def _stamp(files: BundleFiles, trusted: Authorities | None) -> Conclusion:
    stamp, subject = files.get(STAMP), stamped_part(files)
    if trusted is None:
        return (
            "withheld",
            f"It says that the head existed on {_moment(stamp_time(stamp, subject))}. Not checked "
            "whether an authority made it: name its certificate with --tsa-cert.",
        )
    when = _moment(check_stamp(stamp, subject, trusted))
    return "ok", f"By an authority given with --tsa-cert: the head existed on {when}."


def _sigstore(files: BundleFiles, who: Signatory | None) -> Conclusion:
    bundle, head = files.get(SIGSTORE), files.get(HEAD)
    if signed_statement(bundle, SIGSTORE) != head:
        raise EvidenceError(f"{SIGSTORE} is a signature over something else than this head")
    if who is None:
        return (
            "withheld",
            "A signature over this head. Not checked whose: say whose it should be with "
            "--sigstore-identity and --sigstore-issuer.",
        )
    check_keyless(bundle, head, who, SIGSTORE)
    return "ok", f"Valid, by {who.identity}, for whom {who.issuer} vouched."


def _moment(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d at %H:%M:%S} UTC"
