"""xray-audit: does an image classifier carry a backdoor, judged from hard labels alone."""

from __future__ import annotations

import sys
from importlib import metadata

FOREIGN_ADAPTERS = (
    "the PyPI package 'adapters' is installed here; it overwrites this tool's own 'adapters' "
    "package, so nothing it reports could be trusted: install xray-audit into an environment "
    "of its own (pipx install xray-audit, or a new venv)"
)


def _refuse_foreign_adapters() -> None:
    """Refuse to start beside an unrelated distribution that installs the same import name.

    Raises:
        ImportError: as a library. As a command it prints the sentence and exits with 2.
    """
    try:
        metadata.distribution("adapters")
    except metadata.PackageNotFoundError:
        import adapters  # noqa: PLC0415 - only safe to look at after the check above

        if getattr(adapters, "XRAY_AUDIT_ADAPTERS", False):
            return
    started_as_command = any("xray-audit" in arg or arg == "auditor" for arg in sys.orig_argv[:4])
    if started_as_command:
        sys.stderr.write(f"xray-audit: error: {FOREIGN_ADAPTERS}\n")
        raise SystemExit(2)
    raise ImportError(FOREIGN_ADAPTERS)


_refuse_foreign_adapters()

try:
    __version__ = metadata.version("xray-audit")
except metadata.PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
