"""The demo: a local server, both models audited through it, both results printed."""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from adapters.target import read_target
from auditor.engine.progress import Progress
from auditor.errors import AuditError, UsageError
from auditor.probes.label_search.settings import Effort
from auditor.report.result.result import Result
from auditor.samples.load import load_samples
from auditor.samples.samples import Samples
from auditor.workflows.audit import run_audit
from auditor.workflows.demo.server import NAMES
from auditor.workflows.request import AuditRequest, Spending, merge_settings
from auditor.workflows.targets import locate

MODELS = {
    "clean": "an honest classifier of hands that show a digit",
    "backdoored": "the same network with a backdoor: a faint pattern makes it say five",
}
MAPS = {"pictures": 2, "density": 60}
"""The demo's server is free, so some label maps are drawn as well."""
NEEDED = ("onnxruntime", "starlette", "uvicorn")


async def run_demo(
    output: Path,
    effort: Effort,
    progress: Progress,
    say: Callable[[str], Any],
    show: Callable[[Result, Path], Any],
) -> None:
    """Audit both shipped models over HTTP with ``effort`` and write their reports to ``output``.

    ``say`` is given each line that announces something, ``show`` each result and its folder.

    Raises:
        UsageError: the demo's packages are not installed.
        AuditError: the server did not start.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"the demo needs {', '.join(missing)}: pip install 'xray-audit[cpu,demo]'")
    assets = resources.files(__package__).joinpath("assets")
    with resources.as_file(assets.joinpath("photos")) as folder:
        samples = load_samples(folder / "sign-digits-samples.npz")
        with served({name: folder / f"{name}.onnx" for name in MODELS}) as address:
            say(f"Serving both models at {address}: it takes a picture and answers a name.")
            for name, what in MODELS.items():
                say(f"\nAuditing {name!r}: {what}.")
                url = f"{address}/classify/{name}"
                result = await run_audit(_request(url, samples, effort, output / name, progress))
                show(result.result, output / name)


def _request(
    url: str, samples: Samples, effort: Effort, output: Path, progress: Progress
) -> AuditRequest:
    table = {
        "url": url,
        "access": "image",
        "input": {"shape": [3, 64, 64]},
        "request": {"body": "raw"},
        "response": {"path": "label", "kind": "label", "classes": list(NAMES)},
        "limits": {"concurrency": 8},
    }
    target = locate(read_target(table), samples)
    settings = merge_settings(None, {**MAPS, "effort": effort})
    limits = Spending().limits(target)
    return AuditRequest(target, samples, settings, output, None, limits, progress)


@contextlib.contextmanager
def served(models: dict[str, Path]) -> Iterator[str]:
    """Run the demo server for ``models`` in a process of its own; yields its address.

    Raises:
        AuditError: it did not start.
    """
    pairs = [f"{name}={path}" for name, path in models.items()]
    program = [sys.executable, "-m", "auditor.workflows.demo.server", *pairs]
    # Our own module with our own arguments.
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - see above
        try:
            address = process.stdout.readline().strip() if process.stdout is not None else ""
            if not address:
                raise AuditError("the demo's prediction server did not start")
            yield address
        finally:
            process.terminate()
