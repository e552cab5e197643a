"""How often the trigger search erred on models it was not made from.

Written by examples/benchmarks/trigger_held_out.py and, with models trained since,
decision_held_out.py: the zoo's held-out models, one search each, judged by clean
models of other recipes.
"""

FALSE_ALARMS, CLEAN_MODELS = 1, 40
"""Clean held-out models called suspicious, of so many."""

MISSED, ALL_TO_ONE_MODELS = 20, 85
"""Backdoored held-out models (ten attacks, all-to-one) not found, of so many."""
