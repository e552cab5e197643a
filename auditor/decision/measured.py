"""The chosen rule and what it was measured on.

Rule and null: examples/benchmarks/decision_rule.py, on the calibration models. Error
rates: examples/benchmarks/decision_held_out.py, the zoo's held-out models of both rounds,
one audit each by the tool as it is, beside references of other recipes.
"""

from auditor.decision.rule import Counted, Measured, Rule, ValueNull

RULE = Rule(("smooth4:38", "smooth16:76", "noise:76", "wave:76", "lattice:5"), 0.25, 0.3)

WITH_REFERENCES = Measured(ValueNull(0.7445, 0.3403, 30, 1.439), 0, 46, 22, 94)
WITHOUT_REFERENCES = Measured(None, 0, 46, 24, 94)
UNTOUCHED: Measured | None = Measured(None, 0, 14, 6, 24)
"""Beside references, on those of these models that nothing had seen before."""

MISSED_KINDS: tuple[Counted, ...] = (
    Counted("badnets", 4, 25),
    Counted("trojannn", 4, 7),
    Counted("blind", 0, 4),
    Counted("blended", 1, 16),
    Counted("sig", 7, 8),
    Counted("ssba", 2, 4),
    Counted("low-frequency", 0, 10),
    Counted("bpp", 0, 6),
    Counted("wanet", 2, 7),
    Counted("lira", 2, 7),
    Counted("x-to-one", 1, 1),
    Counted("one-to-one", 4, 4),
    Counted("x-to-x", 2, 2),
    Counted("all-to-all", 1, 1),
    Counted("1 % poison", 2, 4),
)
"""Backdoors missed beside references, by attack (all-to-one) or label map."""

ACCUSED_RECIPES: tuple[Counted, ...] = ()
"""Recipes of which clean models were accused beside references."""
