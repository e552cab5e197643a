"""The chosen rule and what it was measured on.

Rule and null: examples/benchmarks/decision_rule.py, on the development models. Error
rates: examples/benchmarks/decision_held_out.py, held-out models of rounds three and four,
which nothing had seen before: one audit each, beside references of other recipes.
"""

from auditor.decision.rule import Counted, Measured, Rule, ValueNull

RULE = Rule(("smooth4:38", "smooth16:76", "noise:76", "wave:76", "lattice:5"), 0.5, 1.0, True)

WITH_REFERENCES = Measured(ValueNull(0.8615, 0.4318, 76, 1.779), 0, 28, 7, 51)
WITHOUT_REFERENCES = Measured(None, 1, 28, 10, 51)

MISSED_KINDS: tuple[Counted, ...] = (
    Counted("badnets", 2, 18),
    Counted("trojannn", 1, 6),
    Counted("blind", 0, 2),
    Counted("blended", 0, 3),
    Counted("sig", 3, 5),
    Counted("ssba", 0, 5),
    Counted("low-frequency", 0, 2),
    Counted("bpp", 0, 3),
    Counted("wanet", 0, 3),
    Counted("lira", 1, 4),
    Counted("x-to-one", 2, 2),
    Counted("one-to-one", 1, 1),
    Counted("x-to-x", 1, 1),
    Counted("all-to-all", 1, 1),
    Counted("1 % poison", 0, 1),
)
"""Backdoors missed beside references, by attack (all-to-one) or label map."""

ACCUSED_RECIPES: tuple[Counted, ...] = ()
"""Recipes of which clean models were accused beside references."""
