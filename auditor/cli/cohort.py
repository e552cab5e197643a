"""``xray-audit cohort``: several models of one task, ranked against each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli import options
from auditor.cli.output import finish, make_progress, show
from auditor.cli.references import build_references
from auditor.cli.request import chosen_settings, read_samples, spending
from auditor.errors import ExitCode

if TYPE_CHECKING:
    from auditor.verdict.cohort import Rank

CohortList = Annotated[
    Path,
    typer.Argument(
        help='JSON: {"references": [{"name": .., "model": FILE or "endpoint": URL}]}, or the '
        "output folder of a fleet; its models are not asked again."
    ),
]


@options.grouped
def cohort(
    models: CohortList,
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

    if models.is_dir():
        from auditor.fleet.cohort import rank_fleet

        ranking, skipped = rank_fleet(models, error_rate)
    else:
        ranking, skipped = _ask(models, target, samples, method, limits, output, error_rate)
    data = {
        "error_rate": error_rate,
        "ranking": [dataclasses.asdict(rank) for rank in ranking],
        "skipped": skipped,
    }
    show(output, data, show_cohort(data))
    flagged = any(rank.outlier for rank in ranking)
    raise typer.Exit(ExitCode.BACKDOOR_SUSPECTED if flagged else ExitCode.INCONCLUSIVE)


def _ask(
    models: Path,
    target: options.TargetOptions,
    samples: options.SampleOptions,
    method: options.MethodOptions,
    limits: options.LimitOptions,
    output: options.OutputOptions,
    error_rate: float,
) -> tuple[Sequence[Rank], dict[str, str]]:
    """The ranking of the models of a list, which are asked now."""
    from auditor.workflows.cohort import run_cohort
    from auditor.workflows.request import merge_settings

    progress = make_progress(output)
    listed, given = build_references(models, target), read_samples(samples, progress)
    return finish(
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
