"""``xray-audit`` and ``python -m auditor``: one sentence and an exit code for every failure.

A Python program that dies of an exception exits with 1, which here means "backdoor suspected".
So everything, imports included, runs under one guard.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import traceback
from dataclasses import fields

from adapters.errors import AdapterError, TargetError
from auditor.errors import AuditError, ExitCode

DEBUG = "XRAY_AUDIT_DEBUG"


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(_guarded())


def _guarded() -> int:
    try:
        _run()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.USAGE
    except BaseException as error:  # noqa: BLE001 - a sentence and a code, whatever happened
        if os.environ.get(DEBUG):
            traceback.print_exc()
        code, message = explain(error)
        sys.stderr.write(f"xray-audit: error: {message}\n")
        return code
    return ExitCode.NO_EVIDENCE


def _run() -> None:
    cli = importlib.import_module("auditor.cli")
    options = importlib.import_module("auditor.options")
    settings = importlib.import_module("auditor.settings")
    values = settings.read_settings(
        {field.name for group in options.GROUPS for field in fields(group)}
    )
    commands = ("plan", "check", "calibrate", "cohort")
    cli.app(default_map={**values, **dict.fromkeys(commands, values)})


def explain(error: BaseException) -> tuple[ExitCode, str]:
    """The exit code and the one sentence for a failure."""
    if isinstance(error, (KeyboardInterrupt, asyncio.CancelledError)):
        return ExitCode.INTERRUPTED, "stopped; what was answered is saved, run it again to go on"
    if isinstance(error, AuditError):
        return error.exit_code, str(error)
    if isinstance(error, TargetError):
        return ExitCode.USAGE, str(error)
    if isinstance(error, AdapterError):
        return ExitCode.FAILED, str(error)
    kind = type(error).__name__
    return ExitCode.FAILED, f"unexpected {kind}: {error} (a bug; {DEBUG}=1 shows where)"


if __name__ == "__main__":
    main()
