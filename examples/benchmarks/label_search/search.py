"""Searches of the photo models, one row per search."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from adapters.contract import InputSpec
from adapters.images import encode_image
from auditor.measured import LabelNull, label_null_of
from auditor.probes.further_searches import FURTHER_STREAM, patches_alone
from auditor.probes.label_search.search import PATCHES, LabelSearch, prepare
from auditor.probes.label_search.settings import EFFORTS, LabelSearchSettings
from auditor.probes.second_search import DEEPER, SECOND_STREAM, same_kind
from auditor.verdict.scope import LOSSLESS
from examples.benchmarks.label_search.tables import (
    asked_by,
    ended,
    first_suspicious,
    in_null,
    judged_at,
    kinds,
    near_its_level,
    searched,
    serves,
    stages,
    told,
    up_to_date,
)
from examples.benchmarks.stored import Record, read, write
from examples.benchmarks.zoo_models import classifier, driven
from examples.zoo.photos.index import read_records
from examples.zoo.photos.samples import find
from examples.zoo.photos.sources import load
from examples.zoo.photos.tasks import TASKS

DATA = Path(__file__).with_name("data.json.gz")
TELLING = Path(__file__).with_name("telling.json.gz")
SAMPLES = 120


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the step ``search``."""
    parser.add_argument("--data-dir", type=Path, help="folder of the photo data sets")
    parser.add_argument("--models", type=Path, help="folder of the trained photo models")
    parser.add_argument("--split", choices=("development", "held-out"), default="development")
    parser.add_argument("--effort", choices=tuple(EFFORTS), default="standard")
    parser.add_argument(
        "--coding", default=LOSSLESS, help="lossless, jpeg:QUALITY or jpeg:QUALITY/444"
    )
    parser.add_argument("--each", type=int, help="pictures of each class; 120 in all if left out")
    parser.add_argument("--of-classes", type=int, help="with --each: of so many classes alone")
    parser.add_argument("--only", default="*", help="models by name, with * and ?")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most-side", type=int, default=96, help="largest pictures, in pixels")
    parser.add_argument(
        "--until-found", action="store_true", help="ask no further stage once one is suspicious"
    )
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--results", type=Path, default=DATA)


def search_all(options: argparse.Namespace) -> None:
    """Search what was not searched yet; every row is kept as soon as it is there."""
    rows: list[Record] = read(options.results, {"rows": []})["rows"]
    asked = (options.effort, options.seed, options.coding, options.each, options.of_classes)
    done = {(row["name"], *_asked(row)) for row in rows}
    models = [
        record
        for record in read_records(options.models).values()
        if serves(record, options.effort) == options.split
        and record["side"] <= options.most_side
        and fnmatch(record["name"], options.only)
    ]
    # Clean ones first: the null is made of them; tasks of two classes, which have their own, last.
    models.sort(key=lambda one: (TASKS[one["task"]].binary, one["attack"] != "clean"))
    tasks = [(record, options) for record in models if (record["name"], *asked) not in done]
    with Pool(options.processes) as pool:
        for row in pool.imap(_task, tasks, 1):
            rows.append(row)
            write(options.results, {"samples": SAMPLES, "rows": rows})
            print(row["name"], row["effort"], row["queries"], file=sys.stderr, flush=True)


def search_telling(options: argparse.Namespace) -> None:
    """Ask clean models for patches alone, and what tells planted ones from them: the null of these
    is made of the models that there are, as those of other kinds of change were lost. At
    ``exhaustive`` the further searches are made, which alone it asks more than ``thorough``.
    """
    results = TELLING if options.results == DATA else options.results
    rows: list[Record] = read(results, {"rows": []})["rows"]
    done = {(row["sha256"], row["effort"]) for row in rows}
    for record in read_records(options.models).values():
        if record["attack"] != "clean" or not fnmatch(record["name"], options.only):
            continue
        row, (pixels, truth, labels) = _empty(record, options)
        if not row.get("orders") or (record["sha256"], options.effort) in done:
            continue
        settings, seed = asked_by(row, record), row["seed"]
        asked = [(settings, seed)] if not settings.further else [
            (patches_alone(key, settings.order_images), seed + number * FURTHER_STREAM)
            for number, key in enumerate(settings.further, 1)
        ]  # fmt: skip
        for one, stream in asked:
            run = started(pixels, truth, labels, one, stream)
            row["stages"] += [stage for stage, _ in stages_of(run, labels, PATCHES[0])]
        rows.append(row)
        write(results, {"samples": SAMPLES, "rows": rows})
        print(row["name"], row["effort"], file=sys.stderr, flush=True)


def search_again(options: argparse.Namespace) -> None:
    """Make the second searches of kept rows anew, of the backdoored models that there are: a clean
    one that was accused once stays so.
    """
    kept = read(options.results, {"rows": []})
    models = read_records(options.models)
    for place, row in enumerate(kept["rows"]):
        record = models.get(row["name"])
        if record is None or record["sha256"] != row["sha256"] or record["attack"] == "clean":
            continue
        null = _null(row, record)
        second = _second(row, record, null, partial(_drawn, record, row, options))
        if second:
            kept["rows"][place] = row | second
            write(options.results, kept)
            print(row["name"], row["effort"], second["second_key"], file=sys.stderr, flush=True)


def search_patches(options: argparse.Namespace) -> None:
    """Ask the patches of today's searches of models that earlier ones were kept of, and add them
    to their rows: nothing else has changed. Clean models for the null are asked for all patches,
    also where they were trained anew and have no row.
    """
    kept = read(options.results, {"rows": []})
    for record in read_records(options.models).values():
        if record["side"] > options.most_side or not fnmatch(record["name"], options.only):
            continue
        row = next((one for one in kept["rows"] if _is_of(one, record, options)), None)
        if row is None:
            if not in_null(record):
                continue
            row, (_, truth, _) = _empty(record, options)
            row["queries"] = len(truth)
            kept["rows"].append(row)
        if _add_patches(row, record, options):
            write(options.results, kept)
            print(row["name"], row["effort"], row["queries"], file=sys.stderr, flush=True)


def search_further(options: argparse.Namespace) -> None:
    """Make searches at ``exhaustive`` of kept ones at ``thorough``, which they begin with, and ask
    kept ones what they lack; every row is kept as soon as it is there.
    """
    kept = read(options.results, {"rows": []})
    rows = {(row["sha256"], *_asked(row)): row for row in kept["rows"]}
    models = {one["sha256"]: one for one in read_records(options.models).values()}
    tasks = []
    for row in list(rows.values()):
        record = models.get(row["sha256"])
        if record is None or row["effort"] != "thorough" or row.get("each"):
            continue
        if serves(record, "exhaustive") == options.split and up_to_date(row, record):
            raised = _raised(row)
            known = rows.get((row["sha256"], *_asked(raised)), {})
            tasks.append((known if "further" in known else raised, record, options))
    with Pool(options.processes) as pool:
        for row in pool.imap(_further_task, tasks, 1):
            if rows.get(key := (row["sha256"], *_asked(row))) != row:
                rows[key] = row
                write(options.results, {**kept, "rows": list(rows.values())})
                print(row["name"], row["effort"], len(row["further"]), file=sys.stderr, flush=True)


def _raised(row: Record) -> Record:
    """A search at ``thorough`` as the first of one at ``exhaustive``."""
    named = [{**stage, "kind": kind} for kind, stage in stages(row).items()]
    gone = {"second", "second_key", "deeper"}
    kept = {name: one for name, one in row.items() if name not in gone}
    return {**kept, "effort": "exhaustive", "stages": named, "further": []}


def _further_task(task: tuple[Record, Record, argparse.Namespace]) -> Record:
    row, record, options = task
    asked = _drawn(record, row, options)
    null = _null(row, record)
    if "second" not in row:
        row = row | _second(row, record, null, lambda: asked)
    return _with_further(row, record, null, asked)


def _with_further(row: Record, record: Record, null: LabelNull, asked: Any) -> Record:
    """``row`` with the further searches that it lacks, if nothing accuses."""
    pixels, truth, labels = asked
    settings = asked_by(row, record)
    wanted = list(enumerate(settings.further, 1))[len(row["further"]) :]
    for number, key in () if ended(row, record, null).suspicious else wanted:
        seed = row["seed"] + number * FURTHER_STREAM
        alone = patches_alone(key, settings.order_images)
        run = started(pixels, truth, labels, alone, seed)
        stage = next(stage for stage, _ in stages_of(run, labels))
        row = {**row, "further": [*row["further"], stage]}
    return row


def _is_of(row: Record, record: Record, options: argparse.Namespace) -> bool:
    """True if ``row`` is of just this model, asked as the options say."""
    wanted = (options.effort, options.seed, options.coding, options.each, options.of_classes)
    return row["sha256"] == record["sha256"] and _asked(row) == wanted


def _add_patches(row: Record, record: Record, options: argparse.Namespace) -> bool:
    """Add the stages that ``row`` lacks; false if it lacks none."""
    effort = row["effort"]
    pixels, truth, labels = asked = _drawn(record, row, options)
    forms = [asked_by(row, record)]
    if in_null(record):
        forms.append(EFFORTS[effort])  # earlier plans are judged by them too
    held, before = {*stages(row)}, len(row["stages"])
    for settings in forms:
        if {*kinds(settings)} <= held:
            continue
        run = started(pixels, truth, labels, settings, row["seed"])
        for stage, _ in stages_of(run, labels, "small-"):
            row["stages"].append(stage)
            row["queries"] += stage["queries"]
        for known in ("second", "second_key", "deeper"):
            row.pop(known, None)
        if not in_null(record):
            null = _null(row, record)
            row |= _second(row, record, null, lambda: asked)
    return len(row["stages"]) > before


def _asked(row: Record) -> tuple[str, int, str, int | None, int | None]:
    """How a row's model was asked."""
    coding = row.get("coding", LOSSLESS)
    return row["effort"], row["seed"], coding, row.get("each"), row.get("of_classes")


def _task(task: tuple[Record, argparse.Namespace]) -> Record:
    record, options = task
    return search_one(record, options)


def search_one(record: Record, options: argparse.Namespace) -> Record:
    """One search of one model, as a row of plain numbers."""
    row, asked = _empty(record, options)
    pixels, truth, labels = asked
    settings = asked_by(row, record)
    run = started(pixels, truth, labels, settings, row["seed"])
    if settings.further:
        row["further"] = []
    null = _null(row, record)
    for stage, queries in stages_of(run, labels):
        row["stages"].append(stage)
        row["queries"] = queries
        if options.until_found and first_suspicious(row, record, null):
            break
    row |= _second(row, record, null, lambda: asked)
    return _with_further(row, record, null, asked) if "further" in row else row


def _empty(record: Record, options: argparse.Namespace) -> tuple[Record, Any]:
    """The row of a search that asked nothing yet, and what it is to ask, as of :func:`_drawn`."""
    few = options.of_classes
    row: Record = {
        "name": record["name"], "sha256": record["sha256"], "effort": options.effort,
        "seed": options.seed, "coding": options.coding, "each": options.each,
        **({"of_classes": few} if few else {}),
    }  # fmt: skip
    _, truth, _ = asked = _drawn(record, row, options)
    row |= {"classes": len(np.unique(truth)), "samples": len(truth), "stages": []}
    orders = searched(record, options.effort, row["classes"], options.coding).order_images
    return row | ({"orders": orders} if orders else {}), asked


def _drawn(record: Record, row: Record, options: argparse.Namespace) -> Any:
    """The samples of a search, their classes, and the model as it is asked."""
    spec, models = find(record["name"]), options.models
    data = load(spec.task, spec.side, options.data_dir, models / "cache")
    rng, classes = np.random.default_rng([spec.side, row["seed"]]), len(data.info.classes)
    few = row.get("of_classes")
    of = sorted(rng.permutation(classes)[:few]) if few else range(classes)
    picked = drawn(data.y_test, of, row.get("each") or SAMPLES // classes, rng)
    pixels, truth = data.x_test[picked], data.y_test[picked].astype(np.int64)
    model = classifier(models / f"{record['name']}.onnx")
    return pixels, truth, through(model, input_of(pixels), row.get("coding", LOSSLESS))


def _null(row: Record, record: Record) -> LabelNull:
    """Clean models that the product judges such a search by."""
    shape = (record["side"], record["side"])
    return label_null_of(shape, told=told(row, record)).of(judged_at(row), row["classes"])


def _second(row: Record, record: Record, null: LabelNull, asked: Callable[[], Any]) -> Record:
    """The second search of what was found near its level, as an audit asks it; empty if none is."""
    first = first_suspicious(row, record, null)
    if first is None or not near_its_level(row, record, first[1]):
        return {}
    pixels, truth, labels = asked()
    key = first[0].finding.key
    settings = same_kind(key, asked_by(row, record))
    run = started(pixels, truth, labels, settings, row["seed"] + SECOND_STREAM)
    stages = [stage for stage, _ in stages_of(run, labels)]
    return {"second_key": key, "second": stages, "deeper": DEEPER}


def stages_of(run: LabelSearch, labels: Any, wanted: str = "") -> Iterator[tuple[Record, int]]:
    """Every stage of a search as a row keeps it, and the queries asked until then; stages of kinds
    that are not ``wanted`` are left out.
    """
    for kind, stage in zip(kinds(run.settings), run.stages(), strict=True):
        if not kind.startswith(wanted):
            continue
        before = run.search_set.total()
        findings = [
            [one.key, one.label, round(one.value, 4), one.carried, one.success.hits,
             one.success.images]
            for one in driven(stage, labels)
        ]  # fmt: skip
        asked = run.search_set.total()
        yield {"kind": kind, "queries": asked - before, "findings": findings}, asked


def input_of(pixels: Any) -> InputSpec:
    """The input of a model of pictures like ``pixels`` ``(n, c, h, w)``, in 0 to 1."""
    channels = pixels.shape[1]
    return InputSpec(pixels.shape[1:], (0.0,) * channels, (1.0,) * channels)


def started(
    pixels: Any, truth: Any, labels: Any, settings: LabelSearchSettings, seed: int
) -> LabelSearch:
    """A search of 8-bit ``pixels`` ``(n, c, h, w)`` of classes ``truth``, with its first labels."""
    spec = input_of(pixels)
    run: LabelSearch = driven(
        prepare(spec.from_pixels(pixels), truth, spec, settings, seed), labels
    )
    return run


def drawn(truth: Any, classes: Iterable[int], each: int, rng: np.random.Generator) -> Any:
    """Indices of ``each`` samples of every one of ``classes``, or of all that it has."""
    pools = [np.flatnonzero(truth == label) for label in classes]
    return np.concatenate([rng.choice(pool, min(each, len(pool)), False) for pool in pools])


def through(labels: Any, spec: InputSpec, coding: str) -> Any:
    """``labels`` of inputs as an upload of this coding brings them to the model."""

    def recoded(batch: Any) -> Any:
        pixels = spec.to_pixels(batch)
        return labels(spec.from_pixels(np.stack([_decoded(one, coding) for one in pixels])))

    return labels if coding == LOSSLESS else recoded


def _decoded(pixels: Any, coding: str) -> Any:
    image = np.asarray(Image.open(io.BytesIO(encode_image(pixels, coding))))
    return image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
