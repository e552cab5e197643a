"""DeBackdoor's search of trained models of the zoo, with probabilities or with labels."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from examples.benchmarks.rivals.annealing import Ask, Search, Settings
from examples.benchmarks.rivals.population import HELD_OUT, group_of, models_of, part_of
from examples.benchmarks.rivals.templates import Floats
from examples.benchmarks.stored import Record, read, write
from examples.benchmarks.zoo_models import recipe_of, targets_of, test_images

FOLDER = Path(__file__).parent
BUDGETS = (2_500, 6_000, 35_000, 120_000)
"""Queries where the best trigger is recorded: about those of the tool's four efforts."""
MODES = ("probabilities", "labels")
SAMPLES = 20
SEED = 17


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the step ``debackdoor``."""
    parser.add_argument("--largest", type=int, choices=BUDGETS, default=BUDGETS[-1])
    parser.add_argument("--mode", choices=MODES, default=MODES[0], help="what is read of answers")
    parser.add_argument("--only", default="*", help="models by name, with * and ?")
    parser.add_argument("--results", type=Path, default=FOLDER, help="where searches are kept")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start none after this")


def rows_of(mode: str, folder: Path = FOLDER) -> Path:
    """The file that the searches of one mode are kept in."""
    return folder / f"debackdoor_{mode}.json.gz"


def search_all(options: argparse.Namespace) -> None:
    """Search every model that was not searched as far yet; each row is kept at once."""
    path = rows_of(options.mode, options.results)
    rows: dict[str, Record] = read(path, {})
    end = time.monotonic() + 60 * options.minutes
    for file, model in models_of(options.models):
        name = model["name"]
        done = name in rows and rows[name]["largest"] >= options.largest
        needed = part_of(model) == HELD_OUT or model["attack"] == "clean"
        if done or not needed or not fnmatch(name, options.only):
            continue
        if time.monotonic() > end:
            return
        rows[name] = searched(file, model, options)
        write(path, dict(sorted(rows.items())))
        print(name, rows[name]["best"], file=sys.stderr, flush=True)


def searched(file: Path, model: Record, options: argparse.Namespace) -> Record:
    """One search of one model, as a row of plain numbers."""
    data = file.parent / "data"
    images, truth = test_images(model["dataset"], tuple(options.data_dir), data)
    classes = len(np.unique(truth))
    picked = np.random.default_rng([images.shape[2], SEED]).permutation(len(truth))[:SAMPLES]
    pixels = images[picked].astype(np.float32) / np.float32(255)
    budgets = tuple(one for one in BUDGETS if one <= options.largest)
    search = Search(
        probabilities(file.with_suffix(".onnx")),
        pixels,
        truth[picked].astype(np.int64),
        classes,
        Settings(budgets, options.mode == "labels", SEED),
    )
    found = search.run()
    return {
        "name": model["name"], "part": part_of(model), "recipe": recipe_of(model),
        "group": group_of(model), "targets": sorted(targets_of(model)), "seed": SEED,
        "samples": len(picked), "largest": options.largest, "queries": search.asked,
        "best": {str(budget): _rounded(asdict(one)) for budget, one in found.items()},
    }  # fmt: skip


def probabilities(path: Path) -> Ask:
    """A model file as a function from pictures to probabilities, on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def ask(images: Floats) -> NDArray[np.float32]:
        logits = session.run(None, {name: images})[0]
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: NDArray[np.float32] = raised / raised.sum(axis=1, keepdims=True)
        return shares

    return ask


def _rounded(best: Record) -> Record:
    return {key: round(one, 5) if isinstance(one, float) else one for key, one in best.items()}
