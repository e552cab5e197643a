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
FLAG_ONLY = ("trust_model_file",)
"""A folder may come from another party, with a settings file: it must not vouch for its model."""


def user_file() -> Path:
    """The user's own settings file."""
    # expanduser keeps "~" if the system knows no home; such a file is then not there.
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - Path.home() raises
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
        if _is_there(path):
            merged.update(_read(path, known))
    return merged


def described_target() -> tuple[Path, dict[str, Any]] | None:
    """The ``[target]`` table of the settings and the file it stands in; the project's file wins.

    Raises:
        UsageError: a file is not TOML.
    """
    for path in (PROJECT_FILE, user_file()):
        table = _parse(path).get("target") if _is_there(path) else None
        if isinstance(table, dict):
            return path, table
    return None


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # another user's home, after sudo or in a container
        return False


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"settings file {path} cannot be read: {error}") from error


def _read(path: Path, known: Collection[str]) -> dict[str, Any]:
    values = {str(name).replace("-", "_"): value for name, value in _parse(path).items()}
    if isinstance(values.get("target"), dict):
        del values["target"]  # a target description, read if the command line names none
    for name in values:
        if any(word in name.lower().split("_") for word in SECRET_WORDS):
            raise UsageError(
                f"settings file {path} holds {name!r}: secrets never go into a file that is "
                "shared; put the key into the environment variable XRAY_AUDIT_API_KEY"
            )
        if name in FLAG_ONLY:
            flag = "--" + name.replace("_", "-")
            raise UsageError(
                f"settings file {path} holds {name!r}: only the flag {flag} may say so"
            )
        if name not in known:
            raise UsageError(f"settings file {path} names {name!r}, which is no option")
    return {name: _as_typed(path, name, value) for name, value in values.items()}


def _as_typed(path: Path, name: str, value: Any) -> str:
    """The value as it would be typed after its flag, so that both are checked alike."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and value and all(isinstance(v, int | float | str) for v in value):
        return ",".join(str(item) for item in value)
    if isinstance(value, int | float):
        return str(value)
    raise UsageError(f"settings file {path}: {name} is {value!r}, which is no value of an option")
