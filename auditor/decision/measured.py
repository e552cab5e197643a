"""The chosen rule and what it was measured on.

Rule and null: examples/benchmarks/decision_rule.py, on the calibration models. Error
rates: examples/benchmarks/decision_held_out.py, the zoo's held-out models, one audit
each, beside references of other recipes.
"""

from auditor.decision.rule import Measured, Rule, ValueNull

RULE = Rule(("smooth4:38", "smooth16:76", "noise:76", "wave:76", "lattice:5"), 0.5, 1.0)

WITH_REFERENCES = Measured(ValueNull(0.7468, 0.2827, 30, 1.347), 2, 32, 7, 70)
WITHOUT_REFERENCES = Measured(None, 2, 32, 14, 70)
