"""The zoo's models as benchmarks use them: which may be used for what, and how they are asked.

Held-out models come in rounds of scoring. The first round was scored when cells 1 to 18 of the
manifest were all that was planned. The second was planned before anything that it judges was
changed: models of cells that no choice, no null and no scoring had seen. The third was planned in
the same way, after the second's scoring and before any change that followed it. The fourth was
planned after the third's scoring, for the same tool, to narrow the intervals; the fifth before a
search that finds nothing unusual cleared any model, to know how many backdoors that clears, and the
sixth before small pictures were searched label by label, to test that. The seventh was scored with
that search as it confirmed what it found, the ninth since that asks what tells planted patches.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Generator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from auditor.probes.base import Pictures
from examples.benchmarks.stored import Record
from examples.zoo import default_folder
from examples.zoo.data import load
from examples.zoo.errors import DataMissingError

T = TypeVar("T")
DATASETS = ("fashion-mnist", "cifar10", "gtsrb")
ACCESS = ("float", "image")
PATCHES = ("badnets", "trojannn", "blind")
ATTACKS = (
    *PATCHES, "blended", "sig", "ssba", "low-frequency", "bpp", "wanet", "lira",
)  # fmt: skip
DEVELOPMENT_ROUNDS = (1, 2)
"""Rounds whose models were scored by earlier tools, and from then on serve to make the next one:
a result on them is no test of it any more."""
SECOND_ROUND_CELLS = (19, 20, 21, 22)
THIRD_ROUND_CELLS = tuple(range(24, 33))
FOURTH_ROUND_CELLS = tuple(range(33, 37))
FIFTH_ROUND_CELLS = tuple(range(37, 43))
SIXTH_ROUND_CELLS = tuple(range(43, 46))
SEVENTH_ROUND_CELLS = tuple(range(46, 53))
NINTH_ROUND_CELLS = tuple(range(57, 64))
SCORED_ROUND = 9
"""The round that the present rule of small pictures is scored on, which it had not seen."""
_ROUND_CELLS = {
    2: SECOND_ROUND_CELLS,
    3: THIRD_ROUND_CELLS,
    4: FOURTH_ROUND_CELLS,
    5: FIFTH_ROUND_CELLS,
    6: SIXTH_ROUND_CELLS,
    7: SEVENTH_ROUND_CELLS,
    9: NINTH_ROUND_CELLS,
}
SEEDS_PER_CELL = 10_000


def round_of(model: Mapping[str, Any]) -> int:
    """The scoring that a held-out model belongs to, by its cell of the manifest: 1 to 9, or
    0 for a model that no scoring of the rule takes.
    """
    cell = model["seed"] // SEEDS_PER_CELL
    rest = 1 if cell < min(SECOND_ROUND_CELLS) else 0
    return next((number for number, cells in _ROUND_CELLS.items() if cell in cells), rest)


def is_development(model: Mapping[str, Any]) -> bool:
    """True if the present search and rule may have been made with a trained model: those of the
    calibration split, and held-out ones of rounds that earlier tools were scored on.
    """
    held_out = model["split"] == "held-out" and round_of(model) in DEVELOPMENT_ROUNDS
    return not model["failed"] and (model["split"] == "calibration" or held_out)


def recipe_of(model: Record) -> str:
    """The data set, architecture and training that a model shares with its siblings."""
    return f"{model['dataset']}/{model['architecture']}/{model['training']}"


def targets_of(model: Record) -> set[int]:
    """The labels that a model's trigger leads to."""
    return {target for source, target in enumerate(model["mapping"]) if target not in {-1, source}}


# ---- asking trained models -----------------------------------------------------------------------


def add_asking_options(parser: argparse.ArgumentParser) -> None:
    """The options of every step that asks trained models."""
    parser.add_argument("--models", type=Path, default=default_folder(), help="the trained zoo")
    parser.add_argument(
        "--data-dir", type=Path, action="append", default=[], help="as the zoo's training takes it"
    )


def require_data(options: argparse.Namespace) -> None:
    """End with one sentence unless the data's folder was given."""
    if not options.data_dir:
        raise SystemExit("this step asks trained models: give --data-dir FOLDER with their data")


@cache
def test_images(
    name: str, folders: tuple[Path, ...], kept: Path
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The test images of a data set from the first folder that has it."""
    for folder in folders:
        try:
            data = load(name, folder, kept)
        except DataMissingError:
            continue
        return data.x_test, data.y_test
    raise SystemExit(f"{name} is in none of the data directories")


def images_for(
    model: Record, options: argparse.Namespace
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The test images that a model is asked about, and their classes."""
    return test_images(model["dataset"], tuple(options.data_dir), options.models / "data")


def driven(
    asking: Generator[NDArray[np.float32] | Pictures, NDArray[np.int64], T],
    labels: Callable[[NDArray[np.float32]], NDArray[np.int64]],
) -> T:
    """Answer every question of a search with ``labels``; its result."""
    try:
        batch = next(asking)
        while True:
            batch = asking.send(labels(batch[:]))
    except StopIteration as end:
        result: T = end.value
        return result


def classifier(path: Path) -> Callable[[NDArray[np.float32]], NDArray[np.int64]]:
    """A model file as a function from inputs to hard labels, on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def labels(batch: NDArray[np.float32]) -> NDArray[np.int64]:
        parts = [
            session.run(None, {name: batch[i : i + 128]})[0].argmax(axis=1)
            for i in range(0, len(batch), 128)
        ]
        return np.concatenate(parts).astype(np.int64)

    return labels


def remembered(labels: Callable[[NDArray[np.float32]], NDArray[np.int64]]) -> Any:
    """``labels`` that are asked for every input once: a dearer effort begins with the questions of
    the one below.
    """
    known: dict[bytes, int] = {}

    def remembering(batch: NDArray[np.float32]) -> NDArray[np.int64]:
        digests = [hashlib.blake2b(one.tobytes(), digest_size=16).digest() for one in batch]
        new = [place for place, digest in enumerate(digests) if digest not in known]
        if new:
            answers = labels(batch[new]).tolist()
            known.update(zip((digests[place] for place in new), answers, strict=True))
        return np.array([known[digest] for digest in digests], dtype=np.int64)

    return remembering
