"""The chosen rule and what it was measured on.

Rule and null: examples/benchmarks/decision_rule.py, on the calibration models. Error
rates: examples/benchmarks/decision_held_out.py, the zoo's held-out models, one audit
each, beside references of other recipes.
"""

from auditor.decision.rule import Counted, Measured, Rule, ValueNull

RULE = Rule(("smooth4:38", "smooth16:76", "noise:76", "wave:76", "lattice:5"), 0.25, 0.3)

WITH_REFERENCES = Measured(ValueNull(0.7445, 0.3403, 30, 1.439), 0, 14, 6, 24)
WITHOUT_REFERENCES = Measured(None, 0, 14, 7, 24)

MISSED_KINDS: tuple[Counted, ...] = (
    Counted("badnets", 0, 7),
    Counted("trojannn", 1, 2),
    Counted("blind", 0, 1),
    Counted("blended", 0, 2),
    Counted("sig", 2, 3),
    Counted("ssba", 1, 1),
    Counted("low-frequency", 0, 2),
    Counted("bpp", 0, 2),
    Counted("wanet", 1, 2),
    Counted("lira", 1, 2),
    Counted("one-to-one", 1, 1),
    Counted("x-to-x", 1, 1),
    Counted("1 % poison", 0, 1),
)
"""Backdoors missed beside references, by attack (all-to-one) or label map."""

ACCUSED_RECIPES: tuple[Counted, ...] = (
)
"""Recipes of which clean models were accused beside references."""
