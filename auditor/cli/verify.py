"""``xray-audit verify``: check a bundle, trusting nothing but its bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli.options import Bundle, JsonFlag
from auditor.errors import UsageError

if TYPE_CHECKING:
    from auditor.evidence.attest.keyless import Signatory
    from auditor.workflows.verify.outcome import Verification

PublicKey = Annotated[
    Path | None, typer.Option("--key", help="PEM public key that must have signed it.")
]
TsaCertificate = Annotated[
    Path | None,
    typer.Option("--tsa-cert", help="PEM certificates of the authority that must have stamped it."),
]
SigstoreIdentity = Annotated[
    str, typer.Option(help="Who must have signed it through Sigstore, such as a mail address.")
]
SigstoreIssuer = Annotated[
    str, typer.Option(metavar="URL", help="Who must have vouched for that identity.")
]
SigstoreTrust = Annotated[
    Path | None,
    typer.Option(
        help="TrustedRoot or ClientTrustConfig of a Sigstore instance. Default: the public "
        "one's, as the sigstore package knows it."
    ),
]
AllInputs = Annotated[
    bool,
    typer.Option(
        "--all-inputs", help="Build every input again; default: some seconds' worth of them."
    ),
]
MARKS = {"ok": "ok", "failed": "FAILED", "withheld": "-", "not done": "NOT DONE"}


def verify(
    bundle: Bundle,
    key: PublicKey = None,
    tsa_cert: TsaCertificate = None,
    sigstore_identity: SigstoreIdentity = "",
    sigstore_issuer: SigstoreIssuer = "",
    sigstore_trust: SigstoreTrust = None,
    all_inputs: AllInputs = False,  # noqa: FBT002 - a flag
    json_output: JsonFlag = False,  # noqa: FBT002 - a flag
) -> None:
    """Check files, hash chain and signature, and recompute verdict and views from the labels alone.

    The first line says what was proven and what not; files that nothing speaks for are named in it.

    Exit codes: 0 everything holds that the edition allows to check, 3 something could not be
    told here, 4 something does not hold or the bundle cannot be read, 2 usage. The verdict's own
    exit code is the audit's.
    """
    from auditor.evidence.attest.signing import read_public_key
    from auditor.evidence.attest.timestamps import read_authorities
    from auditor.workflows.verify.attested import Trusted
    from auditor.workflows.verify.inputs import MOST_VALUES
    from auditor.workflows.verify.verify import verify_bundle

    trusted = None if key is None else read_public_key(key)
    stamps = None if tsa_cert is None else read_authorities(tsa_cert)
    others = Trusted(stamps, _signatory(sigstore_identity, sigstore_issuer, sigstore_trust))
    done = verify_bundle(bundle, trusted, 2**62 if all_inputs else MOST_VALUES, others)
    typer.echo(json.dumps(done.as_dict()) if json_output else show_verification(done))
    raise typer.Exit(done.exit_code)


def _signatory(identity: str, issuer: str, trust: Path | None) -> Signatory | None:
    from auditor.evidence.attest.keyless import Signatory, read_trusted_root

    if not (identity or issuer or trust):
        return None
    if not (identity and issuer):
        raise UsageError("to judge a Sigstore signature, give its identity and its issuer both")
    if trust is not None:
        read_trusted_root(trust)  # a wrong file is the user's mistake, not the bundle's
    return Signatory(identity, issuer, trust)


def show_verification(done: Verification) -> str:
    """The outcome in one line, every check in one, then what the bundle proves and what not."""
    from auditor.report.wording.text import safe_text

    lines = [safe_text(done.headline, 1000)]
    lines += [
        f"{MARKS[check.state]:<9}{check.name}: {safe_text(check.text, 1000)}"
        for check in done.checks
    ]
    if done.on_word:
        lines.append(f"On the author's word alone: {safe_text('; '.join(done.on_word), 1000)}.")
    lines.append(safe_text(done.meaning, 1000))
    return "\n".join(lines)
