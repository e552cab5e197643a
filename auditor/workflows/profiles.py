"""Reference profiles: those that ship with the package, by name, and any file by path."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from adapters.file_kind import why_unreadable
from auditor.errors import ProfileError, did_you_mean
from auditor.verdict.profile import Profile, profile_from_dict


def shipped_profiles() -> list[str]:
    """Names that :func:`load_profile` knows without a file."""
    return sorted({name.split(".")[0] for name in _files()})


def _files() -> list[str]:
    folder = resources.files("auditor.verdict") / "profiles"
    return [entry.name for entry in folder.iterdir() if entry.name.endswith(".json")]


def load_profile(name_or_path: str, access: str = "float") -> Profile:
    """Load a shipped profile by name, or a profile file by path.

    A shipped name stands for one profile per access mode (``NAME.float.json``,
    ``NAME.image.json``) or for a published one (``NAME.json``).

    Raises:
        ProfileError: unknown, unreadable, not JSON, damaged, or not made in ``access``.
    """
    if name_or_path in shipped_profiles():
        return _parse(name_or_path, _shipped_text(name_or_path, access))
    try:
        text = Path(name_or_path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        known, hint = ", ".join(shipped_profiles()), did_you_mean(name_or_path, shipped_profiles())
        raise ProfileError(
            f"there is no profile {name_or_path!r}: not a file, and not one of {known}{hint}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        why = why_unreadable(Path(name_or_path), error)
        raise ProfileError(f"profile {name_or_path} cannot be read: {why}") from error
    return _parse(name_or_path, text)


def _shipped_text(name: str, access: str) -> str:
    files = _files()
    for candidate in (f"{name}.{access}.json", f"{name}.json"):
        if candidate in files:
            return (resources.files("auditor.verdict") / "profiles" / candidate).read_text("utf-8")
    raise ProfileError(f"profile {name!r} was not made in access mode {access!r}")


def _parse(name: str, text: str) -> Profile:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        why = why_unreadable(Path(name), error)
        raise ProfileError(f"profile {name} is not JSON: {why}") from error
    if not isinstance(data, dict):
        raise ProfileError(f"profile {name} is not a JSON object")
    return profile_from_dict(data)


def save_profile(profile: Profile, path: Path) -> None:
    """Write ``profile`` as JSON."""
    text = json.dumps(profile.as_dict(), indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
