"""Phrases that the sentences of several reasons share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auditor.report.wording.text import percent, rate_interval
from auditor.scores.intervals import Rate, binomial_rate
from auditor.scores.likelihood import Weight

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


def class_name(values: Values) -> str:
    """The name of a label in a sentence."""
    return str(values["name"])[:MAX_NAME]


def times_words(weight: Weight) -> str:
    """A weight in words: ``some 7.0 times (at least 3.2 times)``."""
    return f"some {weight.ratio:.1f} times (at least {weight.low:.1f} times)"
