"""Settings files: ``./xray-audit.toml`` over the user's own file.

Precedence: flag > ``XRAY_AUDIT_*`` > ``./xray-audit.toml`` > user file.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from auditor.errors import UsageError

PROJECT_FILE = Path("xray-audit.toml")
SECRET_WORDS = ("key", "token", "secret", "password")


def user_file() -> Path:
    """The user's own settings file."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "xray-audit" / "config.toml"


def read_settings(known: Collection[str]) -> dict[str, Any]:
    """Settings of both files, by option name with underscores; the project's file wins.

    Args:
        known: option names that may be set.

    Raises:
        UsageError: a file is not TOML, or names an unknown option or a secret.
    """
    merged: dict[str, Any] = {}
    for path in (user_file(), PROJECT_FILE):
        if path.is_file():
            merged.update(_read(path, known))
    return merged


def _read(path: Path, known: Collection[str]) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"settings file {path} cannot be read: {error}") from error
    values = {str(name).replace("-", "_"): value for name, value in table.items()}
    for name in values:
        if any(word in name.split("_") for word in SECRET_WORDS):
            raise UsageError(
                f"settings file {path} holds {name!r}: secrets never go into a file that is "
                "shared; put the key into the environment variable XRAY_AUDIT_API_KEY"
            )
        if name not in known:
            raise UsageError(f"settings file {path} names {name!r}, which is no option")
    return values
