"""Numbers measured on the reference models, with their provenance."""
