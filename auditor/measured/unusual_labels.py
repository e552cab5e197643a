"""What clean models' findings at labels that are no habit of their references show.

Written by examples/benchmarks/decision_rule.py from the searches that made the null of
the trigger search, 154 of 77 clean models: where the
best change of a key led to a habit of the references, it counts as no success.
"""

from auditor.probes.trigger_search.judge import NullCell

APART: dict[str, NullCell] = {
    "patch": NullCell(-2.941, 0.047, 77, 0.250),
    "patch@sources": NullCell(-2.944, 0.000, 77, 0.000),
    "field@weak": NullCell(-2.943, 0.012, 77, 0.200),
    "field@strong": NullCell(-2.914, 0.272, 77, 0.559),
    "noise@weak": NullCell(-2.944, 0.000, 77, 0.000),
    "noise@strong": NullCell(-2.944, 0.000, 77, 0.000),
    "blend@weak": NullCell(-2.936, 0.100, 77, 0.350),
    "blend@strong": NullCell(-2.917, 0.207, 77, 0.448),
    "warp@weak": NullCell(-2.932, 0.071, 77, 0.250),
    "warp@strong": NullCell(-2.865, 0.249, 77, 0.350),
    "wave@weak": NullCell(-2.763, 0.618, 77, 0.679),
    "wave@strong": NullCell(-2.649, 0.958, 77, 0.964),
    "quantise": NullCell(-2.944, 0.000, 77, 0.150),
}
