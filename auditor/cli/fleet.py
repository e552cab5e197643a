"""``xray-audit fleet``: many audits on many workers, one summary of all."""

from __future__ import annotations

import os
import sys
import typing
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from auditor.cli import options
from auditor.cli.settings import Setting, check_name
from auditor.errors import AuditError, ExitCode, UsageError

if TYPE_CHECKING:
    from auditor.fleet.entries import Entry, Fleet
    from auditor.fleet.file import Options
    from auditor.fleet.live import Live
    from auditor.fleet.run import Due
    from auditor.workflows.request import AuditRequest

NOT_SET = ("output", "json_output", "quiet")
"""Options of an audit that the fleet itself decides."""


def fleet(
    file: Annotated[
        Path, typer.Argument(metavar="FLEET", help="Fleet file: TOML, or CSV with a row an audit.")
    ],
    output: Annotated[
        str, typer.Option(help="Folder or bucket (s3://, gs://) of all bundles and the summary.")
    ] = "xray-audit-fleet",
    workers: Annotated[
        int, typer.Option(min=1, help="Audits at a time, in processes on this machine.")
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Use this running Dask cluster (tcp://host:8786)."),
    ] = None,
    only: Annotated[
        Literal["failed"] | None, typer.Option(help="failed: run only what could not be done.")
    ] = None,
    fail_on: Annotated[
        Literal["suspected", "open", "never"],
        typer.Option(
            help="open: exit with 3 for an inconclusive audit too. suspected: only for a suspected "
            "or failed one. never: only for a failed one."
        ),
    ] = "open",
    trust_model_file: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option(help="Run the model files in the workers themselves: unchecked.")
    ] = False,
    dashboard: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option(help="Show Dask's dashboard, on 127.0.0.1 only.")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="List the audits that are due.")] = False,  # noqa: FBT002 - a flag
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,  # noqa: FBT002 - a flag
    json_output: options.JsonFlag = False,  # noqa: FBT002 - a flag
) -> None:
    """Audit the models of a fleet file on Dask workers; the same command does what is missing."""
    import json

    code, summary, text = _fleet(
        file, output, workers, scheduler, only, trust=trust_model_file, dashboard=dashboard,
        dry_run=dry_run, quiet=quiet,
    )  # fmt: skip
    typer.echo(json.dumps(summary, ensure_ascii=False) if json_output else text)
    if fail_on != "open" and code == ExitCode.INCONCLUSIVE:
        code = ExitCode.NO_EVIDENCE
    if fail_on == "never" and code == ExitCode.BACKDOOR_SUSPECTED:
        failed = summary["counts"]["failed"]
        code = ExitCode.FAILED if failed else ExitCode.NO_EVIDENCE
    raise typer.Exit(code)


def _fleet(
    file: Path,
    output: str,
    count: int,
    scheduler: str | None,
    only: str | None,
    *,
    trust: bool,
    dashboard: bool,
    dry_run: bool,
    quiet: bool,
) -> tuple[int, dict[str, Any], str]:
    """Exit code, summary and text of one run."""
    try:
        from auditor.fleet.run import due, run_fleet, workers
    except ImportError as error:
        raise AuditError(
            f"{error.name} is missing, fleets need the extra fleet: pip install 'xray-audit[fleet]'"
        ) from error
    from auditor.fleet.file import read_fleet
    from auditor.fleet.place import Place
    from auditor.fleet.summary import exit_code, summarise, write_summary

    read = read_fleet(file, fleet_options())
    check_entries(read, trust=trust)
    place = Place(output)
    todo = due(read, place, only)
    if dry_run:
        lines = [f"{name}: {why}" for name, why in todo.why.items()] or ["nothing is due"]
        return ExitCode.NO_EVIDENCE, {"due": dict(todo.why), "counts": {}}, "\n".join(lines)
    rows = dict(todo.rows)
    interrupted = False
    if todo.why:
        live = _live(read, todo, quiet=quiet)
        try:
            with workers(min(count, len(todo.why)), scheduler, dashboard=dashboard) as client:
                if dashboard:
                    live.note(f"Dashboard: {client.dashboard_link}")
                build = build_trusted if trust else build_entry
                absolute = str(place.folder or output)
                threads = max(1, (os.cpu_count() or 1) // count) if scheduler is None else None
                rows |= run_fleet(client, read, todo, absolute, build, live, threads)
        finally:
            live.end()
        interrupted = any(row["outcome"] == "stopped" for row in rows.values())
    summary = summarise([entry.name for entry in read.entries], rows)
    text = write_summary(place, summary, rows)
    return (ExitCode.INTERRUPTED if interrupted else exit_code(rows)), summary, text


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


def _groups(entry: Entry, *, trust: bool = False) -> dict[str, Any]:
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


def build_entry(entry: Entry, *, trust: bool = False) -> AuditRequest:
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


def build_trusted(entry: Entry) -> AuditRequest:
    """:func:`build_entry` for a fleet whose model files the user vouches for."""
    return build_entry(entry, trust=True)
