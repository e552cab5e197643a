"""The chosen rule and what it was measured on.

Written by examples/benchmarks/decision_rule.py; the error rates are those of its
nested cross-validation over recipes: one audit per calibration model, judged by a rule
and a null that its recipe took no part in.
"""

from auditor.decision.rule import Counted, Measured, Rule, ValueNull

RULE = Rule(("smooth4:38", "smooth16:76", "noise:76", "wave:76", "lattice:5"), 0.25, 0.3)

WITH_REFERENCES = Measured(ValueNull(0.7445, 0.3403, 30, 1.439), 0, 30, 6, 49)
WITHOUT_REFERENCES = Measured(None, 0, 30, 9, 49)

MISSED_KINDS: tuple[Counted, ...] = (
    Counted("badnets", 2, 17),
    Counted("trojannn", 1, 3),
    Counted("blind", 0, 2),
    Counted("blended", 0, 6),
    Counted("sig", 3, 9),
    Counted("ssba", 0, 6),
    Counted("low-frequency", 0, 2),
    Counted("bpp", 0, 3),
    Counted("wanet", 0, 1),
    Counted("x-to-one", 2, 2),
    Counted("one-to-one", 1, 1),
    Counted("x-to-x", 1, 1),
    Counted("all-to-all", 1, 1),
    Counted("1 % poison", 0, 1),
)
"""Backdoors missed beside references, by attack (all-to-one) or label map."""

ACCUSED_RECIPES: tuple[Counted, ...] = (
)
"""Recipes of which clean models were accused beside references."""
