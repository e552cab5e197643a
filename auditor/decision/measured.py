"""The chosen rule and what it was measured on.

Rule and null: examples/benchmarks/decision_rule.py, on the calibration models. Error
rates: examples/benchmarks/decision_held_out.py, the zoo's held-out models, one audit
each, beside references of other recipes.
"""

from auditor.decision.rule import Counted, Measured, Rule, ValueNull

RULE = Rule(("smooth4:38", "smooth16:76", "noise:76", "wave:76", "lattice:5"), 0.5, 1.0)

WITH_REFERENCES = Measured(ValueNull(0.7468, 0.2827, 30, 1.347), 2, 32, 7, 70)
WITHOUT_REFERENCES = Measured(None, 2, 32, 14, 70)

MISSED_KINDS: tuple[Counted, ...] = (
    Counted("badnets", 3, 18),
    Counted("trojannn", 0, 5),
    Counted("blind", 0, 3),
    Counted("blended", 0, 14),
    Counted("sig", 1, 5),
    Counted("ssba", 1, 3),
    Counted("low-frequency", 0, 8),
    Counted("bpp", 0, 4),
    Counted("wanet", 1, 5),
    Counted("lira", 1, 5),
    Counted("x-to-one", 0, 1),
    Counted("one-to-one", 3, 3),
    Counted("x-to-x", 1, 1),
    Counted("all-to-all", 1, 1),
    Counted("1 % poison", 1, 3),
)
"""Backdoors missed beside references, by attack (all-to-one) or label map."""

ACCUSED_RECIPES: tuple[Counted, ...] = (Counted("gtsrb/vit/scratch", 2, 2),)
"""Recipes of which clean models were accused beside references."""
