"""auditor.labels."""
