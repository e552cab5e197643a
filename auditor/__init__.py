"""xray-audit: does an image classifier carry a backdoor, judged from hard labels alone."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from auditor.api.audit import audit, audit_async
    from auditor.api.report import AuditInterrupted, AuditReport, load
    from auditor.errors import (
        AuditError,
        EvidenceError,
        LabelsPending,
        ProfileError,
        SamplesError,
        StoreError,
        UsageError,
    )

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
    if not _is_foreign():
        return
    if _started_as_command():
        sys.stderr.write(f"xray-audit: error: {FOREIGN_ADAPTERS}\n")
        raise SystemExit(2)
    raise ImportError(FOREIGN_ADAPTERS)


def _is_foreign() -> bool:
    """True if ``import adapters`` would give another package; it is found, not imported."""
    # By file names, as importlib.metadata does, which takes longer to load than all the rest.
    if any(_holds_distribution(entry or ".") for entry in sys.path):
        return True
    spec = importlib.util.find_spec("adapters")
    ours = Path(__file__).resolve().parent.parent / "adapters" / "__init__.py"
    if spec is None or spec.origin is None or Path(spec.origin).resolve() != ours:
        return True
    return b"XRAY_AUDIT_ADAPTERS = True" not in ours.read_bytes()


def _holds_distribution(folder: str) -> bool:
    """True if ``folder`` holds the metadata of an installed distribution named adapters."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a Path for each file would cost more
    except OSError:  # a zip, or not there
        return False
    return any(
        name.lower().startswith(("adapters-", "adapters.egg-info"))
        and name.endswith((".dist-info", ".egg-info"))
        for name in names
    )


def _started_as_command() -> bool:
    """True for ``xray-audit`` and ``python -m auditor``: an ImportError would end those
    with 1, which means "backdoor suspected".
    """
    program = sys.argv[0] if sys.argv else ""
    module = program == "-m" and "auditor" in sys.orig_argv
    return module or Path(program).stem == "xray-audit"


_refuse_foreign_adapters()

__all__ = [
    "AuditError", "AuditInterrupted", "AuditReport", "EvidenceError", "LabelsPending",
    "ProfileError", "SamplesError", "StoreError", "UsageError", "__version__", "audit",
    "audit_async", "load",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load version and Python API when they are first used: the command line need not pay."""
    if name == "__version__":
        return _version()
    if name in __all__:
        errors = importlib.import_module("auditor.errors")
        found = getattr(errors, name, None)
        return found or getattr(importlib.import_module("auditor.api.audit"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _version() -> str:
    metadata = importlib.import_module("importlib.metadata")
    try:
        return str(metadata.version("xray-audit"))
    except metadata.PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
