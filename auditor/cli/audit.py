"""``xray-audit``: audit a model."""

from __future__ import annotations

import contextlib
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auditor.cli import options
from auditor.cli.end import FailOn, dressed, exit_code, open_page, portable
from auditor.cli.option_fields import EXPERT, JUDGED, SHOWN
from auditor.cli.output import finish, show
from auditor.cli.request import build_request
from auditor.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from auditor.engine.engine import QueryEngine
    from auditor.workflows.compare.accepted import Acceptance
    from auditor.workflows.judge import AuditResult
    from auditor.workflows.request import AuditRequest
    from auditor.workflows.targets import LocatedTarget


def _show_version(value: bool) -> None:  # noqa: FBT001 - the shape typer's callbacks have
    if value:
        from auditor import __version__

        typer.echo(f"xray-audit {__version__}")
        raise typer.Exit


SignKey = Annotated[
    Path | None,
    typer.Option(
        "--sign-key",
        help="PEM Ed25519 private key that signs the evidence (openssl genpkey -algorithm "
        "ed25519 -out audit.key). Default: none.",
        rich_help_panel=SHOWN,
        metavar="FILE",
        envvar="XRAY_AUDIT_SIGN_KEY",
        show_envvar=False,
    ),
]
AcceptedFile = Annotated[
    Path | None,
    typer.Option(
        "--accepted",
        help="TOML file of accepted findings, shown beside them; it changes no exit code. "
        "Default: none.",
        rich_help_panel=JUDGED,
        metavar="FILE",
        envvar="XRAY_AUDIT_ACCEPTED",
        show_envvar=False,
    ),
]
FailOnOption = Annotated[
    FailOn,
    typer.Option(
        "--fail-on",
        help="Verdicts that end with their exit code and not with 0: suspected, inconclusive (and "
        "suspected) or none. 2, 4, 5 and 130 stay. Default: inconclusive.",
        rich_help_panel=JUDGED,
        metavar="NAME",
        envvar="XRAY_AUDIT_FAIL_ON",
        show_envvar=False,
        show_default=False,
    ),
]
OpenReport = Annotated[
    bool,
    typer.Option(
        "--open",
        help="Show report.html in the browser at the end. Default: no.",
        rich_help_panel=SHOWN,
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Processes on this machine that each open the model file and share its queries: a "
        "large model is done sooner, with the labels and report of one process. Default: none.",
        rich_help_panel=EXPERT,
        metavar="N",
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        help="Running Dask cluster whose workers do so (tcp://host:8786; extra fleet). "
        "Default: none.",
        rich_help_panel=EXPERT,
        metavar="ADDRESS",
    ),
]
Version = Annotated[
    bool,
    typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
]


@options.grouped
def audit(
    context: typer.Context,
    target: options.TargetOptions,
    samples: options.SampleOptions,
    method: options.MethodOptions,
    limits: options.LimitOptions,
    output: options.OutputOptions,
    views: options.ViewOptions,
    sign_key: SignKey = None,
    accepted: AcceptedFile = None,
    fail_on: FailOnOption = "inconclusive",
    open_report: OpenReport = False,  # noqa: FBT002 - a flag
    workers: Workers = None,
    scheduler: Scheduler = None,
    version: Version = False,  # noqa: ARG001, FBT002 - a flag whose callback answers
) -> None:
    """Audit a model and write plan.json, report.json and its views to --output."""
    if _is_no_audit(context, samples):
        return
    from auditor.evidence.attest.signing import read_signer
    from auditor.fleet import on_workers
    from auditor.report.views import view_names, view_settings
    from auditor.workflows.compare.accepted import read_accepted

    names, shown = view_names(views.format or ()), view_settings(views.mapped)
    if open_report and "html" not in names:
        raise UsageError("--open shows report.html: add html to --format")
    request = build_request(target, samples, method, limits, output)
    signer = None if sign_key is None else read_signer(sign_key)
    entries = () if accepted is None else read_accepted(accepted)
    typed = portable(sys.argv[1:])
    request = replace(request, signer=signer, views=names, shown=shown, command=typed)
    with on_workers(request, workers, scheduler) as spread:
        result = finish(_run(spread))
    notes = request.samples.notes if output.quiet else ()  # else said before the first query
    _show(result, entries, output, views, notes, (request.target, limits.price_per_1000))
    if result.interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    if open_report:
        open_page(output.output / "report.html")
    raise typer.Exit(exit_code(result.verdict.exit_code, fail_on))


def _is_no_audit(context: typer.Context, samples: options.SampleOptions) -> bool:
    """True if another command follows, or nothing was said: then the start page is printed."""
    if context.invoked_subcommand is not None:
        _refuse_options_before(context, context.invoked_subcommand)
        return True
    if context.parent is not None or samples.samples is not None or _typed(context):
        return False
    from auditor.cli.help import START

    typer.echo(START)
    return True


def _refuse_options_before(context: typer.Context, command: str) -> None:
    """Options belong to the command they follow; before it they would be dropped unseen."""
    for name in _typed(context):
        flag = "--" + name.removesuffix("_output").replace("_", "-")
        raise UsageError(f"{flag} stands before {command!r}: options go after the command")


def _typed(context: typer.Context) -> list[str]:
    """Options that stand on the command line, not in the environment or a settings file."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]


async def _run(request: AuditRequest) -> AuditResult:
    """Run the audit; the first Ctrl-C (or SIGTERM) drains and saves, the second stops at once."""
    import asyncio

    from auditor.workflows.audit import run_audit
    from auditor.workflows.stop import TwoStepStop

    stop = TwoStepStop(request.progress, "Press")

    def on_start(engine: QueryEngine) -> None:
        stop.watch_task()
        stop.watch_engine(engine)
        loop = asyncio.get_running_loop()
        # Windows has no signal handlers on its loop: there Ctrl-C cancels at once, labels are kept.
        with contextlib.suppress(NotImplementedError):
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, lambda: stop.take(stop.count()))

    return await run_audit(request, on_start)


def _show(
    result: AuditResult,
    entries: tuple[Acceptance, ...],
    output: options.OutputOptions,
    views: options.ViewOptions,
    notes: tuple[str, ...],
    priced: tuple[LocatedTarget, float | None],
) -> None:
    from adapters.secrets import without_secrets
    from auditor.cli.console_compare import show_findings
    from auditor.report.console_end import next_command, show_end
    from auditor.report.views import view_files
    from auditor.report.wording.text import safe_text
    from auditor.workflows.compare.accepted import match_accepted, unmatched
    from auditor.workflows.rates import rates_of

    found = match_accepted(result.result, entries, datetime.now(UTC).date())
    facts: dict[str, Any] = {"findings": [one.as_dict() for one in found]} if found else {}
    ended, (target, per_1000) = result.result, priced
    money = rates_of(target, output.output, ended.fingerprint, per_1000).money
    lines = show_end(ended, output.output, view_files(views.format or ()), money)
    lines += [f"  {safe_text(note, 600)}" for note in notes]
    lines += [show_findings(found, unmatched(found, entries))] if entries else []
    following = next_command(
        ended, output.output, sys.argv[1:], interrupted=result.interrupted, money=money
    )
    text = without_secrets(dressed(lines, following))
    show(output, {**result.report, **facts} if output.json_output else {}, text)
