"""Clean samples from disk: class folders, an ``.npz`` file, or a folder with ``labels.csv``."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Fit
from auditor.errors import SamplesError
from auditor.samples import left_out, pictures
from auditor.samples.arrays import load_arrays
from auditor.samples.class_list import read_class_order
from auditor.samples.folder import ListedSamples, merged_names, walk_folder
from auditor.samples.labels_csv import read_labels_csv
from auditor.samples.pictures import Framing, Picture, read_picture
from auditor.samples.samples import Samples, assemble, size_text, whole_number


class MixedSizesError(SamplesError):
    """The samples have several sizes, and nothing says to which they are to be brought."""


def load_samples(
    location: Path,
    resize: tuple[int, int] | None = None,
    fit: Fit = "squash",
    background: str = "white",
) -> Samples:
    """Read every sample at ``location``.

    Args:
        location: class folders (``class/….png``), an ``.npz`` with ``x`` and ``y``, or a
            flat folder with ``labels.csv`` (columns file name, label), or such a table. A
            ``classes.txt`` in the folder, or beside an ``.npz`` that names its classes, states
            the class order, one name per line.
        resize: ``(height, width)`` to bring every image to, or None to take them as they are.
        fit: the way to that size, see :class:`auditor.samples.pictures.Framing`.
        background: colour beneath transparent pictures and around padded ones.

    Raises:
        MixedSizesError: of mixed sizes without ``resize``.
        SamplesError: missing, unreadable, or a single class.
    """
    framing = Framing(resize, fit, background)
    table = location / "labels.csv"
    if _is_file(location):
        if location.suffix.lower() in {".csv", ".tsv"}:
            return _of_files(location.parent, read_labels_csv(location), framing)
        found = load_arrays(location, framing)
        numbered = all(whole_number(name) is not None for name in found.classes)
        order = None if numbered else read_class_order(location.parent / "classes.txt")
        return assemble(location, found.refs, found.classes, found.images, order, found.notes)
    listed = read_labels_csv(table) if table.exists() else walk_folder(location)
    return _of_files(location, listed, framing)


def _of_files(location: Path, listed: ListedSamples, framing: Framing) -> Samples:
    read = [read_picture(location / ref, framing) for ref in listed.refs]
    images = _stacked(listed.refs, read)
    notes = (
        *pictures.said(dict(zip(listed.refs, read, strict=True)), framing),
        *left_out.said(listed.left),
        *merged_names(listed.classes),
    )
    order = read_class_order(location / "classes.txt")
    return assemble(location, listed.refs, listed.classes, images, order, notes)


def _is_file(location: Path) -> bool:
    try:
        mode = location.stat().st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            raise SamplesError(f"the samples at {location} are no plain file: save them to one")
        return not stat.S_ISDIR(mode)
    except FileNotFoundError as error:
        raise SamplesError(f"there are no samples at {location}: no such file or folder") from error
    except OSError as error:
        raise SamplesError(f"the samples at {location} cannot be read: {error.strerror}") from error


def _stacked(refs: Sequence[str], read: Sequence[Picture]) -> NDArray[np.uint8]:
    images = [picture.pixels for picture in read]
    if any(image.shape[0] == 3 for image in images):
        # A grey file among colour files is the same image with three equal channels.
        images = [np.repeat(i, 3, axis=0) if i.shape[0] == 1 else i for i in images]
    first = images[0].shape
    odd = next((i for i, image in enumerate(images) if image.shape != first), None)
    if odd is not None:
        raise MixedSizesError(
            f"the samples have mixed sizes: {refs[0]} is {size_text(first)} and {refs[odd]} is "
            f"{size_text(images[odd].shape)}; pass --resize HxW with the model's size, which "
            "xray-audit check finds where the model states one (and --fit crop or pad, where "
            "squashing would distort them)"
        )
    return np.stack(images)
