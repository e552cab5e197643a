"""The Python API: audit, targets and reports."""
