"""``xray-audit fleet``: many audits on many workers, one summary of all."""

from __future__ import annotations

import json
import os
import sys
import typing
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from auditor.cli import options
from auditor.cli.settings import Setting, check_name
from auditor.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from auditor.fleet.entries import Fleet, FleetEntry
    from auditor.fleet.file import Options
    from auditor.fleet.live import Live
    from auditor.fleet.place import Place
    from auditor.fleet.run import Due
    from auditor.workflows.request import AuditRequest

NOT_SET = ("output", "json_output", "quiet")
"""Options of an audit that the fleet itself decides."""


FleetFile = Annotated[
    Path, typer.Argument(metavar="FLEET", help="Fleet file: TOML, or CSV with a row an audit.")
]
Output = Annotated[
    str, typer.Option(help="Folder or bucket (s3://, gs://) of all bundles and the summary.")
]
Workers = Annotated[
    int, typer.Option(min=1, help="Audits at a time, in processes on this machine.")
]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Use this running Dask cluster (tcp://host:8786)."),
]
Only = Annotated[
    Literal["failed"] | None, typer.Option(help="failed: run only what could not be done.")
]
FailOn = Annotated[
    Literal["suspected", "open", "never"],
    typer.Option(
        help="open: exit with 3 for an inconclusive audit too. suspected: only for a suspected or "
        "failed one. never: only for a failed one."
    ),
]
Trust = Annotated[bool, typer.Option(help="Run the model files in the workers: unchecked.")]
Dashboard = Annotated[bool, typer.Option(help="Show Dask's dashboard, on 127.0.0.1 only.")]
DryRun = Annotated[bool, typer.Option(help="List the audits that are due, and run none.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]


def fleet(
    file: FleetFile,
    output: Output = "xray-audit-fleet",
    workers: Workers = 1,
    scheduler: Scheduler = None,
    only: Only = None,
    fail_on: FailOn = "open",
    accepted: options.AcceptedFile = None,
    trust_model_file: Trust = False,  # noqa: FBT002 - a flag
    dashboard: Dashboard = False,  # noqa: FBT002 - a flag
    dry_run: DryRun = False,  # noqa: FBT002 - a flag
    quiet: Quiet = False,  # noqa: FBT002 - a flag
    json_output: options.JsonFlag = False,  # noqa: FBT002 - a flag
) -> None:
    """Audit the models of a fleet file on Dask workers; the same command does what is missing."""
    from auditor.fleet import need_extra

    need_extra()
    from auditor.fleet.accepted import with_accepted
    from auditor.fleet.file import read_fleet
    from auditor.fleet.place import Place
    from auditor.fleet.run import due
    from auditor.fleet.summary import exit_code, summarise, write_summary
    from auditor.workflows.compare.accepted import read_accepted

    entries = () if accepted is None else read_accepted(accepted)
    read = read_fleet(file, fleet_options())
    check_entries(read, trust=trust_model_file)
    place = Place(output)
    todo = due(read, place, only)
    if dry_run:
        return _list(todo, as_json=json_output)
    live = _live(read, todo, quiet=quiet)
    new = _run(read, todo, place, live, workers, scheduler, trust_model_file, dashboard)
    rows = with_accepted({**todo.rows, **new}, entries, datetime.now(UTC).date())
    summary = summarise([entry.name for entry in read.entries], rows)
    text = write_summary(place, summary, rows)
    typer.echo(json.dumps(summary, ensure_ascii=False) if json_output else text)
    if any(row["outcome"] == "stopped" for row in new.values()):
        raise typer.Exit(ExitCode.INTERRUPTED)
    raise typer.Exit(exit_code(rows, fail_on))


def _list(todo: Due, *, as_json: bool) -> None:
    """Print the audits that are due."""
    lines = "\n".join(f"{name}: {why}" for name, why in todo.why.items()) or "nothing is due"
    typer.echo(json.dumps(dict(todo.why)) if as_json else lines)


def _run(
    read: Fleet,
    todo: Due,
    place: Place,
    live: Live,
    count: int,
    scheduler: str | None,
    trust: bool,  # noqa: FBT001 - passed on
    dashboard: bool,  # noqa: FBT001 - passed on
) -> dict[str, Any]:
    """Rows of the audits that are due."""
    from auditor.fleet.run import run_fleet, workers

    if not todo.why:
        return {}
    try:
        with workers(min(count, len(todo.why)), scheduler, dashboard=dashboard) as client:
            if dashboard:
                live.note(f"Dashboard: {client.dashboard_link}")
            build = build_trusted if trust else build_entry
            threads = max(1, (os.cpu_count() or 1) // count) if scheduler is None else None
            where = str(place.folder or place.where)
            return dict(run_fleet(client, read, todo, where, build, live, threads))
    finally:
        live.end()


def _live(read: Fleet, todo: Due, *, quiet: bool) -> Live:
    from auditor.fleet.live import Live

    def write(text: str) -> None:
        if not quiet:
            sys.stderr.write(text)
            sys.stderr.flush()

    money = {entry.name: entry.price_per_1000 for entry in read.entries}
    total = len(read.entries)
    return Live(write, total, len(todo.rows), money, terminal=sys.stderr.isatty())


# ---- entries --------------------------------------------------------------------------------


def fleet_options() -> Options:
    """The options of an audit, as a fleet file may set them."""
    from pydantic import TypeAdapter

    from auditor.fleet.file import OWN, Options

    kinds = {name: kind for name, kind in options.option_types().items() if name not in NOT_SET}
    kinds["sign_key"] = Path | None

    def read(place: str, name: str, value: Any) -> Any:
        return TypeAdapter(kinds[name]).validate_python(Setting(place, name, value, kinds[name])())

    def check(name: str, place: str) -> None:
        if name in NOT_SET:
            raise UsageError(f"{place} names {name!r}, which belongs to the whole fleet")
        check_name(name, place, (*kinds, *OWN))

    paths = tuple(n for n, kind in kinds.items() if Path in (kind, *typing.get_args(kind)))
    return Options(tuple(kinds), (*paths, "model", "profile"), read, check)


def check_entries(read: Fleet, *, trust: bool) -> None:
    """Refuse, before anything runs, values and descriptions that can be read here; a file that is
    missing fails its own audit only.

    Raises:
        UsageError: names the line.
    """
    from adapters.errors import TargetError
    from adapters.target import read_target, refuse_secrets
    from auditor.cli.request import chosen_settings, samples_path, spending
    from auditor.workflows.request import merge_settings

    for entry in read.entries:
        groups = _groups(entry)
        try:
            samples_path(groups["samples"])
            spending(groups["limits"])
            if groups["output"].profile is None:
                merge_settings(None, chosen_settings(groups["method"]))
            if entry.target is not None:
                refuse_secrets(dict(entry.target), entry.place)
                read_target(dict(entry.target), source=str(read.path), vouched=trust)
        except (UsageError, TargetError) as error:
            raise UsageError(f"{entry.place}: {entry.name}: {error}") from error


def _groups(entry: FleetEntry, *, trust: bool = False) -> dict[str, Any]:
    """The entry's options in their groups; by the names that a command's parameters have."""
    named = {
        "target": options.TargetOptions, "samples": options.SampleOptions,
        "method": options.MethodOptions, "limits": options.LimitOptions,
        "output": options.OutputOptions, "views": options.ViewOptions,
    }  # fmt: skip
    every = {**entry.options, "quiet": True, "trust_model_file": trust}
    return {
        name: group(**{one.name: every[one.name] for one in fields(group) if one.name in every})
        for name, group in named.items()
    }


def build_entry(entry: FleetEntry, *, trust: bool = False) -> AuditRequest:
    """The request of one entry; on a worker, where no settings file counts.

    Raises:
        UsageError: an option is missing, or a file that it names.
        TargetError: the target's description cannot work.
    """
    import dataclasses

    from auditor.cli.request import build_request
    from auditor.evidence.attest.signing import read_signer
    from auditor.report.views import view_names, view_settings

    groups = _groups(entry, trust=trust)
    views = groups.pop("views")
    stated = ({}, "") if entry.target is None else (dict(entry.target), entry.place)
    request = build_request(**groups, stated=None if groups["target"].target else stated)
    key = entry.options.get("sign_key")
    return dataclasses.replace(
        request,
        views=view_names(views.format or ()),
        shown=view_settings(views.framework or ()),
        signer=None if key is None else read_signer(key),
    )


def build_trusted(entry: FleetEntry) -> AuditRequest:
    """:func:`build_entry` for a fleet whose model files the user vouches for."""
    return build_entry(entry, trust=True)
