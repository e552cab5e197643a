"""A failed audit in one sentence, where another one goes on."""

from __future__ import annotations

from adapters.errors import AdapterError, TargetError
from adapters.secrets import without_secrets
from auditor.errors import AuditError, ExitCode


def explained(error: Exception) -> tuple[int, str]:
    """The exit code and the sentence that the command line ends with on ``error``."""
    text = " ".join(without_secrets(str(error)).split())
    if isinstance(error, AuditError):
        return int(error.exit_code), text
    if isinstance(error, AdapterError):
        wrong = isinstance(error, TargetError)
        return int(ExitCode.USAGE if wrong else ExitCode.FAILED), text
    return int(ExitCode.FAILED), f"unexpected {type(error).__name__}: {text} (a bug)"
