"""Settings files: ``./xray-audit.toml`` over the user's own file.

Precedence: flag > ``XRAY_AUDIT_*`` > ``./xray-audit.toml`` > user file.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from auditor.errors import UsageError, did_you_mean

PROJECT_FILE = Path("xray-audit.toml")
_ENV = "XRAY_AUDIT_"
_OTHERS = frozenset(
    (
        "accepted",
        "adapters",
        "api_key",
        "debug",
        "fail_on",
        "scratch",
        "sign_key",
        "sign_passphrase",
    )
)
"""Variables that are no option of every command."""
SECRET_WORDS = ("key", "token", "secret", "password")
FLAG_ONLY = ("trust_model_file",)
"""A folder may come from another party, with a settings file: it must not vouch for its model."""


def user_file() -> Path:
    """The user's own settings file."""
    # expanduser keeps "~" if the system knows no home; such a file is then not there.
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - Path.home() raises
    return Path(base) / "xray-audit" / "config.toml"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value of a settings file, which the command line's parser calls if a command needs it.

    Attributes:
        place: the file and the line.
        name: name of the option.
        value: as TOML gives it.
        kind: type of the option.
    """

    place: str
    name: str
    value: Any
    kind: Any

    def __str__(self) -> str:
        """The value as it would be typed after its flag."""
        if isinstance(self.value, bool):
            return str(self.value).lower()
        parts = self.value if isinstance(self.value, list) else [self.value]
        return ",".join(str(part) for part in parts)

    def __call__(self) -> str | list[str]:
        """The value as it would be typed after its flag, so that both are read alike; a list if
        the option may be given several times.

        Raises:
            UsageError: the option does not take it.
        """
        # Here, so that --help and a misspelt option are answered without it.
        from pydantic import TypeAdapter, ValidationError

        parts = self.value if isinstance(self.value, list) else [self.value]
        if not parts or not all(isinstance(part, int | float | str) for part in parts):
            raise UsageError(
                f"{self.place}: {self.name} is {self.value!r}, which is no value of an option"
            )
        typed = str(self).split(",") if list[str] in get_args(self.kind) else str(self)
        try:
            TypeAdapter(self.kind).validate_python(typed)
        except ValidationError as error:
            wanted = error.errors()[0]["msg"].removeprefix("Input should be ").partition(", ")[0]
            raise UsageError(
                f"{self.place}: {self.name} is {self.value!r}, it must be {wanted}"
            ) from None
        return typed


def read_settings(known: Mapping[str, Any]) -> dict[str, Setting]:
    """Settings of both files, by option name with underscores; the project's file wins.

    Args:
        known: options that may be set, with their types.

    Raises:
        UsageError: a file is not TOML, or names an unknown option or a secret.
    """
    merged: dict[str, Setting] = {}
    for path in (user_file(), PROJECT_FILE):
        if _is_there(path):
            merged.update(_read(path, known))
    _check_environment(known)
    return merged


def _check_environment(known: Mapping[str, Any]) -> None:
    """Refuse a variable whose name is nearly an option's: it would be passed over in silence."""
    set_here = {name[len(_ENV) :].lower() for name in os.environ if name.startswith(_ENV)}
    for unknown in sorted(set_here - set(known) - _OTHERS):
        import difflib  # only a slip of the pen needs it

        for near in difflib.get_close_matches(unknown, known, n=1, cutoff=0.8):
            raise UsageError(
                f"{_ENV}{unknown.upper()} sets no option; did you mean {_ENV}{near.upper()}?"
            )


def described_target() -> tuple[Path, dict[str, Any]] | None:
    """The ``[target]`` table of the settings and the file it stands in; the project's file wins.

    Raises:
        UsageError: a file is not TOML.
    """
    for path in (PROJECT_FILE, user_file()):
        table = _parse(path)[0].get("target") if _is_there(path) else None
        if isinstance(table, dict):
            return path, table
    return None


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # another user's home, after sudo or in a container
        return False


def _parse(path: Path) -> tuple[dict[str, Any], str]:
    """The file's table and its text."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        return tomllib.loads(text), text
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"settings file {path} cannot be read: {error}") from error


def _read(path: Path, known: Mapping[str, Any]) -> dict[str, Setting]:
    table, text = _parse(path)
    found = {}
    for key, value in table.items():
        if key == "target" and isinstance(value, dict):
            continue  # a target description, read if the command line names none
        name, place = key.replace("-", "_"), f"settings file {path}{_line(text, key)}"
        check_name(name, place, known)
        found[name] = Setting(place, name, value, known[name])
    return found


def _line(text: str, key: str) -> str:
    """The line of a top-level key in words; empty if the key is spelled with escapes."""
    found = re.search(
        rf"""^[ \t]*\[?[ \t]*["']?{re.escape(key)}["']?[ \t]*[=.\]]""", text, re.MULTILINE
    )
    return "" if found is None else f" (line {text.count(chr(10), 0, found.start()) + 1})"


def check_name(name: str, place: str, known: Collection[str]) -> None:
    """Refuse a setting that is no option, or may not stand in a file.

    Raises:
        UsageError: it is; names the place and a near option.
    """
    if any(word in name.lower().split("_") for word in SECRET_WORDS):
        raise UsageError(
            f"{place} holds {name!r}: secrets never go into a file that is shared; put the key "
            "into the environment variable XRAY_AUDIT_API_KEY"
        )
    if name in FLAG_ONLY:
        flag = "--" + name.replace("_", "-")
        raise UsageError(f"{place} holds {name!r}: only the flag {flag} may say so")
    if name not in known:
        hint = did_you_mean(name, known)
        raise UsageError(f"{place} names {name!r}, which is no option{hint}")
