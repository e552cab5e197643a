"""Options -> use case -> exit code; nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.contract import LabelOracle
from adapters.registry import open_oracle
from adapters.target.description import Limits, Target
from auditor import __version__
from auditor.cli.attest import attest
from auditor.cli.check import check
from auditor.cli.console_compare import show_findings
from auditor.cli.diff import diff
from auditor.cli.options import (
    LimitOptions,
    MethodOptions,
    OutputOptions,
    SampleOptions,
    TargetOptions,
    ViewOptions,
    takes,
)
from auditor.cli.pack import pack
from auditor.cli.report import report
from auditor.cli.target_options import build_target, fit_to_samples, resize_to
from auditor.cli.verify import verify
from auditor.engine.contract import EngineLimits
from auditor.engine.engine import QueryEngine
from auditor.engine.progress import Progress, SilentProgress, StreamProgress
from auditor.errors import ExitCode, UsageError
from auditor.evidence.attest.signing import Signer, read_signer
from auditor.plan.settings import AuditSettings, choose_settings
from auditor.report.console import (
    show_calibration,
    show_cohort,
    show_price,
    show_result,
)
from auditor.report.views import view_files, view_names, view_settings
from auditor.samples.load import load_samples
from auditor.samples.samples import Samples
from auditor.verdict.cohort import rank_cohort
from auditor.verdict.profile import Profile
from auditor.workflows.audit import run_audit
from auditor.workflows.calibrate import (
    OpenReference,
    ReferenceModel,
    read_references,
    run_calibration,
    same_task,
    score_all,
)
from auditor.workflows.compare.accepted import read_accepted, unmatched, weigh
from auditor.workflows.demo.run import run_demo
from auditor.workflows.judge import AuditResult
from auditor.workflows.prepare import Prepared, prepare
from auditor.workflows.price import Price, price_audit, read_rate
from auditor.workflows.profiles import load_profile, save_profile

app = typer.Typer(
    name="xray-audit",
    help="Does an image classifier carry a backdoor? Judged from its hard labels alone.",
    epilog=(
        "Exit codes: 0 no evidence, 1 backdoor suspected, 2 usage, 3 inconclusive or budget "
        "reached, 4 the audit could not be done, 5 inputs wait for their labels (--input-file), "
        "130 interrupted (the same command continues). "
        "Options that take a value can be set as XRAY_AUDIT_OPTION or in xray-audit.toml; the "
        "endpoint's key only as XRAY_AUDIT_API_KEY."
    ),
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
LOCAL_CONCURRENCY, REMOTE_CONCURRENCY, MAX_CONCURRENCY = 2, 8, 1000


def _show_version(value: bool) -> None:  # noqa: FBT001 - the shape typer's callbacks have
    if value:
        typer.echo(f"xray-audit {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
@takes(TargetOptions, SampleOptions, MethodOptions, LimitOptions, OutputOptions, ViewOptions)
def audit(
    context: typer.Context,
    target: TargetOptions,
    samples: SampleOptions,
    method: MethodOptions,
    limits: LimitOptions,
    output: OutputOptions,
    views: ViewOptions,
    sign_key: Annotated[
        Path | None,
        typer.Option(
            "--sign-key",
            help="PEM Ed25519 private key that signs the evidence (openssl genpkey -algorithm "
            "ed25519 -out audit.key).",
            rich_help_panel="Result",
            envvar="XRAY_AUDIT_SIGN_KEY",
            show_envvar=False,
        ),
    ] = None,
    accepted: Annotated[
        Path | None,
        typer.Option(
            "--accepted",
            help="TOML file of accepted findings, shown beside them; it changes no exit code.",
            rich_help_panel="Result",
            envvar="XRAY_AUDIT_ACCEPTED",
            show_envvar=False,
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001, FBT002 - a flag whose callback answers
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Audit a model and write plan.json, report.json and its views to --output."""
    if context.invoked_subcommand is not None:
        _refuse_options_before(context, context.invoked_subcommand)
        return
    described, given = _described(target, samples, output)
    profile = load_profile(output.profile, described.access) if output.profile else None
    settings = _settings(method, profile)
    allowed = _limits(limits, described)
    signer = None if sign_key is None else read_signer(sign_key)
    entries = () if accepted is None else read_accepted(accepted)
    pending = _audit(described, given, settings, profile, allowed, output, signer, views)
    result = asyncio.run(pending)
    found = weigh(result.result, entries, datetime.now(UTC).date())
    facts = {"findings": [one.as_dict() for one in found]} if found else {}
    told = [show_result(result.result, output.output, view_files(views.format or ()))]
    told += [show_findings(found, unmatched(found, entries))] if found or entries else []
    _show(output, {**result.report, **facts}, "\n".join(told))
    code = ExitCode.INTERRUPTED if result.interrupted else result.verdict.exit_code
    raise typer.Exit(code)


@app.command()
@takes(TargetOptions, SampleOptions, MethodOptions, LimitOptions, OutputOptions)
def plan(
    target: TargetOptions,
    samples: SampleOptions,
    method: MethodOptions,
    limits: LimitOptions,
    output: OutputOptions,
    price_per_1000: Annotated[
        float | None, typer.Option(help="Price of 1,000 queries, in your currency.")
    ] = None,
) -> None:
    """Price an audit without sending it: queries, requests, bytes, time, money."""
    described, given = _described(target, samples, output)
    profile = load_profile(output.profile, described.access) if output.profile else None
    settings = _settings(method, profile)
    _limits(limits, described)  # refuses a rate of 0
    pending = _price(described, given, settings, limits, output.output, price_per_1000)
    priced = dataclasses.asdict(asyncio.run(pending))
    _show(output, priced, show_price(priced))


app.command()(takes(TargetOptions, SampleOptions, OutputOptions)(check))


ReferenceList = Annotated[
    Path,
    typer.Argument(
        help='JSON: {"references": [{"name": .., "model": FILE or "endpoint": URL, '
        '"attack": ..}]}; attack is missing for a clean model.'
    ),
]


@app.command()
@takes(TargetOptions, SampleOptions, MethodOptions, LimitOptions, OutputOptions)
def calibrate(
    references: ReferenceList,
    target: TargetOptions,
    samples: SampleOptions,
    method: MethodOptions,
    limits: LimitOptions,
    output: OutputOptions,
    name: Annotated[str, typer.Option(help="Name of the profile.")] = "profile",
    task: Annotated[str, typer.Option(help="What the references classify, in words.")] = "unnamed",
) -> None:
    """Make a reference profile from models whose state is known: OUTPUT/profile.json."""
    models, given = _references(references, target), _samples(samples)
    allowed = _limits(limits)
    pending = run_calibration(
        models,
        given,
        _settings(method, None),
        output.output / "references",
        name=name,
        task=task,
        provenance=f"xray-audit {__version__} calibrate {references.name}",
        limits=allowed,
        progress=_progress(quiet=output.quiet),
    )
    made = asyncio.run(pending)
    save_profile(made.profile, output.output / "profile.json")
    data = {"profile": made.profile.as_dict(), "skipped": dict(made.skipped)}
    _show(output, data, show_calibration(data, output.output / "profile.json"))


@app.command()
@takes(TargetOptions, SampleOptions, MethodOptions, LimitOptions, OutputOptions)
def cohort(
    models: ReferenceList,
    target: TargetOptions,
    samples: SampleOptions,
    method: MethodOptions,
    limits: LimitOptions,
    output: OutputOptions,
    error_rate: Annotated[
        float, typer.Option(help="Probability of flagging any model of an honest cohort.")
    ] = 0.05,
) -> None:
    """Rank several models of one task against each other; flags outliers, clears nobody."""
    listed, given = _references(models, target), _samples(samples)
    pending = score_all(
        listed,
        given,
        _settings(method, None),
        output.output / "models",
        _limits(limits),
        _progress(quiet=output.quiet),
    )
    scored, skipped = asyncio.run(pending)
    same_task(scored)
    places = rank_cohort([one.reference for one in scored], error_rate)
    data = {
        "error_rate": error_rate,
        "ranking": [dataclasses.asdict(place) for place in places],
        "skipped": skipped,
    }
    _show(output, data, show_cohort(data))
    flagged = any(place.outlier for place in places)
    raise typer.Exit(ExitCode.BACKDOOR_SUSPECTED if flagged else ExitCode.INCONCLUSIVE)


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder for the demo's reports.")] = Path(
        "xray-audit-demo"
    ),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Audit a clean and a backdoored model that ship with the tool, over HTTP on loopback."""
    asyncio.run(run_demo(open_oracle, output, _progress(quiet=quiet), typer.echo))


app.command()(verify)
app.command()(pack)
app.command()(attest)
app.command()(report)
app.command()(diff)


# ---- from options to use cases ---------------------------------------------------------------


def _refuse_options_before(context: typer.Context, command: str) -> None:
    """Options belong to the command they follow; before it they would be dropped unseen."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            flag = "--" + name.removesuffix("_output").replace("_", "-")
            raise UsageError(f"{flag} stands before {command!r}: options go after the command")


def _described(
    options: TargetOptions, samples: SampleOptions, output: OutputOptions
) -> tuple[Target, Samples]:
    """Target and samples; where the command line does not name it, the user is told which it is."""
    target = build_target(options)
    if target.source and options.target is None:
        where = target.location.split("?")[0]
        _progress(quiet=output.quiet).note(f"Target: {where}, as {target.source} describes it.")
    given = _samples(samples)
    return fit_to_samples(target, given), given


def _samples(options: SampleOptions) -> Samples:
    if options.samples is None:
        raise UsageError("name the clean samples with --samples (a folder or an .npz file)")
    return load_samples(options.samples, resize_to(options))


def _settings(method: MethodOptions, profile: Profile | None) -> AuditSettings:
    """Flags win; what they leave open comes from the profile, and the rest from the paper."""
    chosen = {} if profile is None else dict(profile.settings)
    chosen.update({k: v for k, v in dataclasses.asdict(method).items() if v is not None})
    known = {field.name for field in dataclasses.fields(AuditSettings)}
    return choose_settings({name: value for name, value in chosen.items() if name in known})


def _references(path: Path, shared: TargetOptions) -> list[ReferenceModel]:
    """The models of a list; what ``shared`` says about inputs holds for all of them."""
    if shared.endpoint or shared.model or shared.target or shared.input_file:
        raise UsageError(
            f"the models come from {path}: drop --endpoint, --model, --target and --input-file"
        )
    listed = []
    for entry in read_references(path):
        model = path.parent / entry["model"] if "model" in entry else None
        options = dataclasses.replace(shared, model=model, endpoint=entry.get("endpoint"))
        listed.append(ReferenceModel(entry["name"], entry.get("attack", ""), _opener(options)))
    return listed


def _opener(options: TargetOptions) -> OpenReference:
    async def opener() -> LabelOracle:
        return await open_oracle(build_target(options))

    return opener


def _limits(options: LimitOptions, target: Target | None = None) -> EngineLimits:
    """Flags win; what they leave open comes from the target's description."""
    for flag in ("max_queries", "rate", "request_rate", "concurrency"):
        value = getattr(options, flag)
        if value is not None and not value > 0:
            raise UsageError(f"--{flag.replace('_', '-')} is {value}, it must be above 0")
    if options.concurrency is not None and options.concurrency > MAX_CONCURRENCY:
        raise UsageError(f"--concurrency is {options.concurrency}, at most {MAX_CONCURRENCY}")
    said = Limits() if target is None else target.limits
    # Files are written one after the other, so that one plan gives one order of inputs.
    usual = {"http": REMOTE_CONCURRENCY, "files": 1}
    default = LOCAL_CONCURRENCY if target is None else usual.get(target.kind, LOCAL_CONCURRENCY)
    attempts = EngineLimits().attempts if target is None else target.http.retry.max
    return EngineLimits(
        max_queries=options.max_queries or said.max_queries,
        queries_per_s=options.rate or said.rate,
        requests_per_s=options.request_rate or said.request_rate,
        concurrency=options.concurrency or said.concurrency or default,
        attempts=attempts,
    )


@contextlib.asynccontextmanager
async def _opened(target: Target) -> AsyncIterator[LabelOracle]:
    oracle = await open_oracle(target)
    try:
        yield oracle
    finally:
        await oracle.aclose()


async def _audit(
    target: Target,
    samples: Samples,
    settings: AuditSettings,
    profile: Profile | None,
    limits: EngineLimits,
    options: OutputOptions,
    signer: Signer | None,
    views: ViewOptions,
) -> AuditResult:
    progress = _progress(quiet=options.quiet)
    names, shown = view_names(views.format or ()), view_settings(views.framework or ())
    async with _opened(target) as oracle:
        return await run_audit(
            oracle,
            samples,
            settings,
            options.output,
            profile=profile,
            limits=limits,
            progress=progress,
            on_start=lambda engine: _stop_on_signals(engine, progress),
            signer=signer,
            views=names,
            shown=shown,
        )


async def _price(
    target: Target,
    samples: Samples,
    settings: AuditSettings,
    limits: LimitOptions,
    output: Path,
    per_1000: float | None,
) -> Price:
    async with _opened(target) as oracle:
        ready: Prepared = prepare(oracle, samples, settings)
        measured = read_rate(output, oracle.fingerprint)
        return price_audit(oracle, ready.plan, measured, limits.rate, per_1000, limits.request_rate)


# ---- signals, printing ----------------------------------------------------------------


def _stop_on_signals(engine: QueryEngine, progress: Progress) -> None:
    """The first Ctrl-C (or SIGTERM) drains and saves, the second stops at once."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    presses = 0

    def pressed() -> None:
        nonlocal presses
        presses += 1
        if presses == 1:
            progress.note("Stopping: waiting for requests in flight. Press again to stop at once.")
            engine.stop()
        elif task is not None:
            task.cancel()

    # Windows has no signal handlers on its loop: there Ctrl-C cancels at once, labels are kept.
    with contextlib.suppress(NotImplementedError):
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, pressed)


def _progress(*, quiet: bool) -> Progress:
    return SilentProgress() if quiet else StreamProgress()


def _show(options: OutputOptions, data: dict[str, Any], text: str) -> None:
    if options.json_output:
        typer.echo(json.dumps(without_maps(data), ensure_ascii=False))
    else:
        typer.echo(text)


def without_maps(report: dict[str, Any]) -> dict[str, Any]:
    """A report without its label maps: they stay in report.json, a terminal needs the rest."""
    if "planes" not in report:
        return report
    planes = [{k: v for k, v in p.items() if k != "label_map"} for p in report["planes"]]
    return {**report, "planes": planes}
