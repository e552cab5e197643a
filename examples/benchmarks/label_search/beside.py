"""The paper's plane scores on the held-out photo models; with ``--white-box`` Neural Cleanse and
MM-BD too.

These two see gradients and logits: the model files are read back into torch by onnx2torch. Steps
and starts are those of ``white_box``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from auditor import audit
from auditor.measured import FEW_CLASSES
from examples.benchmarks.label_search.search import drawn
from examples.benchmarks.label_search.tables import serves
from examples.benchmarks.stored import Record, read, write
from examples.benchmarks.zoo_models import classifier
from examples.zoo.photos.index import judge, read_records
from examples.zoo.photos.samples import find
from examples.zoo.photos.sources import load
from examples.zoo.photos.tasks import TASKS

DATA = Path(__file__).with_name("beside.json.gz")
EACH, IMAGES = 12, 300


def measure_all(options: argparse.Namespace) -> None:
    """Measure what is missing, in an order drawn by a seed, until the minutes are spent."""
    end = time.monotonic() + 60 * options.minutes
    rows: Record = read(DATA, {})
    models = [
        record
        for record in judge(read_records(options.models).values())
        if record["valid"] and serves(record) == "held-out"
        and record["side"] <= options.most_side
        and len(TASKS[record["task"]].classes) >= FEW_CLASSES
    ]  # fmt: skip
    for place in np.random.default_rng(7).permutation(len(models)):
        model = models[place]
        done = rows.get(model["name"], {})
        if "re" in done and ("norms" in done or not options.white_box):
            continue
        if time.monotonic() > end:
            return
        rows[model["name"]] = measure(model, options)
        write(DATA, dict(sorted(rows.items())))
        print(model["name"], file=sys.stderr, flush=True)


def measure(model: Record, options: argparse.Namespace) -> Record:
    """Plane scores of one model; with ``white_box`` also mask norms and margins."""
    spec = find(model["name"])
    data = load(spec.task, spec.side, options.data_dir, options.models / "cache")
    rng, classes = np.random.default_rng(spec.side), len(data.info.classes)
    picked = drawn(data.y_test, range(classes), EACH, rng)
    path = options.models / f"{model['name']}.onnx"
    tests = data.x_test[rng.permutation(len(data.x_test))[:IMAGES]]
    seen = _white_box(path, tests, classes) if options.white_box else {}
    planes = _planes(path, data.x_test[picked], data.y_test[picked], classes)
    return {"sha256": model["sha256"], **planes, **seen}


def _planes(path: Path, pixels: np.ndarray, truth: np.ndarray, classes: int) -> Record:
    """Mean RE and ATS of an audit of planes alone, with the settings that the command has."""
    with tempfile.TemporaryDirectory() as folder:
        report = audit(
            classifier(path), ((pixels / np.float32(255)).astype(np.float32), truth.astype(int)),
            output=folder, progress=False, trigger_search=False, value_range=(0.0, 1.0),
            classes=[str(label) for label in range(classes)],
        )  # fmt: skip
    scores = report.result.scores
    means = {"re": scores.re, "ats": scores.ats_by_label}
    return {name: round(one.mean, 4) for name, one in means.items() if one and one.mean is not None}


def _white_box(path: Path, tests: np.ndarray, classes: int) -> Record:
    import onnx2torch  # noqa: PLC0415 - only this step needs both
    import torch  # noqa: PLC0415

    from examples.benchmarks.white_box.methods import cleanse, margins  # noqa: PLC0415

    torch.set_num_threads(1)
    torch.manual_seed(7)
    net = onnx2torch.convert(str(path)).eval().requires_grad_(requires_grad=False)
    images = torch.from_numpy(tests.astype(np.float32) / 255.0)
    norms, _ = cleanse(net, images, classes)
    return {
        "norms": [round(value, 3) for value in norms],
        "margins": [round(value, 4) for value in margins(net, images.shape[1:], classes)],
    }
