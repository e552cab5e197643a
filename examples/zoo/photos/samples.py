"""Test pictures of a model as a folder of PNGs by class: the samples that an audit takes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from examples.zoo.data import Dataset, Int64Array
from examples.zoo.errors import ZooError

from .manifest import PhotoSpec, build_manifest
from .sources import load


def find(name: str) -> PhotoSpec:
    """The planned model of that name.

    Raises:
        ZooError: there is none.
    """
    if (spec := _planned().get(name)) is not None:
        return spec
    raise ZooError(f"no photo model is called {name!r}; `manifest FILE` writes their names")


@cache
def _planned() -> dict[str, PhotoSpec]:
    """Every planned model, by its name."""
    return {spec.name: spec for spec in build_manifest()}


def write_samples(spec: PhotoSpec, data_dir: Path, out: Path, per_class: int, seed: int) -> int:
    """Write up to ``per_class`` pictures of each class to ``out/<class>/<n>.png``; their number."""
    from PIL import Image  # noqa: PLC0415 - the manifest needs no Pillow

    data = load(spec.task, spec.side, data_dir)
    written = 0
    for name, picked in zip(data.info.classes, drawn(spec, data, per_class, seed), strict=True):
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        for index in picked:
            picture = data.x_test[index].transpose(1, 2, 0)
            Image.fromarray(picture.squeeze()).save(folder / f"{index:05d}.png")
            written += 1
    return written


def drawn(spec: PhotoSpec, data: Dataset, per_class: int, seed: int) -> list[Int64Array]:
    """Indices of up to ``per_class`` test pictures, for each class in order."""
    rng = np.random.default_rng([spec.side, seed])
    pools = [np.flatnonzero(data.y_test == label) for label in range(len(data.info.classes))]
    return [
        np.sort(rng.choice(pool, min(per_class, len(pool)), replace=False)).astype(np.int64)
        for pool in pools
    ]
