"""auditor.samples."""
