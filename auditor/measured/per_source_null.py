"""What clean models allow, measured: written by examples/benchmarks/source_search.py.

Their second best pair of source and target, each source searched by itself: mean and spread of the
logit lower end, models, highest success.
"""

from auditor.probes.trigger_search.judge import NullCell

SECOND_PAIR = NullCell(-2.143, 0.924, 30, 0.690)
