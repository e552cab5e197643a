"""Compare two audits, and findings with those that were accepted."""
