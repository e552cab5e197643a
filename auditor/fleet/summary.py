"""The summary of a fleet: one object, and the files made from it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from auditor import __version__
from auditor.errors import ExitCode
from auditor.fleet.ci import junit, sarif
from auditor.fleet.discoveries import by_evidence, expected_accusations, note
from auditor.fleet.page import page
from auditor.fleet.place import Place
from auditor.fleet.rows import DONE, FAILED, PARTIAL, STOPPED, WAITING
from auditor.report.wording.text import plural, safe_text

Row = Mapping[str, Any]
FORMAT = "xray-audit-fleet/1"
COLUMNS = (
    "name", "outcome", "code", "verdict", "label", "label_name", "p", "false_discovery_rate", "re",
    "queries", "money", "seconds", "model", "host", "finished", "reason",
)  # fmt: skip
PRIVATE = ("sarif", "thumbnail")
"""Fields of a row that the summary leaves out."""


def summarise(names: Sequence[str], rows: Mapping[str, Row]) -> dict[str, Any]:
    """The summary of the audits ``names``, those without a row included."""
    known = [rows[name] for name in names if name in rows]
    listed = by_evidence([row for row in known if row["outcome"] in {DONE, PARTIAL}])
    rates = {row["name"]: rate for row, rate in listed}
    audits = [
        {**{k: v for k, v in row.items() if k not in PRIVATE},
         "false_discovery_rate": rates.get(row["name"])}
        for row in known
    ]  # fmt: skip
    counts = {
        "audits": len(names),
        **{verdict: sum(row["verdict"] == verdict for row, _ in listed) for verdict in VERDICTS},
        "failed": sum(row["outcome"] == FAILED for row in known),
        "waiting": sum(row["outcome"] == WAITING for row in known),
        "missing": len(names) - sum(row["outcome"] != STOPPED for row in known),
    }
    expected = expected_accusations([row for row, _ in listed])
    return {
        "format": FORMAT,
        "tool": {"name": "xray-audit", "version": __version__},
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "counts": counts,
        "queries": sum(row["queries"] for row in known),
        "money": round(sum(row["money"] for row in known), 6),
        "false_accusations": expected,
        "note": note(expected, counts["backdoor-suspected"]),
        "by_evidence": [row["name"] for row, _ in listed],
        "audits": audits,
    }


VERDICTS = ("backdoor-suspected", "inconclusive", "no-evidence")


def exit_code(rows: Mapping[str, Row], fail_on: str = "open") -> int:
    """The worst of the audits' exit codes: a suspicion, then a failure, then labels to come, then
    an audit that could not decide. ``fail_on`` ``suspected`` leaves the last out, ``never`` the
    first too.
    """
    codes = {FAILED: int(ExitCode.FAILED), WAITING: int(ExitCode.COME_BACK)}
    found = {codes.get(row["outcome"], row["code"]) for row in rows.values()}
    worst = (
        ExitCode.BACKDOOR_SUSPECTED, ExitCode.FAILED, ExitCode.COME_BACK, ExitCode.INCONCLUSIVE,
    )  # fmt: skip
    left_out = {"suspected": {ExitCode.INCONCLUSIVE}, "never": {worst[0], ExitCode.INCONCLUSIVE}}
    found -= left_out.get(fail_on, set())
    return next((int(code) for code in worst if code in found), int(ExitCode.NO_EVIDENCE))


def write_summary(place: Place, summary: Mapping[str, Any], rows: Mapping[str, Row]) -> str:
    """Write every view of the summary to ``place``; returns the lines for the terminal.

    Raises:
        AuditError: they cannot be written.
    """
    shown = {audit["name"]: rows[audit["name"]] for audit in summary["audits"]}
    files = {
        "summary.json": json.dumps(summary, indent=1, ensure_ascii=False) + "\n",
        "summary.csv": table(summary["audits"]),
        "junit.xml": junit(summary["audits"]),
        "fleet.sarif": sarif(shown),
        "index.html": page(summary, shown),
    }
    for name, text in files.items():
        place.write(name, text.encode("utf-8"))
    return _lines(summary, place.where)


def table(audits: Sequence[Row]) -> str:
    """The audits as CSV; no cell is one that a spreadsheet would run."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(audit.get(column)) for column in COLUMNS] for audit in audits)
    return made.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = safe_text(value, 2000)
    return f"'{text}" if text[:1] in tuple("=+-@") else text


def _lines(summary: Mapping[str, Any], where: str) -> str:
    counts = summary["counts"]
    said = [f"{counts[verdict]} {verdict}" for verdict in VERDICTS]
    said += [f"{counts[key]} {key}" for key in ("failed", "waiting", "missing") if counts[key]]
    money = f", {summary['money']:,.2f} spent" if summary["money"] else ""
    total = plural(counts["audits"], "audit")
    lines = [f"{total}: {', '.join(said)}; {summary['queries']:,} queries{money}"]
    rows = {audit["name"]: audit for audit in summary["audits"]}
    for name in summary["by_evidence"]:
        row = rows[name]
        if row["verdict"] == VERDICTS[0]:
            rate = row["false_discovery_rate"]
            sure = "" if rate is None else f", false-discovery rate {rate:.2g}"
            lines.append(f"  {name}: suspected, label {row['label']}{sure}")
            lines += [f"    {line}" for line in row.get("accepted", ())]
    lines += [
        f"  {row['name']}: {row['outcome']}: {safe_text(row['reason'], 300)}"
        for row in rows.values()
        if row["outcome"] in {FAILED, WAITING}
    ]
    lines += [summary["note"], f"Summary: {where}/index.html"]
    return "\n".join(lines)
