"""``xray-audit attest``: time stamps and signatures of other parties for a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.cli.options import Bundle
from auditor.errors import EvidenceError, UsageError

Authority = Annotated[
    str,
    typer.Option(
        "--tsa", metavar="URL", help="RFC 3161 authority that stamps the head with the time."
    ),
]
Sigstore = Annotated[
    bool,
    typer.Option(
        "--sigstore",
        help="Sign the head through Sigstore, which enters it into a public log.",
    ),
]
IdentityToken = Annotated[
    Path | None,
    typer.Option(help="File with the OpenID Connect token to sign by. Default: the environment's."),
]
SigstoreTrust = Annotated[
    Path | None,
    typer.Option(help="ClientTrustConfig of your own Sigstore instance. Default: the public one."),
]


def attest(
    bundle: Bundle,
    tsa: Authority = "",
    sigstore: Sigstore = False,  # noqa: FBT002 - a flag
    identity_token: IdentityToken = None,
    sigstore_trust: SigstoreTrust = None,
) -> None:
    """Add a time stamp, a Sigstore signature or both to a bundle that verifies.

    Only the head's hash goes to a time-stamp authority; Sigstore's log makes public who signed
    when. Nothing is written unless everything asked for was given.
    """
    from auditor.evidence.attest.attesting import attach, stamped_part
    from auditor.evidence.attest.keyless import sign_keyless
    from auditor.evidence.attest.timestamps import request_stamp
    from auditor.evidence.files import read_files
    from auditor.evidence.layout import HEAD, SIGSTORE, STAMP
    from auditor.workflows.verify.verify import verify_bundle

    if not (tsa or sigstore):
        raise UsageError("say what to add: --tsa URL, --sigstore or both")
    if (identity_token or sigstore_trust) and not sigstore:
        raise UsageError("--identity-token and --sigstore-trust are for --sigstore")
    files = read_files(bundle)
    found = verify_bundle(bundle)
    if found.failed:
        wrong = next(check for check in found.checks if check.state == "failed")
        raise EvidenceError(f"{bundle} does not verify, nobody should vouch for it: {wrong.text}")
    made: dict[str, bytes] = {}
    if tsa:
        made[STAMP] = request_stamp(tsa, stamped_part(files))
    if sigstore:
        made[SIGSTORE] = sign_keyless(files.get(HEAD), identity_token, sigstore_trust)
    attach(bundle, made)
    typer.echo(f"Added to {bundle}: {', '.join(made)}; xray-audit verify checks them.")
