"""Values that the shell completes, read from file names: nothing heavy is imported for a key."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

VIEWS = (
    "html", "markdown", "summary", "summary-html", "sarif", "junit", "cyclonedx", "pdf", "json",
)  # fmt: skip
FRAMEWORKS = ("eu-ai-act", "nist-ai-rmf", "mitre-atlas", "owasp-ml", "iso-42001")


def preset_names() -> list[str]:
    """Names of the shipped presets."""
    return _stems("adapters", "target", "presets", ending=".toml")


def profile_names() -> list[str]:
    """Names of the shipped profiles; the shell adds files where none of them fits."""
    return _stems("auditor", "verdict", "profiles", ending=".json")


def _stems(package: str, *folders: str, ending: str) -> list[str]:
    place = resources.files(package).joinpath(*folders)
    names = {one.name for one in place.iterdir() if one.name.endswith(ending)}
    return sorted({name.split(".")[0] for name in names})


NAMES: dict[str, Callable[[], list[str]]] = {
    "preset": preset_names,
    "profile": profile_names,
    "format": lambda: list(VIEWS),
    "framework": lambda: list(FRAMEWORKS),
    "device": lambda: ["cpu", "cuda", "tensorrt"],
}


def completions(option: str) -> Callable[[str], list[str]] | None:
    """A function for typer that completes the values of ``option``; None if typer knows them."""
    names = NAMES.get(option)
    if names is None:
        return None

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [before + comma + name for name in names() if name.startswith(last)]

    return complete
