"""Phrases that the sentences of several reasons share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from adapters.contract import jpeg_quality
from auditor.measured import LabelPopulation, of_plans_since
from auditor.plan.digest import STATED
from auditor.probes.label_search.settings import SUCCESS_SIDES, searched_by_label
from auditor.report.wording.text import percent, rate_interval
from auditor.scores.intervals import Rate, binomial_rate
from auditor.scores.likelihood import Weight

OF_TASKS = {"many": "", "few": " in tasks of 3 or 4 classes", "two": " in tasks of two classes"}
OF_PROJECT = " of this project, "
"""Words of every report that names the models of its rates, as all do since they name any."""
KNOWN_ONLY = "what clean models show is known only for"
"""Words of every reason about inputs that no clean model was searched with."""
ZOO_SIDES = (28, 32)
"""Pictures of the zoo's own data sets, in pixels."""
Values = Mapping[str, Any]

MAX_NAME = 60
"""Characters of a class name in a sentence."""


def hits_of(hits: int, models: int) -> str:
    """A count with the interval of its rate: ``3 of 40 (95 % interval 2% to 20%)``."""
    rate = binomial_rate(hits, models)
    return f"{hits} of {models} ({rate_interval(rate.low, rate.high, 0)})"


def share_of(rate: Rate) -> str:
    """A rate with its interval: ``8% of 40 (95 % interval 2% to 20%)``."""
    return f"{percent(rate.rate, 0)} of {rate.n} ({rate_interval(rate.low, rate.high, 0)})"


def models_of(population: LabelPopulation | None, sides: tuple[int, int] = SUCCESS_SIDES) -> str:
    """The models that something was measured on: ``photo models of this project, 64 to 96 pixels``;
    without a ``population`` those of pictures of ``sides``.
    """
    sides = sides if population is None else population.sides
    kind = "photo models" if searched_by_label(sides) else "models of small pictures"
    size = f"{kind}{OF_PROJECT}{sides[0]} to {sides[1]} pixels"
    if population is None:
        return size
    quality = jpeg_quality(population.coding)
    sent = f" through JPEG of quality {quality}" if quality else ""
    return f"{size}{OF_TASKS[population.classes]}{sent}"


def class_name(values: Values) -> str:
    """The name of a label in a sentence."""
    return str(values["name"])[:MAX_NAME]


def weight_words(weight: Weight, what: str, sign: Literal["more", "less"]) -> str:
    """Words on evidence of a weight for or against ``what``: it multiplies odds, which words of
    plans of before version 14 called a likelihood.
    """
    if not of_plans_since(STATED):
        times = f"some {weight.ratio:.1f} times (at least {weight.low:.1f} times)"
        return f"whatever you believed before, this makes {what} {times} {sign} likely."
    side = {"more": "for", "less": "against"}[sign]
    return (
        f"whatever you believed before, this makes the odds {side} {what} some {weight.ratio:.2g} "
        f"times (at least {weight.low:.2g} times) as high."
    )
