"""The chosen rule and what it was measured on.

Written by examples/benchmarks/decision_rule.py; the error rates are those of its
nested cross-validation over recipes: one audit per calibration model, judged by a rule
and a null that its recipe took no part in.
"""

from auditor.decision.rule import Measured, Rule, ValueNull

RULE = Rule(("smooth4:38", "smooth16:76", "noise:76", "wave:76", "lattice:5"), 0.5, 1.0)

WITH_REFERENCES = Measured(ValueNull(0.7468, 0.2827, 30, 1.347), 1, 30, 6, 49)
WITHOUT_REFERENCES = Measured(None, 0, 30, 11, 49)
