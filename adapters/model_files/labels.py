"""Labels from a model's reply; its scores go no further."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.checks import check_labels, top1
from adapters.contract import Labels, LabelSpace, distinct_names
from adapters.errors import BadReply, TargetError
from adapters.quoting import one_line


def label_space(classes: Sequence[str] | None, size: int | None, *, text: bool) -> LabelSpace:
    """The label space of a model file that states ``classes``, their number, or neither."""
    names = distinct_names(classes or ())
    if text:  # a name that is listed twice is one label
        return LabelSpace(list(dict.fromkeys(classes or ())), open=not names)
    if names and size is not None and len(names) != size:
        extra = " (is its first class a background, which the list lacks?)"
        raise TargetError(
            f"{len(names)} class names were given, the model has {size} classes"
            + (extra if size == len(names) + 1 else "")
        )
    return LabelSpace(names, size=size)


def read_labels(reply: NDArray[Any], rows: int, space: LabelSpace) -> Labels:
    """Reduce a model's reply to labels ``(rows,)``; the reply itself goes no further. Names
    ``(rows,)`` and whole numbers ``(rows,)`` or ``(rows, 1)`` are labels already; all else must be
    scores ``(rows, classes)``, whose count fixes the size of an unsized ``space``. Raises BadReply
    without one usable label per input.
    """
    flat = reply.shape in ((rows,), (rows, 1))
    if reply.dtype.kind in "OUS":
        if not flat:
            raise BadReply(f"the model returned names of shape {reply.shape} for {rows} inputs")
        return np.array([_index(name, space) for name in reply.ravel()], dtype=np.int64)
    if flat and reply.dtype.kind in "iu":
        return check_labels(reply, rows, space.size)
    labels = top1(reply[:, None] if reply.shape == (rows,) else reply, rows)
    classes = reply.size // rows
    if space.size is None:
        space.size = classes
    if space.size != classes:
        raise BadReply(f"the model scores {classes} classes where {space.size} were expected")
    return labels


def _index(name: Any, space: LabelSpace) -> int:
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
    index = space.index(text)
    if index is None:
        raise BadReply(f"the model answered {one_line(text)!r}, which is not a known class")
    return index
