"""``xray-audit demo``: audits of two models that ship with the tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.cli.options import OutputOptions
from auditor.cli.output import finish, make_progress
from auditor.probes.label_search.settings import Effort


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
    from auditor.workflows.demo.run import run_demo

    progress = make_progress(OutputOptions(quiet=quiet))
    finish(run_demo(output, effort, progress, typer.echo))
