"""``xray-audit demo``: audits of two models that ship with the tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.cli.output import finish, make_progress


def demo(
    output: Annotated[Path, typer.Option(help="Folder for the demo's reports.")] = Path(
        "xray-audit-demo"
    ),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Audit a clean and a backdoored model that ship with the tool, over HTTP on loopback."""
    from auditor.workflows.demo.run import run_demo

    finish(run_demo(output, make_progress(quiet=quiet), typer.echo))
