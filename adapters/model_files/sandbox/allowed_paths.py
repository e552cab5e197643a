"""Surroundings of a model file's process: folders to read, an import path, an environment."""

from __future__ import annotations

import glob
import importlib.util
import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from adapters.model_files.sandbox.sandbox import AllowedPaths

ENVIRONMENT = (
    "CUDA_VISIBLE_DEVICES",
    "KMP_AFFINITY",
    "LD_LIBRARY_PATH",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "OPENBLAS_NUM_THREADS",
)
"""Variables handed on if they are set. All others, keys among them, stay behind."""

_FIXED = {
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin beside other processes wait for their own
    "TORCHINDUCTOR_CACHE_DIR": "/",  # must exist; nothing can be written to it
    "USER": "nobody",
}

_SYSTEM = (
    "/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib",
    "/nix/store", "/etc/ld.so.cache", "/dev/null", "/dev/urandom", "/dev/zero", "/proc/cpuinfo",
    "/proc/meminfo", "/proc/self", "/sys/devices/system/cpu", "/sys/devices/system/node",
)  # fmt: skip
"""Shared libraries, and what runtimes ask about the processor."""

_GPU_READ = (
    "/proc/devices", "/proc/driver/nvidia", "/proc/modules", "/proc/sys/vm", "/proc/version",
    "/sys/bus/pci", "/sys/class", "/sys/devices", "/sys/module", "/usr/local/cuda",
    "/usr/local/nvidia", "/usr/share/nvidia",
)  # fmt: skip
_GPU_USE = ("/dev/nvidia*", "/dev/nvidia-caps", "/proc/self/task")
"""Devices of the driver, and the thread names that CUDA writes while it starts."""


@dataclass(frozen=True)
class ProcessEnvironment:
    """Paths, ``sys.path`` and all environment variables of a process that runs a model file."""

    paths: AllowedPaths
    import_path: tuple[str, ...]
    variables: dict[str, str]


def environment_for(packages: tuple[str, ...], *, gpu: bool) -> ProcessEnvironment:
    """The surroundings of a runtime made of ``packages``, beside a GPU or not. Only Python's own
    folders and those that packages are installed to are within reach: never the working directory,
    a home directory or the folder that a checkout lies in.
    """
    variables = {k: os.environ[k] for k in ENVIRONMENT if k in os.environ}
    path = _import_path(packages)
    libraries = [p for p in variables.get("LD_LIBRARY_PATH", "").split(":") if p.startswith("/")]
    own = str(Path(__file__).resolve().parents[2])
    # Shared libraries beside Python itself: conda, pyenv and uv keep them there.
    beside = [str(Path(prefix) / "lib") for prefix in {sys.base_prefix, sys.base_exec_prefix}]
    read = [*_SYSTEM, *path, *beside, *libraries, own]
    use: list[str] = ["/dev/null"]
    if gpu:
        read += _GPU_READ
        use += [found for pattern in _GPU_USE for found in sorted(glob.glob(pattern))]  # noqa: PTH207 - absolute patterns
    paths = AllowedPaths(tuple(dict.fromkeys(read)), tuple(use))
    return ProcessEnvironment(paths, path, {**_FIXED, **variables})


def _import_path(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Entries of ``sys.path`` that hold Python's own modules or installed packages."""
    own = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    own |= {str(Path(entry) / "lib-dynload") for entry in own}
    specs = [importlib.util.find_spec(package) for package in packages]
    needed = {str(Path(spec.origin).parents[1]) for spec in specs if spec and spec.origin}
    kept = []
    for entry in sys.path:
        installed = Path(entry).name in {"site-packages", "dist-packages"}
        zipped = entry.endswith(".zip") and str(Path(entry).parent) in sys.base_prefix + "/lib"
        if Path(entry).is_absolute() and (entry in own or installed or zipped or entry in needed):
            kept.append(entry)
    return tuple(kept)
