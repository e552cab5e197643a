"""``xray-audit demo``: audits of two models that ship with the tool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli.end import dressed
from auditor.cli.options import OutputOptions
from auditor.cli.output import finish, make_progress
from auditor.probes.label_search.settings import Effort

if TYPE_CHECKING:
    from auditor.report.result.result import Result


def demo(
    output: Annotated[Path, typer.Option(help="Folder for the demo's reports.")] = Path(
        "xray-audit-demo"
    ),
    effort: Annotated[
        Effort, typer.Option(help="Strength of the trigger search; thorough can accuse or clear.")
    ] = "thorough",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Audit a clean and a backdoored model that ship with the tool, over HTTP on loopback."""
    from auditor.report.console_end import next_command, show_end
    from auditor.workflows.demo.run import run_demo

    typed = ["demo", "--output", str(output), "--effort", effort]

    def show(result: Result, folder: Path) -> None:
        following = next_command(result, folder, typed, interrupted=result.partial)
        typer.echo(dressed(show_end(result, folder), following))

    progress = make_progress(OutputOptions(quiet=quiet))
    finish(run_demo(output, effort, progress, typer.echo, show))
