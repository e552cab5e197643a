"""The machine and the versions that a page's figures were measured with."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

LIBRARIES = ("numpy", "aiohttp", "httpx", "onnxruntime", "pillow")


def machine() -> str:
    """One line: processor, cores, system, Python and libraries."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    processor = names[0] if names else platform.processor()
    python = f"Python {platform.python_version()}"
    return f"{processor}, {os.cpu_count()} cores, {platform.system()}, {python}, {versions}"
