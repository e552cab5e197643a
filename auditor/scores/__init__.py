"""auditor.scores."""
