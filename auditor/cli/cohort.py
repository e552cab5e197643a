"""``xray-audit cohort``: several models of one task, ranked against each other."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from auditor.cli import options
from auditor.cli.output import finish, make_progress, show
from auditor.cli.references import ReferenceList, build_references
from auditor.cli.request import chosen_settings, read_samples, spending
from auditor.errors import ExitCode


@options.grouped
def cohort(
    models: ReferenceList,
    target: options.TargetOptions,
    samples: options.SampleOptions,
    method: options.MethodOptions,
    limits: options.LimitOptions,
    output: options.OutputOptions,
    error_rate: Annotated[
        float, typer.Option(help="Probability of flagging any model of an honest cohort.")
    ] = 0.05,
) -> None:
    """Rank several models of one task against each other; flags outliers, clears nobody."""
    from auditor.report.console import show_cohort
    from auditor.workflows.cohort import run_cohort
    from auditor.workflows.request import merge_settings

    progress = make_progress(quiet=output.quiet)
    listed, given = build_references(models, target), read_samples(samples, progress)
    ranking, skipped = finish(
        run_cohort(
            listed,
            given,
            merge_settings(None, chosen_settings(method)),
            output.output / "models",
            error_rate=error_rate,
            limits=spending(limits).limits(),
            progress=progress,
        )
    )
    data = {
        "error_rate": error_rate,
        "ranking": [dataclasses.asdict(rank) for rank in ranking],
        "skipped": skipped,
    }
    show(output, data, show_cohort(data))
    flagged = any(rank.outlier for rank in ranking)
    raise typer.Exit(ExitCode.BACKDOOR_SUSPECTED if flagged else ExitCode.INCONCLUSIVE)
