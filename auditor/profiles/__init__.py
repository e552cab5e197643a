"""Reference profiles: those that ship with the package, by name, and any file by path."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from auditor.calibration import Profile, profile_from_dict
from auditor.errors import ProfileError


def shipped_profiles() -> list[str]:
    """Names that :func:`load_profile` knows without a file."""
    folder = resources.files(__name__)
    return sorted(
        entry.name.removesuffix(".json")
        for entry in folder.iterdir()
        if entry.name.endswith(".json")
    )


def load_profile(name_or_path: str) -> Profile:
    """Load a shipped profile by name, or a profile file by path.

    Raises:
        ProfileError: unknown, unreadable, not JSON, or damaged.
    """
    try:
        if name_or_path in shipped_profiles():
            text = resources.files(__name__).joinpath(f"{name_or_path}.json").read_text("utf-8")
        else:
            text = Path(name_or_path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        known = ", ".join(shipped_profiles())
        raise ProfileError(
            f"there is no profile {name_or_path!r}: not a file, and not one of {known}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"profile {name_or_path} cannot be read: {error}") from error
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ProfileError(f"profile {name_or_path} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ProfileError(f"profile {name_or_path} is not a JSON object")
    return profile_from_dict(data)


def save_profile(profile: Profile, path: Path) -> None:
    """Write ``profile`` as JSON."""
    text = json.dumps(profile.as_dict(), indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
