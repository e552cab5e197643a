"""Many audits as one: a file that lists them, workers that run them, one summary of all."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from auditor.errors import AuditError

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
    """``request`` with its model on Dask's workers if some are asked for, else as it is.

    Raises:
        AuditError: the extra is missing.
        UsageError: see :func:`auditor.fleet.replicas.replicated`.
    """
    if count is None and scheduler is None:
        return contextlib.nullcontext(request)
    need_extra()
    from auditor.fleet.replicas import replicated  # noqa: PLC0415 - needs the extra

    return replicated(request, count, scheduler)
