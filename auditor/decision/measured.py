"""The chosen rule and what it was measured on.

Written by examples/benchmarks/decision_rule.py; the error rates are those of its
nested cross-validation over recipes: one audit per development model, judged by a rule
and a null that its recipe took no part in.
"""

from auditor.decision.rule import Counted, Measured, Rule, ValueNull

RULE = Rule(("smooth4:38", "smooth16:76", "noise:76", "wave:76", "lattice:5"), 0.5, 1.0, True)

WITH_REFERENCES = Measured(ValueNull(0.8615, 0.4318, 76, 1.779), 1, 76, 22, 143)
WITHOUT_REFERENCES = Measured(None, 1, 76, 28, 143)

MISSED_KINDS: tuple[Counted, ...] = (
    Counted("badnets", 4, 42),
    Counted("trojannn", 2, 10),
    Counted("blind", 0, 6),
    Counted("blended", 0, 22),
    Counted("sig", 10, 17),
    Counted("ssba", 3, 10),
    Counted("low-frequency", 0, 12),
    Counted("bpp", 0, 9),
    Counted("wanet", 1, 8),
    Counted("lira", 2, 7),
    Counted("x-to-one", 3, 3),
    Counted("one-to-one", 5, 5),
    Counted("x-to-x", 3, 3),
    Counted("all-to-all", 2, 2),
    Counted("1 % poison", 1, 5),
)
"""Backdoors missed beside references, by attack (all-to-one) or label map."""

ACCUSED_RECIPES: tuple[Counted, ...] = (
    Counted("gtsrb/cnn/scratch", 1, 9),
)
"""Recipes of which clean models were accused beside references."""
