"""From options to a request; nothing is opened here."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from auditor.cli import options
from auditor.cli.output import make_progress
from auditor.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.target import Target
    from auditor.engine.progress import Progress
    from auditor.samples.samples import Samples
    from auditor.workflows.request import AuditRequest, Spending


def build_request(
    target: options.TargetOptions,
    samples: options.SampleOptions,
    method: options.MethodOptions,
    limits: options.LimitOptions,
    output: options.OutputOptions,
    stated: tuple[dict[str, Any], str] | None = None,
) -> AuditRequest:
    """The audit that the options ask for, of the target ``stated`` if they name none.

    A note names a target that the command line does not.

    Raises:
        UsageError: an option is missing, out of its range, or does not go with another.
        TargetError: the target's description cannot work.
    """
    from auditor.cli.target_options import build_target
    from auditor.workflows.profiles import load_profile
    from auditor.workflows.request import AuditRequest, merge_settings
    from auditor.workflows.targets import locate

    progress = make_progress(output, limits.price_per_1000)
    described = build_target(target, stated)
    if described.source and target.target is None:
        where = described.location.split("?")[0]
        progress.note(f"Target: {where}, as {described.source} describes it.")
    note_proxy(described, progress)
    given = read_samples(samples, progress, described)
    located = locate(described, given)
    profile = load_profile(output.profile, located.access) if output.profile else None
    return AuditRequest(
        target=located,
        samples=given,
        settings=merge_settings(profile, chosen_settings(method)),
        output=output.output,
        profile=profile,
        limits=spending(limits).limits(located),
        progress=progress,
    )


def note_proxy(target: Target, progress: Progress) -> None:
    """Say so if the environment names a proxy that requests to ``target`` pass by."""
    if target.kind == "http":
        from adapters.http.transport.proxy import unused_proxy

        unused = unused_proxy(target)
        if unused:
            progress.note(unused)


def chosen_settings(method: options.MethodOptions) -> dict[str, Any]:
    """The settings that the user chose, by name."""
    return {k: v for k, v in dataclasses.asdict(method).items() if v is not None}


def spending(limits: options.LimitOptions) -> Spending:
    """The limits that the user sets.

    Raises:
        UsageError: one of them is out of its range.
    """
    from auditor.workflows.request import Spending

    per_1000 = limits.price_per_1000
    if per_1000 is not None and not 0 <= per_1000 < float("inf"):
        raise UsageError(f"--price-per-1000 is {per_1000}, it must be a number of at least 0")
    flagged = Spending(limits.max_queries, limits.rate, limits.request_rate, limits.concurrency)
    return flagged.checked(lambda name: f"--{name.replace('_', '-')}")


def read_samples(
    given: options.SampleOptions, progress: Progress, described: Target | None = None
) -> Samples:
    """The clean samples, in the way that the options or the target's description state; a line
    for everything that was changed or left out.

    Raises:
        UsageError: none are named, or they cannot be used.
    """
    from auditor.cli.target_options import framing_of
    from auditor.samples.load import load_samples

    names = ("shape", "fit", "background") if described is not None else ()
    stated = {name: getattr(described, name) for name in names}
    size, fit, background = framing_of(given, stated)
    samples = load_samples(samples_path(given), size, fit or "squash", background)
    for note in samples.notes:
        progress.note(note)
    return samples


def samples_path(given: options.SampleOptions) -> Path:
    """The place of the clean samples.

    Raises:
        UsageError: none is named.
    """
    if given.samples is None:
        raise UsageError("name the clean samples with --samples (a folder or an .npz file)")
    return given.samples
