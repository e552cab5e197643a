"""``xray-audit`` and ``python -m auditor``: one sentence and an exit code for every failure.

A Python program that dies of an exception exits with 1, which here means "backdoor suspected".
So everything, imports included, runs under one guard, and only a verdict may return 1.
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import io
import os
import re
import shlex
import sys
import traceback
from pathlib import Path
from typing import TextIO, cast

from auditor.errors import AuditError, ExitCode, did_you_mean

DEBUG = "XRAY_AUDIT_DEBUG"
COMPLETING, COMPLETION = "_XRAY_AUDIT_COMPLETE", {"--install-completion", "--show-completion"}
_PR_SET_DUMPABLE = 4
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


def main() -> None:
    """Run the command line and exit with its code."""
    harden_process()
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # A legacy code page lacks some letters: better a question mark than no report.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.exit(_guarded())


def _open_closed_streams() -> None:
    """Give the streams that the caller closed (``>&-``) an end, as Python leaves them out."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, _nowhere(mode))


def _nowhere(mode: str) -> TextIO:
    return cast("TextIO", Path(os.devnull).open(mode, encoding="utf-8"))


def _guarded() -> int:
    try:
        code = _run()
        sys.stdout.flush()  # a disk that is full must not show in Python's own exit code
        return code
    except BaseException as error:  # noqa: BLE001 - a sentence and a code, whatever happened
        if os.environ.get(DEBUG):
            _complain(traceback.format_exc())
        code, message = explain(error)
        if message:
            # Labels that are still to come, or a quota, are no error.
            kind = "" if code == ExitCode.COME_BACK else "error: "
            _complain(f"xray-audit: {kind}{_one_line(_hidden(message))}\n")
        return code


def _complain(text: str) -> None:
    """Write ``text`` without the key to the error stream; where that fails, the exit code tells."""
    try:
        sys.stderr.write(_hidden(text))
        sys.stderr.flush()
    except OSError:
        sys.stderr = _nowhere("w")


def _run() -> int:
    cli = importlib.import_module("auditor.cli.main")
    options = importlib.import_module("auditor.cli.options")
    settings = importlib.import_module("auditor.cli.settings")
    values = settings.read_settings(options.option_types())
    commands = ("audit", "plan", "check", "calibrate", "cohort", "report")
    # Left to itself, typer ends an interrupted or piped run with 1, as if a backdoor was found.
    try:
        code = cli.app(
            prog_name="xray-audit",
            standalone_mode=False,
            default_map={**values, **dict.fromkeys(commands, values)},
        )
    except SystemExit as error:
        # Typer leaves the program so once it has answered the shell or set it up.
        if error.code == 0 and (COMPLETING in os.environ or COMPLETION & set(sys.argv)):
            return ExitCode.NO_EVIDENCE
        raise
    return code if isinstance(code, int) else ExitCode.NO_EVIDENCE


def explain(error: BaseException) -> tuple[int, str]:
    """The exit code and the one sentence for a failure; no sentence if none is needed."""
    if isinstance(error, KeyboardInterrupt) or _is_cancelled(error):
        again = shlex.join(["xray-audit", *sys.argv[1:]])
        said = "stopped; what was answered is saved, run it again to go on"
        return ExitCode.INTERRUPTED, f"{said}: {again}"
    if isinstance(error, AuditError):
        return error.exit_code, str(error)
    if isinstance(error, SystemExit):
        # typer raises it when the reader of the output is gone; anything printed would fail again.
        return ExitCode.FAILED, ""
    wrong_usage = getattr(error, "format_message", None)
    if wrong_usage is not None:
        return ExitCode.USAGE, _usage_message(error, wrong_usage())
    if isinstance(error, ImportError):
        return ExitCode.FAILED, f"this installation is incomplete: {error}"
    return _explain_other(error)


def _usage_message(error: BaseException, message: str) -> str:
    """The parser's sentence, with the nearest option or value where one was mistyped."""
    more = "(xray-audit --help-all lists every option)"
    near = getattr(error, "possibilities", None)  # the nearest first
    if near:
        return f"{getattr(error, 'message', message)}; did you mean {near[0]}? {more}"
    message = message.replace(": Value error, ", ": ")
    choice = re.search(r"'([^']*)' is not one of (.*)\.$", message)
    hint = did_you_mean(choice[1], re.findall(r"'([^']+)'", choice[2])) if choice else ""
    return f"{message.removesuffix('.') if hint else message}{hint} {more}"


def _is_cancelled(error: BaseException) -> bool:
    """True for asyncio's cancellation; where it was not loaded, nothing was cancelled."""
    loaded = sys.modules.get("asyncio")
    return loaded is not None and isinstance(error, loaded.CancelledError)


def _explain_other(error: BaseException) -> tuple[int, str]:
    # Not at the top: it needs numpy, and a missing numpy deserves its sentence too.
    adapters = importlib.import_module("adapters.errors")
    if isinstance(error, adapters.TargetError):
        return ExitCode.USAGE, str(error)
    if isinstance(error, adapters.AdapterError):
        return ExitCode.FAILED, str(error)
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        place = error.filename or "the output"
        return ExitCode.FAILED, f"{place} cannot be written: {error.strerror}; free some space"
    kind = type(error).__name__
    return ExitCode.FAILED, f"unexpected {kind}: {error} (a bug; {DEBUG}=1 shows where)"


def _hidden(text: str) -> str:
    """``text`` without the key, which a server can bring into any error."""
    # Unless it was imported, no key was read; importing it here might be what failed.
    secrets = sys.modules.get("adapters.secrets")
    return text if secrets is None else str(secrets.without_secrets(text))


def _one_line(message: str) -> str:
    """File names and replies inside a message may hold line breaks and escape sequences."""
    plain = "".join(c if c.isprintable() else " " for c in message)
    return " ".join(plain.split())


def harden_process() -> None:
    """Disable core dumps and, on Linux, reading this process's memory: it holds the user's key.

    On a system without these limits the audit goes on: they are a second line of defence.
    """
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform == "linux":
        # A core pattern that pipes to a program ignores the limit; this it does not.
        zero = ctypes.c_ulong(0)
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, zero, zero, zero, zero)


if __name__ == "__main__":
    main()
