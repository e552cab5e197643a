"""auditor.measured."""
