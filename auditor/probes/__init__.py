"""Probes: pure, seeded recipes that turn clean samples into inputs for the model."""
