"""auditor.workflows."""
