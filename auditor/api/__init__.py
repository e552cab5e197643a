"""auditor.api."""
