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
from auditor.report.console import show_result
from auditor.samples.load import load_samples
from auditor.samples.samples import Samples
from auditor.workflows.audit import run_audit
from auditor.workflows.profiles import load_profile
from auditor.workflows.request import AuditRequest, Spending, merge_settings
from auditor.workflows.targets import locate

MODELS = {
    "clean": "an honest Fashion-MNIST classifier",
    "backdoored": "the same network with a BadNets backdoor: a small patch makes it say dress",
}
PROFILE = "fashion-mnist"
PICTURES = {"pictures": 4, "density": 60}
"""The demo's server is free, so some planes are drawn as well."""
CLASSES = (
    "t-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
NEEDED = ("onnxruntime", "starlette", "uvicorn")


async def run_demo(output: Path, progress: Progress, say: Callable[[str], Any]) -> None:
    """Audit both shipped models over HTTP and write their reports to ``output``.

    Raises:
        UsageError: the demo's packages are not installed.
        AuditError: the server did not start.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"the demo needs {', '.join(missing)}: pip install 'xray-audit[cpu,demo]'")
    assets = resources.files(__package__).joinpath("assets")
    with resources.as_file(assets) as folder:
        samples = load_samples(folder / "fashion-mnist-samples.npz")
        with served({name: folder / f"{name}.onnx" for name in MODELS}) as address:
            say(f"Serving both models at {address} (Open Inference Protocol v2).")
            for name, what in MODELS.items():
                say(f"\nAuditing {name!r}: {what}.")
                url = f"{address}/v2/models/{name}"
                result = await run_audit(_request(url, samples, output / name, progress))
                say(show_result(result.result, output / name))


def _request(url: str, samples: Samples, output: Path, progress: Progress) -> AuditRequest:
    table = {"url": url, "input": {"range": [0.0, 1.0]}, "response": {"classes": list(CLASSES)}}
    target = locate(read_target(table), samples)
    profile = load_profile(PROFILE)
    settings = merge_settings(profile, PICTURES)
    limits = Spending().limits(target)
    return AuditRequest(target, samples, settings, output, profile, limits, progress)


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
