"""Sentences for answers that are not those of one model."""

from __future__ import annotations

from auditor.measured import of_plans_since
from auditor.plan.digest import STATED
from auditor.report.wording.phrases import Values
from auditor.report.wording.text import percent, rate_interval
from auditor.scores.intervals import binomial_rate


def flips(values: Values) -> str:
    """Inputs that got another label, and their share."""
    different, asked = values["flips"], values["asked"]
    rate = binomial_rate(different, asked)
    return (
        f"Asked again, {different} of {asked} inputs got another label ({percent(rate.rate)}, "
        f"{rate_interval(rate.low, rate.high)})"
    )


def swapped(values: Values) -> str:
    """One change of the model and where it can lie; reports by plans of before version 14 dated
    it, by a moment that fits no better than others of that range.
    """
    across, hits = values["across"], values["across_flipped"]
    others = f"{values['flips'] - hits} of {values['asked'] - across} others"
    if not of_plans_since(STATED):
        return (
            f"{flips(values)}. That fits one change, at about {values['moment']:.0%} of the audit: "
            f"another label for {hits} of {across} inputs asked before and after it, and for "
            f"{others}. From there on another model answered."
        )
    return (
        f"{flips(values)}. That fits one change to another model: it lies between "
        f"{values['after']:.0%} and {values['before']:.0%} of samples, planes and repeats, where "
        "the first repeat that differs was asked, or in a trigger search meanwhile. The label "
        f"differs for {hits} of {across} inputs asked on both sides of it, and for {others}."
    )


def growing(values: Values) -> str:
    """Class names without end."""
    rate = binomial_rate(values["single"], values["answers"])
    return (
        f"The labels do not come to an end: {values['labels']:,} different ones in "
        f"{values['answers']:,} answers, and {rate.rate:.0%} of the answers have one that no other "
        "has. Name the classes (--classes) if the target has that many."
    )
