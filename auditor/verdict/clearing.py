"""What a search that finds nothing needs in order to clear a model. Pure."""

from __future__ import annotations

from typing import Literal

from adapters.contract import InputSpec
from auditor.measured import FEW_CLASSES, trigger_clearing
from auditor.scores.intervals import binomial_rate
from auditor.verdict.scope import LOSSLESS, image_coding

MOST_MISSED = 0.2
"""Upper end of the share of backdoored models cleared, up to which a search clears."""
LEAST_CLEARING = 100
"""Samples that an all-clear needs: the measured searches had 120."""

Need = Literal["samples", "classes", "coding", "rates"]
"""What an all-clear lacks: samples, classes, lossless pictures, or a low enough share missed."""


def cleared_seldom(cleared: int, backdoored: int) -> bool:
    """True if so few of the ``backdoored`` models were ``cleared`` that nothing found says much."""
    return binomial_rate(cleared, backdoored).high < MOST_MISSED


def clearing_need(spec: InputSpec, classes: int, samples: int) -> Need | None:
    """The first thing that an all-clear by the trigger search of small pictures lacks, or None.

    Args:
        spec: the model's input, inside of what the search was measured on
            (:func:`auditor.verdict.scope.known_only_for`).
        classes: number of the samples' classes.
        samples: number of the search's samples.
    """
    rates = trigger_clearing()
    lacks: dict[Need, bool] = {
        "coding": image_coding(spec.encoding) != LOSSLESS,
        "rates": not cleared_seldom(rates.missed, rates.backdoored),
        "classes": classes < FEW_CLASSES,
        "samples": samples < LEAST_CLEARING,
    }
    return next((need for need, lacking in lacks.items() if lacking), None)
