"""auditor.plan."""
