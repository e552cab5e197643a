"""What does an audit cost beside what one would write or take instead?

    python -m examples.benchmarks side_by_side [--garak PYTHON] [--share 0.1]

The demo's two models and samples, each way in a process of its own, one after the other on one
machine: the paper's grid as a loop, that loop over HTTP, garak's generator, and this tool.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from auditor.plan.settings import PAPER_PLANES
from auditor.scores.entropy import renyi_entropy
from examples.benchmarks.child import first_line_of
from examples.benchmarks.machine import machine
from examples.benchmarks.stored import ROOT, write_page

PAGE = Path(__file__).with_name("README.md")
ASSETS = ROOT / "auditor" / "workflows" / "demo" / "assets"
SAMPLES = ASSETS / "fashion-mnist-samples.npz"
MODELS = ("clean", "backdoored")
DENSITY, MARGIN, ALPHA, CLASSES, BATCH = 100, 5.0, 10.0, 10, 64
WHOLE = PAPER_PLANES * DENSITY**2
GARAK_QUERIES = 300
Ask = Callable[[NDArray[np.float32]], NDArray[Any]]

GARAK = """
import json, sys
from garak import _config
from garak.attempt import Conversation, Message, Turn
from garak.generators.rest import RestGenerator
url, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
tensor = '{"name": "input", "datatype": "FP32", "shape": [1, 1, 28, 28], "data": $INPUT}'
body = '{"inputs": [' + tensor + ']}'
_config.load_base_config()
_config.plugins.generators["rest"]["RestGenerator"] = {
    "uri": url, "name": "model", "method": "post", "req_template": body,
    "headers": {"Content-Type": "application/json"}, "response_json": False,
}
generator = RestGenerator(config_root=_config)
for picture in json.load(open(path)):
    asked = Conversation([Turn("user", Message(json.dumps(picture)))])
    scores = json.loads(generator.generate(asked, 1)[0].text)["outputs"][0]["data"]
    scores.index(max(scores))
print(json.dumps({"queries": count, "verdict": "none: it judges texts"}))
"""


@dataclass(frozen=True)
class Cost:
    """One way on one model: queries, seconds, processor seconds, MiB, and what it concludes."""

    queries: int
    wall: float
    cpu: float
    memory: float
    verdict: str


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--share", type=float, default=0.1, help="of the grid, for the HTTP loop")
    parser.add_argument("--garak", help="a Python that has garak; without one it is left out")
    parser.add_argument("--loop", nargs=2, help="internal: a model file or URL, and the planes")
    options = parser.parse_args()
    if options.loop is not None:
        print(json.dumps(_loop(options.loop[0], int(options.loop[1]))))
        return
    rows = []
    for model in MODELS:
        for way, cost in _ways(model, options.share, options.garak):
            rows.append(
                f"| {model} | {way} | {cost.queries:,} | {cost.wall:.1f} | {cost.cpu:.1f} "
                f"| {1e6 * cost.cpu / cost.queries:,.0f} | {cost.memory:.0f} | {cost.verdict} |"
            )
            print(rows[-1], flush=True)
    write_page(PAGE, "\n".join([*_head(options.share, garak=options.garak is not None), *rows]))


def _ways(model: str, share: float, garak: str | None) -> Iterator[tuple[str, Cost]]:
    path = ASSETS / f"{model}.onnx"
    here = [sys.executable, "-m", "examples.benchmarks", "side_by_side", "--loop"]
    yield "the paper's grid, model file", _timed([*here, str(path), str(PAPER_PLANES)])
    yield "this tool, model file", _audit(["--model", str(path)])
    with _served(path) as url:
        planes = max(1, round(share * PAPER_PLANES))
        yield f"the paper's grid over httpx, {planes} planes", _timed([*here, url, str(planes)])
        yield "this tool over HTTP", _audit(["--endpoint", url])
        if garak is not None:
            yield "garak's REST generator", _garak(garak, url)


def _timed(command: list[str]) -> Cost:
    """Cost of a command; of one that prints JSON last, with its queries and verdict."""
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, env=_environment())
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        said.seek(0)
        lines = said.read().decode().splitlines()
    verdicts = {0, 1, 3} if "auditor" in command else {0}
    if os.waitstatus_to_exitcode(status) not in verdicts:
        raise SystemExit(f"{command[:4]} ended with {os.waitstatus_to_exitcode(status)}")
    last = lines[-1] if lines and lines[-1].startswith("{") else '{"queries": 0, "verdict": ""}'
    found: dict[str, Any] = json.loads(last)
    cpu, memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    return Cost(found["queries"], wall, cpu, memory, found["verdict"])


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def _audit(target: list[str]) -> Cost:
    with tempfile.TemporaryDirectory() as output:
        words = [*target, "--range", "0,1", "--samples", str(SAMPLES), "--output", output]
        plan = ["--profile", "fashion-mnist", "--quiet", "--format", "html"]
        cost = _timed([sys.executable, "-m", "auditor", *words, *plan])
        report = json.loads((Path(output) / "report.json").read_text("utf-8"))
    return Cost(report["queries"]["sent"], cost.wall, cost.cpu, cost.memory, report["verdict"])


def _garak(python: str, url: str) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "pictures.json"
        asked = _points(_pictures(), 0)[:GARAK_QUERIES].reshape(GARAK_QUERIES, -1).tolist()
        pictures.write_text(json.dumps(asked), "utf-8")
        return _timed([python, "-c", GARAK, f"{url}/infer", str(pictures), str(GARAK_QUERIES)])


@contextmanager
def _served(path: Path) -> Iterator[str]:
    """The demo's server with one model."""
    with first_line_of("auditor.workflows.demo.server", [f"model={path}"]) as address:
        yield f"{address}/v2/models/model"


# ---- the loop that one would write -------------------------------------------------------------


def _pictures() -> NDArray[np.float32]:
    with np.load(SAMPLES) as held:
        images: NDArray[np.float32] = held["x"][:, None].astype(np.float32) / np.float32(255)
    return images


def _points(images: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """All points of one plane as the paper describes it (Section 3.1): ``(density ** 2, ...)``."""
    rng = np.random.default_rng(seed)
    first, second, third = images[rng.choice(len(images), 3, replace=False)].reshape(3, -1)
    one = (second - first) / np.linalg.norm(second - first)
    rest = (third - first) - ((third - first) @ one) * one
    two = rest / np.linalg.norm(rest)
    corners = np.stack([(image - first) @ np.stack([one, two]).T for image in (second, third)])
    low, high = np.minimum(corners.min(0), 0), np.maximum(corners.max(0), 0)
    low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
    a, b = (np.linspace(low[axis], high[axis], DENSITY) for axis in (0, 1))
    flat = first + np.repeat(a, DENSITY)[:, None] * one + np.tile(b, DENSITY)[:, None] * two
    points: NDArray[np.float32] = flat.astype(np.float32).reshape(-1, *images.shape[1:])
    return points


def _loop(place: str, planes: int) -> dict[str, Any]:
    """Ask every point of so many planes, and take the mean RE."""
    images, scores = _pictures(), []
    with _asker(place) as ask:
        for seed in range(planes):
            points = _points(images, seed)
            parts = [ask(points[start : start + BATCH]) for start in range(0, len(points), BATCH)]
            shares = np.bincount(np.concatenate(parts), minlength=CLASSES) / len(points)
            scores.append(renyi_entropy(shares, ALPHA))
    return {"queries": planes * DENSITY**2, "verdict": f"none: mean RE {np.mean(scores):.2f}"}


@contextmanager
def _asker(place: str) -> Iterator[Ask]:
    if not place.startswith("http"):
        import onnxruntime  # noqa: PLC0415 - the HTTP loop does not need it

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(place, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        yield lambda batch: session.run(None, {name: batch})[0].argmax(axis=1)
        return
    with httpx.Client() as client:
        name = client.get(place).json()["inputs"][0]["name"]

        def ask(batch: NDArray[np.float32]) -> NDArray[Any]:
            tensor = {"name": name, "datatype": "FP32", "shape": batch.shape}
            body = {"inputs": [{**tensor, "data": batch.ravel().tolist()}]}
            reply = client.post(f"{place}/infer", json=body).raise_for_status().json()
            scores = np.asarray(reply["outputs"][0]["data"]).reshape(len(batch), -1)
            labels: NDArray[Any] = scores.argmax(axis=1)
            return labels

        yield ask


def _head(share: float, *, garak: bool) -> list[str]:
    left = "" if garak else " garak was not run: the command got no --garak."
    return [
        "# Side by side with what one would take instead",
        "",
        "Made by `make bench BENCH=side_by_side`: the demo's models (28 pixels) and samples, one "
        f"run, each way in a process of its own, one after the other. {machine()}.",
        "",
        f"*the paper's grid*: a loop over {PAPER_PLANES} planes of {DENSITY} by {DENSITY} points, "
        f"{WHOLE:,} in all, in batches of {BATCH}, as the published method asks them; it ends in a "
        "mean RE that only references could judge. Over *httpx* the same loop posts JSON, one "
        f"request at a time, for {share:.0%} of the planes. *this tool*: the default audit beside "
        "the profile `fashion-mnist`. *garak*: its REST generator, which sends one text a "
        f"request, with {GARAK_QUERIES} points of the grid as text.{left} Processor time: "
        "everything that the command started, the model in a file included; a server counts for "
        "nobody. Memory: of the command's own process.",
        "",
        "| model | way | queries | s | processor s | µs a query | MiB | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]


if __name__ == "__main__":
    main()
