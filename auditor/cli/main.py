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
from auditor.cli.help import HelpfulCommand, HelpfulGroup
from auditor.cli.pack import pack
from auditor.cli.plan import plan
from auditor.cli.report import report
from auditor.cli.verify import verify

app = typer.Typer(
    name="xray-audit",
    cls=HelpfulGroup,
    help="Does an image classifier carry a backdoor? Judged from its hard labels alone.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.callback(invoke_without_command=True)(audit)
for command in (
    audit, plan, check, calibrate, cohort, fleet, demo, verify, pack, attest, report, diff,
):  # fmt: skip
    app.command(cls=HelpfulCommand)(command)
