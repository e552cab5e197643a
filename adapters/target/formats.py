"""Forms of a request and of a reply, two tables of a description; see :mod:`.description`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from adapters.target.kinds import READING, Number, Texts

ReplyKind = Literal[
    "label",
    "index",
    "scores",
    "label-score-list",
    "label-score-dict",
    "label-score-columns",
    "classification",
    "binary",
    "chosen",
]


@dataclass(frozen=True, slots=True)
class RequestFormat:
    """Form of one request."""

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    """HTTP method."""
    body: Literal["json", "multipart", "form", "raw"] = "json"
    """``json`` (a template), ``multipart`` (a file field), ``form`` (a picture as base64 or, by
    ``value``, as a data URI in a field of an urlencoded form) or ``raw`` (the file's bytes or, by
    ``value``, its base64 or data URI alone)."""
    content_type: str = ""
    """Content-Type of a raw body or of a multipart file if the server wants another one than
    the encoding's own."""
    field: str = "file"
    """Name of the picture's field in a form."""
    form: Texts = dataclasses.field(default_factory=dict)
    """Further fields of a form, such as ``{"model" = "small"}``."""
    template: str = '{"inputs": "$INPUTS"}'
    """JSON text; the string "$INPUT" stands for one input and "$INPUTS" for the list of all
    inputs of the request (then ``batch`` may exceed 1), "$MODEL" for ``model`` and "$CLASSES" for
    the list of ``response.classes``. Inside a text, $CLASS_NAMES stands for their names."""
    model: str = ""
    """Name of the model, where the template says "$MODEL"."""
    item: str = '"$INPUT"'
    """JSON text of one element of "$INPUTS", around the string "$INPUT", for servers that wrap
    every input: ``{"b64": "$INPUT"}``."""
    value: Literal["array", "pixels", "base64", "data-uri"] = "array"
    """Form of an input in JSON: ``array`` (nested numbers in the model's input units),
    ``pixels`` (nested whole numbers 0 to 255), ``base64`` or ``data-uri`` (an encoded image)."""
    axes: Literal["image", "grey", "flat"] = "image"
    """The axes of one input written as numbers: ``image`` (three, in the order of
    ``input.layout``), ``grey`` (height and width, of a single channel) or ``flat`` (one list of
    all values, in that order)."""
    tensor: str = ""
    """V2 input name if the model has several; empty takes the only one."""


@dataclass(frozen=True, slots=True)
class ReplyFormat:
    """Place of the label in a reply."""

    __pydantic_config__: ClassVar[dict[str, Any]] = READING

    path: str = ""
    """Dotted path with indices into the JSON reply, ``predictions.*.label`` style; ``*`` walks
    a list with one entry per input. Empty: the reply itself. For V2 and for a model file: the
    name of the output."""
    kind: ReplyKind = "scores"
    """Kind of value there: a class ``label`` (name), an ``index``, ``scores`` (one per class,
    reduced to the top label at once), a ``label-score-list`` (``[{"label": .., "score":
    ..}]``), a ``label-score-dict`` (``{name: score}``), ``label-score-columns`` (``{"labels":
    [..], "scores": [..]}``), a ``classification`` (V2 only: Triton's extension answers
    ``score:index[:label]``) or one answer about two classes, ``binary`` (a number and
    ``threshold``, yes or no, or a ``tag`` that is there or not), or a text that names the class
    ``chosen`` among ``classes``, alone, in JSON or in a sentence: "The answer is: Red."; one that
    names none, or more than one, is refused. A model file states it only where its output is one
    number for each input: ``binary``, with ``threshold`` and two ``classes``."""
    threshold: Number | None = None
    """For ``binary``: a number from here on stands for the second of ``classes``, a lower one for
    the first. 0.5 for a probability, 50 for a percentage, 0 for a logit. A text with a percent
    sign counts as its share: "93.2 %" is 0.932."""
    tag: str = ""
    """For ``binary``: name of the tag that stands for the second of ``classes`` where it is listed,
    with a score of at least ``threshold`` if one is stated. Without it the first counts."""
    reshape_from: str = ""
    """Path of the shape that a flat list of scores has."""
    success_path: str = ""
    """Path that must hold ``success_value`` in a good reply, or empty; ``*`` asks it of every
    entry."""
    success_value: str = ""
    """See ``success_path``."""
    error_path: str = ""
    """Path of an error message; present and not null means the request failed."""
    label_key: str = "label"
    """Name of the label in an entry of a ``label-score-list``, or its dotted path there (``0`` for
    pairs), or name of the list of labels in ``label-score-columns``."""
    score_key: str = "score"
    """The same for the score, also where a ``label-score-dict`` holds a table for each name."""
    no_label: str = ""
    """Name of the class that stands for "the target named nothing": null, or an empty text, list
    or table in the label's place, and for ``chosen`` words without one class. Empty: such an
    answer is a failure, as it must be wherever a label is always due."""
    min_score: Number | None = None
    """A top label with a lower score counts as ``no_label``."""
    unlisted: Literal["refuse", "skip"] = "refuse"
    """Treatment of a label that ``classes`` does not list: ``refuse`` the reply, or ``skip``
    it and take the best one that is listed."""
    rename: Texts = dataclasses.field(default_factory=dict)
    """Table of the target's class names to those of the samples."""
    body: Literal["json", "text"] = "json"
    """``json``, or ``text``: the whole body is one text, such as a class's name."""
