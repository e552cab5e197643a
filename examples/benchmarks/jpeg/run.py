"""What do JPEG uploads do to the decision rule's evidence?

    python -m examples.benchmarks jpeg ask --data-dir DATA
    python -m examples.benchmarks jpeg search --data-dir DATA
    python -m examples.benchmarks jpeg [--write-measured]

``ask`` puts the rule's families to every calibration model through JPEG 90 and 75, in both roles
(as ``decision_rule ask`` does through lossless images); ``search`` runs one trigger search per
clean or all-to-one model and quality; both write ``data.json.gz`` and skip what is there. Without a
step the page is written from it.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adapters.contract import InputSpec
from adapters.images import encode_image
from auditor.measured import JpegRates, ValueNull, decision_rule
from auditor.verdict.rule import LEVEL, combine_by_label, p_of
from examples.benchmarks import measured_files
from examples.benchmarks.cells import auroc_cell, rate_cell
from examples.benchmarks.decision_rule.evidence import Model, Nulls, excess_of, load_searches
from examples.benchmarks.decision_rule.families import (
    QUERIES,
    ROLES,
    counts_of,
    probes_for,
    read_counts,
)
from examples.benchmarks.decision_rule.study import ASKED, Candidate, Study, clean_null
from examples.benchmarks.stored import Record, read, write, write_page
from examples.benchmarks.trigger_search.search import recovered, search_one, short
from examples.benchmarks.zoo_models import (
    PATCHES,
    add_asking_options,
    classifier,
    recipe_of,
    require_data,
)
from examples.zoo.index import collect

DATA = Path(__file__).with_name("data.json.gz")
PAGE = Path(__file__).with_name("README.md")
QUALITIES = (90, 75)
RULE = decision_rule().rule
CHOSEN = Candidate(ASKED, RULE.weight, RULE.widening, RULE.apart)


def through_jpeg(batch: NDArray[np.float32], spec: InputSpec, quality: int) -> NDArray[np.float32]:
    """``batch``, ``(n, c, h, w)``, as a model receives it if uploaded as JPEG of ``quality``."""
    pixels = spec.to_pixels(batch)
    decoded = np.stack([_decoded(one, quality) for one in pixels])
    return spec.from_pixels(decoded)


def _decoded(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    image = np.asarray(Image.open(io.BytesIO(encode_image(pixels, f"jpeg:{quality}"))))
    return image[None] if image.ndim == 2 else image.transpose(2, 0, 1)


def main() -> None:
    """Run one of the three steps."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", nargs="?", choices=("ask", "search", "report"), default="report")
    parser.add_argument("--samples", type=int, default=120)
    measured_files.add_option(parser)
    add_asking_options(parser)
    options = parser.parse_args()
    if options.step == "report":
        write_report(write_measured=options.write_measured)
        return
    require_data(options)
    models = [m for m in collect(options.models) if m["split"] == "calibration" and not m["failed"]]
    {"ask": ask, "search": search_all}[options.step](models, options)


# ---- asking -----------------------------------------------------------------------------------


@cache
def _data() -> Record:
    data: Record = read(DATA, {"counts": {}, "searches": []})
    return data


def ask(models: Sequence[Record], options: argparse.Namespace) -> None:
    """The rule's families through JPEG, every model in both roles."""
    options.rule_only = True
    for dataset in sorted({m["dataset"] for m in models}):
        chosen = [m for m in models if m["dataset"] == dataset]
        for quality in QUALITIES:
            ask_dataset(dataset, quality, chosen, options)


def ask_dataset(
    dataset: str, quality: int, models: Sequence[Record], options: argparse.Namespace
) -> None:
    """One data set through one quality; the pictures are made once."""
    data = _data()
    known = data["counts"].setdefault(f"{dataset}-jpeg{quality}", {})
    for role in ROLES:
        samples, spec, probes, truth = probes_for(dataset, role, options)
        spec = replace(spec, access="image", encoding=f"jpeg:{quality}")
        clean = through_jpeg(samples, spec, quality)
        inputs = [through_jpeg(one.inputs(np.arange(QUERIES)), spec, quality) for one in probes]
        for model in models:
            name = f"{model['name']}/{role}"
            if name in known:
                continue
            labels = classifier(options.models / f"{model['name']}.onnx")
            answers = {"clean": labels(clean)}
            for probe, batch in zip(probes, inputs, strict=True):
                answers[f"image/{probe.perturbation.key}"] = labels(batch)
            known[name] = counts_of(model, answers, probes, "image", truth)
    data["counts"][f"{dataset}-jpeg{quality}"] = dict(sorted(known.items()))
    write(DATA, data)
    print(dataset, quality, len(known), flush=True)


def search_all(models: Sequence[Record], options: argparse.Namespace) -> None:
    """One trigger search per clean or all-to-one model and quality, seed 0."""
    data = _data()
    rows = data["searches"]
    done = {(row["name"], row["quality"]) for row in rows}
    nulls = Nulls(load_searches()[1])
    for model in models:
        if model["label_map"] not in {"none", "all-to-one"}:
            continue
        for quality in QUALITIES:
            if (model["name"], quality) in done:
                continue
            null = nulls.of(recipe_of(model))

            def sent(
                batch: NDArray[np.float32], spec: InputSpec, quality: int = quality
            ) -> NDArray[np.float32]:
                return through_jpeg(batch, spec, quality)

            row = short(search_one(model, 0, null, options=options, sent=sent))
            rows.append({**row, "quality": quality})
            write(DATA, data)
            print(model["name"], quality, row["suspicious"], row["queries"], flush=True)


# ---- tables -----------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What the rule made of one model in one coding."""

    value: float
    p: float
    label: int
    families: float
    trigger: float

    @property
    def flagged(self) -> bool:
        """Whether the rule calls it suspicious."""
        return self.p <= LEVEL


@dataclass(frozen=True)
class Pair:
    """One calibration model judged losslessly and through JPEG, beside other recipes.

    Attributes:
        model: the model.
        lossless: value, p-value, label, families' largest excess, trigger's largest weight.
        jpeg: the same through JPEG.
        recovered: whether the verified patch sends at least 90 % to a true target, of each.
    """

    model: Model
    lossless: Outcome
    jpeg: Outcome
    recovered: tuple[bool, bool]


def pairs_of(study: Study, quality: int) -> list[Pair]:
    """Every model that was searched in both codings, in order."""
    lossless = {row["name"]: row for _, row in study.rows if row["seed"] == 0}
    lossy = {row["name"]: row for row in _data()["searches"] if row["quality"] == quality}
    judged = study.judged(CHOSEN, "cross")
    found = []
    for model in study.models:
        if model.name not in lossy or model.name not in lossless:
            continue
        null = clean_null(one for one in judged if one.model.recipe != model.recipe)
        through = _through(model, quality)
        both = [
            _outcome(study, one, row, null)
            for one, row in ((model, lossless[model.name]), (through, lossy[model.name]))
        ]
        hits = [
            recovered(rows[model.name]["findings"], model.targets) for rows in (lossless, lossy)
        ]
        found.append(Pair(model, both[0], both[1], (hits[0], hits[1])))
    return found


def _through(model: Model, quality: int) -> Model:
    """``model`` with the counts that it gave through JPEG as the audited model."""
    row = _data()["counts"][f"{model.dataset}-jpeg{quality}"][f"{model.name}/audited"]
    return replace(model, own={"image": read_counts(row)}, accuracy=(row["accuracy"],))


def _outcome(study: Study, model: Model, search: Record, null: ValueNull) -> Outcome:
    triggers = study.triggers(model, search, RULE, "cross")
    excess = excess_of(model, study.clean, "cross", "image", RULE.keys, RULE.widening)
    evidence = combine_by_label(triggers, excess, RULE)
    value, label = (evidence[0].value, evidence[0].label) if evidence else (0.0, -1)
    families = 0.0 if excess is None else float(excess.by_label.max())
    strongest = max((one.weight for one in triggers.values()), default=0.0)
    return Outcome(value, p_of(value, null), label, families, strongest)


def write_report(*, write_measured: bool) -> None:
    """Write the page, and if asked the numbers that the product states."""
    study = Study()
    found = {quality: pairs_of(study, quality) for quality in QUALITIES}
    lines = [
        "# JPEG uploads, on the calibration models",
        "",
        "    python -m examples.benchmarks jpeg ask --data-dir DATA",
        "    python -m examples.benchmarks jpeg search --data-dir DATA",
        "    python -m examples.benchmarks jpeg",
        "",
        "The same models, samples, directions and seeds, once as lossless pictures and once "
        "through JPEG (Pillow, its usual chroma subsampling): the families beside lossless clean "
        "references of other recipes, one trigger search each, judged by the null of lossless "
        "searches without the model's recipe, as the tool does it. Intervals are 95 %. A patch is "
        "recovered where it sends at least 90 % of fresh samples to the true target.",
        "",
        *_tables(found),
        "",
        *_notes(found),
    ]
    write_page(PAGE, "\n".join(lines))
    if write_measured:
        rows = [measured_at(quality, pairs) for quality, pairs in found.items()]
        recipes = {pair.model.recipe for pairs in found.values() for pair in pairs}
        measured_files.write_jpeg(rows, recipes)


class Column(NamedTuple):
    """One model as one coding shows it."""

    model: Model
    outcome: Outcome
    recovered: bool


def _columns(found: Mapping[int, Sequence[Pair]]) -> dict[str, list[Column]]:
    first = next(iter(found.values()))
    columns = {"lossless": [Column(p.model, p.lossless, p.recovered[0]) for p in first]}
    for quality, pairs in found.items():
        columns[f"JPEG {quality}"] = [Column(p.model, p.jpeg, p.recovered[1]) for p in pairs]
    return columns


def _tables(found: Mapping[int, Sequence[Pair]]) -> list[str]:
    columns = _columns(found)
    lines = [f"| evidence | models | {' | '.join(columns)} |", "|---|---|" + "---|" * len(columns)]

    def add(what: str, models: str, cell: Callable[[list[Column]], str]) -> None:
        cells = " | ".join(cell(column) for column in columns.values())
        lines.append(f"| {what} | {models} | {cells} |")

    groups: dict[str, Callable[[Model], bool]] = {
        "clean": lambda model: model.clean,
        "patches": lambda model: model.attack in PATCHES,
        "all-to-one": lambda model: not model.clean,
    }
    for name, kept in groups.items():
        add("called suspicious", name, partial(_flagged, kept))
    add("patch recovered, right target", "patches", _recovery)
    for name, words in WORDS.items():
        add(f"AUROC, {words}", "all", partial(_area, name))
    for name, words in WORDS.items():
        add(f"mean, largest: {words}", "clean", partial(_level, name))
    return lines


WORDS = {"value": "the rule's value", "families": "families alone", "trigger": "search alone"}


def _flagged(kept: Callable[[Model], bool], column: Sequence[Column]) -> str:
    chosen = [one for one in column if kept(one.model)]
    return rate_cell(sum(one.outcome.flagged for one in chosen), len(chosen))


def _recovery(column: Sequence[Column]) -> str:
    chosen = [one for one in column if one.model.attack in PATCHES]
    return rate_cell(sum(one.recovered for one in chosen), len(chosen))


def _values(column: Sequence[Column], name: str, *, clean: bool) -> list[float]:
    return [getattr(one.outcome, name) for one in column if one.model.clean is clean]


def _area(name: str, column: Sequence[Column]) -> str:
    return auroc_cell(_values(column, name, clean=True), _values(column, name, clean=False))


def _level(name: str, column: Sequence[Column]) -> str:
    values = _values(column, name, clean=True)
    return f"{np.mean(values):.2f}, {max(values):.2f}" if values else "–"


def _notes(found: Mapping[int, Sequence[Pair]]) -> list[str]:
    """Which models change sides."""
    lines = []
    for quality, pairs in found.items():
        lost = [p.model.name for p in pairs if p.lossless.flagged and not p.jpeg.flagged]
        won = [p.model.name for p in pairs if p.jpeg.flagged and not p.lossless.flagged]
        lines += [
            f"- JPEG {quality}: suspicious only losslessly: {', '.join(lost) or 'none'}; "
            f"only through JPEG: {', '.join(won) or 'none'}."
        ]
    return lines


def measured_at(quality: int, pairs: Sequence[Pair]) -> JpegRates:
    """The product's figures of one quality."""
    clean = [p for p in pairs if p.model.clean]
    bad = [p for p in pairs if not p.model.clean]
    (alarms, lossless_alarms), (found, lossless_found) = (
        (sum(p.jpeg.flagged for p in part), sum(p.lossless.flagged for p in part))
        for part in (clean, bad)
    )
    return JpegRates(quality, alarms, lossless_alarms, len(clean), found, lossless_found, len(bad))
