"""``xray-audit diff``: a new version of a model against the last audit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auditor.cli.options import AcceptedFile, JsonFlag
from auditor.errors import EvidenceError, ExitCode

if TYPE_CHECKING:
    from auditor.report.result.result import Result
    from auditor.workflows.compare.accepted import MatchedFinding

Audit = Annotated[
    Path, typer.Argument(help="Bundle (folder or .zip) of an audit, or its report.json alone.")
]
VERDICT_CODES = {
    "backdoor-suspected": ExitCode.BACKDOOR_SUSPECTED,
    "no-evidence": ExitCode.NO_EVIDENCE,
}


def diff(
    old: Audit,
    new: Audit,
    accepted: AcceptedFile = None,
    json_output: JsonFlag = False,  # noqa: FBT002 - a flag
) -> None:
    """Compare two audits: verdict, scores, trigger, findings, and labels of the same inputs.

    Bundles are verified first. Exit codes speak of the second audit: 1 it holds a finding that
    nobody accepted, 3 it is inconclusive, all its findings are accepted, or something spoils the
    comparison, 0 it has no evidence and the comparison is sound, 4 a bundle does not verify.
    """
    from auditor.cli.console_compare import show_diff
    from auditor.workflows.compare.accepted import match_accepted, read_accepted, unmatched
    from auditor.workflows.compare.diff import compare_results

    (then, then_held), (now, now_held) = _read(old), _read(new)
    entries = () if accepted is None else read_accepted(accepted)
    try:
        found = match_accepted(now, entries, datetime.now(UTC).date())
        data = compare_results(then, now)
    except (ValueError, ArithmeticError) as error:
        raise EvidenceError(
            f"{old} and {new} cannot be compared: one of them is not a report as this version "
            f"writes it ({type(error).__name__})"
        ) from error
    data["evidence"] = {"old": then_held, "new": now_held}
    data["findings"] = [one.as_dict() for one in found]
    data["unmatched"] = [one.finding for one in unmatched(found, entries)]
    code = exit_code(data, found)
    data["exit_code"] = int(code)
    typer.echo(json.dumps(data) if json_output else show_diff(data, now.labels))
    raise typer.Exit(code)


def exit_code(data: dict[str, Any], found: Sequence[MatchedFinding]) -> ExitCode:
    """Exit code of the second audit; acceptance and doubt never make it 0."""
    if any(one.open for one in found):
        return ExitCode.BACKDOOR_SUSPECTED
    code = VERDICT_CODES.get(data["verdict"]["new"], ExitCode.INCONCLUSIVE)
    if found or data["spoiled_by"] or code is not ExitCode.NO_EVIDENCE:
        return ExitCode.INCONCLUSIVE
    return code


def _read(path: Path) -> tuple[Result, str]:
    """The result at ``path``, and the state of its evidence.

    Raises:
        EvidenceError: it is a bundle that does not verify.
    """
    from auditor.evidence.bundle import load_bundle, read_report
    from auditor.workflows.verify.verify import verify_bundle

    if path.is_file() and path.suffix != ".zip":
        return read_report(path), "a report alone: nothing shows that it was not changed"
    result = load_bundle(path).result
    found = verify_bundle(path)
    if found.failed:
        wrong = next(check for check in found.checks if check.state == "failed")
        raise EvidenceError(
            f"{path} does not verify ({wrong.name}: {wrong.text}); xray-audit verify {path} "
            "tells more"
        )
    whose = "unsigned" if found.signer is None else f"signed by {found.signer[:16]}"
    done = "verified" if found.exit_code == ExitCode.NO_EVIDENCE else "not fully verified"
    return result, f"{done}, {whose}"
