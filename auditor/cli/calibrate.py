"""``xray-audit calibrate``: a reference profile from models whose state is known."""

from __future__ import annotations

from typing import Annotated

import typer

from auditor.cli import options
from auditor.cli.output import finish, make_progress, show
from auditor.cli.references import ReferenceList, build_references
from auditor.cli.request import chosen_settings, read_samples, spending


@options.grouped
def calibrate(
    references: ReferenceList,
    target: options.TargetOptions,
    samples: options.SampleOptions,
    method: options.MethodOptions,
    limits: options.LimitOptions,
    output: options.OutputOptions,
    name: Annotated[str, typer.Option(help="Name of the profile.")] = "profile",
    task: Annotated[str, typer.Option(help="What the references classify, in words.")] = "unnamed",
) -> None:
    """Make a reference profile from models whose state is known: OUTPUT/profile.json."""
    from auditor import __version__
    from auditor.report.console import show_calibration
    from auditor.workflows.calibrate import run_calibration
    from auditor.workflows.profiles import save_profile
    from auditor.workflows.request import merge_settings

    progress = make_progress(output)
    models, given = build_references(references, target), read_samples(samples, progress)
    pending = run_calibration(
        models,
        given,
        merge_settings(None, chosen_settings(method)),
        output.output / "references",
        name=name,
        task=task,
        provenance=f"xray-audit {__version__} calibrate {references.name}",
        limits=spending(limits).limits(),
        progress=progress,
    )
    made = finish(pending)
    save_profile(made.profile, output.output / "profile.json")
    data = {"profile": made.profile.as_dict(), "skipped": dict(made.skipped)}
    show(output, data, show_calibration(data, output.output / "profile.json"))
