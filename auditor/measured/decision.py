"""The chosen rule and what it was measured on.

Rule and null: examples/benchmarks/decision_rule.py, on the development models. Error
rates: examples/benchmarks/decision_held_out.py, held-out models of rounds three and four,
which nothing had seen before: one audit each, beside references of other recipes.
"""

from auditor.verdict.rule import Counted, Measured, Rule, ValueNull

RULE = Rule(("smooth4:38", "smooth16:76", "noise:76", "wave:76", "lattice:5"), 0.5, 1.0, True)

WITH_REFERENCES = Measured(ValueNull(0.8615, 0.4318, 76, 1.779), 0, 40, 15, 85)
WITHOUT_REFERENCES = Measured(None, 1, 40, 20, 85)

MISSED_KINDS: tuple[Counted, ...] = (
    Counted("badnets", 4, 27),
    Counted("trojannn", 3, 9),
    Counted("blind", 0, 3),
    Counted("blended", 0, 7),
    Counted("sig", 6, 9),
    Counted("ssba", 0, 9),
    Counted("low-frequency", 0, 4),
    Counted("bpp", 0, 5),
    Counted("wanet", 0, 6),
    Counted("lira", 2, 6),
    Counted("x-to-one", 2, 2),
    Counted("one-to-one", 1, 1),
    Counted("x-to-x", 1, 1),
    Counted("all-to-all", 1, 1),
    Counted("1 % poison", 0, 1),
)
"""Backdoors missed beside references, by attack (all-to-one) or label map."""

ACCUSED_RECIPES: tuple[Counted, ...] = ()
"""Recipes of which clean models were accused beside references."""
