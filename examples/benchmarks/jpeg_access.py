"""What JPEG uploads do to the decision rule's evidence, on the zoo's calibration models.

    python -m examples.benchmarks.jpeg_access ask --data-dir DATA
    python -m examples.benchmarks.jpeg_access search --data-dir DATA
    python -m examples.benchmarks.jpeg_access report

``ask`` puts the rule's families to every calibration model through JPEG 90 and 75, in both roles
(as ``family_counts`` does through lossless pictures), into ``counts/DATASET-jpegQ.json``;
``search`` runs one trigger search per clean or all-to-one model and quality, into
``jpeg_searches.json``; both skip what is there. ``report`` asks nothing and writes
``jpeg_access.md``.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adapters._images import encode_picture
from adapters.contract import InputSpec
from auditor.decision.measured import RULE, WITH_REFERENCES
from auditor.decision.rule import LEVEL, p_of, weigh
from examples.benchmarks.decision_data import (
    PATCHES,
    Mode,
    Model,
    Nulls,
    auroc_cell,
    excess_of,
    load_models,
    load_searches,
    rate_cell,
    recipe_of,
    short,
    triggers_of,
)
from examples.benchmarks.decision_rule import Candidate, Study, clean_null
from examples.benchmarks.family_counts import QUERIES, ROLES, counts_of, probes_for
from examples.benchmarks.trigger_search import classifier, search_one
from examples.zoo import default_folder
from examples.zoo.index import collect

HERE = Path(__file__).parent
SEARCHES = HERE / "jpeg_searches.json"
QUALITIES = (90, 75)
Record = dict[str, Any]


def through_jpeg(batch: NDArray[np.float32], spec: InputSpec, quality: int) -> NDArray[np.float32]:
    """What a model receives of ``batch``, ``(n, c, h, w)``, uploaded as JPEG of ``quality``."""
    pixels = spec.to_pixels(batch)
    decoded = np.stack([_decoded(one, quality) for one in pixels])
    return spec.from_pixels(decoded)


def _decoded(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    image = np.asarray(Image.open(io.BytesIO(encode_picture(pixels, f"jpeg:{quality}"))))
    return image[None] if image.ndim == 2 else image.transpose(2, 0, 1)


def main() -> None:
    """Run one of the three steps."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", choices=("ask", "search", "report"))
    parser.add_argument("--models", type=Path, default=default_folder())
    parser.add_argument("--data-dir", type=Path, action="append", default=[])
    parser.add_argument("--samples", type=int, default=120)
    options = parser.parse_args()
    models = [m for m in collect(options.models) if m["split"] == "calibration" and not m["failed"]]
    steps: dict[str, Callable[[], None]] = {
        "ask": lambda: ask(models, options),
        "search": lambda: search_all(models, options),
        "report": lambda: write_report(),
    }
    steps[options.step]()


# ---- asking -----------------------------------------------------------------------------------


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
    path = HERE / "counts" / f"{dataset}-jpeg{quality}.json"
    known: Record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
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
                answers[f"image/{probe.family.key}"] = labels(batch)
            known[name] = counts_of(model, answers, probes, "image", truth)
    lines = [
        f"{json.dumps(name)}: {json.dumps(row, separators=(',', ':'))}"
        for name, row in sorted(known.items())
    ]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(dataset, quality, len(known), flush=True)


def search_all(models: Sequence[Record], options: argparse.Namespace) -> None:
    """One trigger search per clean or all-to-one model and quality, seed 0."""
    rows = _searches()
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
            text = ",\n".join(json.dumps(one) for one in rows)
            SEARCHES.write_text(f"[\n{text}\n]\n", encoding="utf-8")
            print(model["name"], quality, row["suspicious"], row["queries"], flush=True)


def _searches() -> list[Record]:
    if not SEARCHES.exists():
        return []
    rows: list[Record] = json.loads(SEARCHES.read_text(encoding="utf-8"))
    return rows


if __name__ == "__main__":
    main()
