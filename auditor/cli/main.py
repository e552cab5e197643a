"""The command line: one file per command, from options to a workflow to an exit code.

A command loads what it needs when it runs, so that ``--help`` and a slip of the finger are
answered at once.
"""

from __future__ import annotations

import typer

from auditor.cli.attest import attest
from auditor.cli.audit import audit
from auditor.cli.calibrate import calibrate
from auditor.cli.check import check
from auditor.cli.cohort import cohort
from auditor.cli.demo import demo
from auditor.cli.diff import diff
from auditor.cli.fleet import fleet
from auditor.cli.pack import pack
from auditor.cli.plan import plan
from auditor.cli.report import report
from auditor.cli.verify import verify

app = typer.Typer(
    name="xray-audit",
    help="Does an image classifier carry a backdoor? Judged from its hard labels alone.",
    epilog=(
        "Exit codes: 0 no evidence, 1 backdoor suspected, 2 usage, 3 inconclusive or budget "
        "reached, 4 the audit could not be done, 5 come back later (inputs wait for their "
        "labels, or a quota is used up: the message says when), 130 interrupted (the same "
        "command continues). Options that take a value can be set as XRAY_AUDIT_OPTION or in "
        "xray-audit.toml; the endpoint's key only as XRAY_AUDIT_API_KEY."
    ),
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.callback(invoke_without_command=True)(audit)
for command in (plan, check, calibrate, cohort, fleet, demo, verify, pack, attest, report, diff):
    app.command()(command)
