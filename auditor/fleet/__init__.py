"""Many audits as one: a file that lists them, workers that run them, one summary of all."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from auditor.errors import AuditError, UsageError

if TYPE_CHECKING:
    from auditor.workflows.request import AuditRequest


def need_extra() -> None:
    """Raise an AuditError if the libraries of the extra ``fleet`` are missing."""
    try:
        import distributed  # noqa: F401, PLC0415 - an extra
        import fsspec  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise AuditError(
            f"{error.name} is missing, workers need the extra fleet: "
            "pip install 'xray-audit[fleet]'"
        ) from error


def on_workers(
    request: AuditRequest, count: int | None, scheduler: str | None
) -> contextlib.AbstractContextManager[AuditRequest]:
    """``request`` with its model in ``count`` processes here, on the workers of the running Dask
    cluster at ``scheduler``, or as it is if neither is asked for.

    Raises:
        AuditError: the extra that Dask comes with is missing.
        UsageError: it is no model file, no worker answers, or both are asked for.
    """
    if scheduler is None:
        if count is None:
            return contextlib.nullcontext(request)
        from auditor.fleet.side_by_side import in_processes  # noqa: PLC0415 - few audits need it

        return in_processes(request, count)
    if count is not None:
        raise UsageError("--workers starts processes here, --scheduler uses running ones: drop one")
    need_extra()
    from auditor.fleet.replicas import on_cluster  # noqa: PLC0415 - needs the extra

    return on_cluster(request, scheduler)
